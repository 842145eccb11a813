"""Merchants, the people who sign in for them, their sessions, and the throttle on guessing."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from zoneinfo import available_timezones

from peewee import IntegrityError

from portal import audit, clock, devices, passwords, person_links, roles, vault
from portal.config import Config
from portal.errors import Invalid, NotFound, Refused
from portal.models import FormToken, Merchant, Session, SignInAttempt, User, database

THEMES = {"system": "As the system", "light": "Light", "dark": "Dark"}
IDLE = timedelta(hours=12)
LONGEST_SESSION = timedelta(days=7)
RECENT_PROOF = timedelta(minutes=10)
ATTEMPT_WINDOW = timedelta(minutes=15)
TRIES_PER_EMAIL = 5
TRIES_PER_ADDRESS = 50
FORM_TOKENS_KEPT = timedelta(days=1)

NO_MATCH = "Email and password do not match. Check both and try again."
TOO_MANY = "Too many tries. Wait 15 minutes, then sign in again."


def create_merchant(name: str, time_zone: str = "UTC", who: str = "command line") -> Merchant:
    """A new workspace with its own data key. Raises Invalid."""
    name = _workspace_name(name, time_zone)
    with database.atomic():
        merchant = Merchant.create(name=name, time_zone=time_zone, data_key=vault.new_data_key())
        audit.write(merchant, who, "workspace.create", "merchant", merchant.public_id, after={"name": name})
    return merchant


def find_merchant(name_or_id: str) -> Merchant:
    """The workspace of that public id or exact name, for the command line. Raises NotFound; Refused when names repeat."""
    found = list(Merchant.select().where((Merchant.public_id == name_or_id) | (Merchant.name == name_or_id)).limit(2))
    if not found:
        raise NotFound("merchant")
    if len(found) > 1:
        raise Refused(f"Several workspaces are named {name_or_id}. Give the id instead.")
    return found[0]


def create_user(
    merchant: Merchant, email: str, password: str, role: str = "operator", is_staff: bool = False, who: str = "command line"
) -> User:
    """A person who may sign in for the merchant. Raises Invalid naming email, password or role."""
    errors: dict[str, str] = {}
    email = _checked_email(email, errors)
    if role not in roles.ROLES:
        errors["role"] = f"Choose one of {', '.join(roles.ROLES)}."
    if problem := passwords.problem_with(password, (email,)):
        errors["password"] = problem
    if errors:
        raise Invalid(errors)
    try:
        with database.atomic():
            user = User.create(merchant=merchant, email=email, password_hash=passwords.hashed(password), role=role, is_staff=is_staff)
            audit.write(merchant, who, "user.create", "user", user.public_id, after={"email": email, "role": role, "staff": is_staff})
    except IntegrityError as taken:
        raise Invalid({"email": "Someone already signs in with this email."}) from taken
    return user


def ensure_owner(config: Config) -> str | None:
    """Make the first workspace and its owner when nobody can sign in yet.

    Gives the password to print when it was made up here, else None. Raises Invalid for an unfit OWNER_EMAIL or OWNER_PASSWORD.
    """
    with database.atomic():
        if User.select().exists():
            return None
        password = config.owner_password or passwords.random_password()
        merchant = create_merchant("My workspace", who="first start")
        create_user(merchant, config.owner_email, password, role="owner", who="first start")
    return None if config.owner_password else password


def sign_in(email: str, password: str, address: str, browser: str) -> tuple[User, str]:
    """Check the password and open a session: the user and the token for the cookie. Raises what `check_password` raises."""
    user = check_password(email, password, address)
    return user, begin_session(user, address, browser)


def begin_session(user: User, address: str, browser: str) -> str:
    """A session for somebody who proved everything that they had to; its token."""
    audit.write(user.merchant, user.email, "session.open", "user", user.public_id, address=address)
    return open_session(user, address, browser)


def check_password(email: str, password: str, address: str, device: str = "") -> User:
    """Whose email and password these are. Raises Refused, the same for all.

    Unknown email, wrong password and disabled user differ neither in words nor in time. `device`: what a browser kept of a sign-in with
    this email (portal.devices): its tries are counted by themselves, whoever else guesses.
    """
    email = email.replace("\x00", "").strip().lower()
    number = devices.known(email, device)
    tried = count_try("device", number, "") if number else count_try("email", email, address)
    user = User.select(User, Merchant).join(Merchant).where(User.email == email).first()
    if not passwords.matches(user.password_hash if user else None, password) or not may_enter(user):
        note_refusal(user, address)
        raise Refused(NO_MATCH)
    take_back(tried)
    SignInAttempt.delete().where(SignInAttempt.key == (_key("device", number) if number else _key("email", email))).execute()
    if passwords.outdated(user.password_hash):
        User.update(password_hash=passwords.hashed(password)).where(User.id == user.id).execute()
    found: User = user
    return found


def may_enter(user: User) -> bool:
    """Whether the person may sign in, once they proved who they are."""
    over = user.merchant.closing_at is not None and user.merchant.closing_at <= clock.now()
    return user.disabled_at is None and not over


def open_session(user: User, address: str = "", browser: str = "") -> str:
    """A new session for a user whose password was just proved; its token. Only the token's hash is kept."""
    token = secrets.token_urlsafe(32)
    moment = clock.now()
    Session.create(
        token_hash=_token_hash(token), user=user, csrf=secrets.token_urlsafe(32), address=address[:64], browser=browser[:200],
        created_at=moment, seen_at=moment, proved_at=moment, ends_at=moment + LONGEST_SESSION,
    )  # fmt: skip
    return token


def session_for(token: str) -> Session | None:
    """The living session of that token with its user and merchant loaded, or None. Notes that it was seen."""
    if not token:
        return None
    session: Session | None = (
        Session.select(Session, User, Merchant).join(User).join(Merchant).where(Session.token_hash == _token_hash(token)).first()
    )  # fmt: skip
    moment = clock.now()
    if session is None or session.ends_at <= moment or session.seen_at + IDLE <= moment or not may_enter(session.user):
        return None
    if moment - session.seen_at > timedelta(minutes=1):
        Session.update(seen_at=moment).where(Session.id == session.id).execute()
        User.update(seen_at=moment).where(User.id == session.user_id).execute()
        session.seen_at = moment
    return session


def sessions_of(user: User) -> list[Session]:
    """The user's living sessions, the one seen last first."""
    moment = clock.now()
    living = (Session.user == user) & (Session.ends_at > moment) & (Session.seen_at > moment - IDLE)
    return list(Session.select().where(living).order_by(Session.seen_at.desc(), Session.id.desc()))


def sign_out(session: Session) -> None:
    """End this session; its token opens nothing any more."""
    Session.delete().where(Session.id == session.id).execute()
    audit.write(session.user.merchant, session.user.email, "session.close", "user", session.user.public_id, address=session.address)


def proved_recently(session: Session) -> bool:
    """Whether the password was given in the last 10 minutes."""
    return bool(clock.now() - session.proved_at <= RECENT_PROOF)


def prove(session: Session, password: str, address: str = "") -> None:
    """Take the password again before something delicate. Raises Refused; wrong tries count like those of signing in."""
    user = session.user
    tried = count_try("person", user.public_id, address)
    if not passwords.matches(user.password_hash, password):
        note_refusal(user, address)
        raise Refused("That is not your password. Type it again.")
    take_back(tried)
    moment = clock.now()
    Session.update(proved_at=moment).where(Session.id == session.id).execute()
    session.proved_at = moment


def change_password(user: User, current: str, new: str, session: Session | None = None, address: str = "") -> None:
    """Give the user a new password and end all of their other sessions. Raises Invalid (`current`, `new`) or Refused."""
    tried = count_try("person", user.public_id, address)
    if not passwords.matches(user.password_hash, current):
        note_refusal(user, address)
        raise Invalid({"current": "That is not your current password."})
    take_back(tried)
    if problem := passwords.problem_with(new, (user.email,)):
        raise Invalid({"new": problem})
    store_password(user, new, user.email, keep=session, address=address)


def set_password(email: str, new: str, who: str = "command line") -> User:
    """Give a user a new password without the old one (the operator's command); ends all sessions. Raises NotFound, Invalid."""
    user = find_user(email)
    if problem := passwords.problem_with(new, (user.email,)):
        raise Invalid({"password": problem})
    store_password(user, new, who)
    return user


def find_user(email: str) -> User:
    """The user with that email, whatever the workspace; for the command line. Raises NotFound."""
    user: User | None = User.select(User, Merchant).join(Merchant).where(User.email == email.strip().lower()).first()
    if user is None:
        raise NotFound("user")
    return user


def save_profile(user: User, theme: str, time_zone: str, search_key: bool = True) -> None:
    """Keep the person's own look, zone ("" = the workspace's) and whether "/" goes to the search box. Raises Invalid."""
    errors = {} if theme in THEMES else {"theme": "Choose one of the themes."}
    if time_zone and time_zone not in available_timezones():
        errors["time_zone"] = "Choose a time zone from the list."
    if errors:
        raise Invalid(errors)
    kept = {"theme": theme, "time_zone": time_zone, "search_key": search_key}
    User.update(**kept, version=User.version + 1).where(User.id == user.id).execute()
    for name, value in kept.items():
        setattr(user, name, value)


def tidy() -> None:
    """Take out ended sessions, old sign-in tries and spent form tokens."""
    moment = clock.now()
    Session.delete().where((Session.ends_at <= moment) | (Session.seen_at <= moment - IDLE)).execute()
    SignInAttempt.delete().where(SignInAttempt.at <= moment - ATTEMPT_WINDOW).execute()
    FormToken.delete().where(FormToken.at <= moment - FORM_TOKENS_KEPT).execute()


def store_password(user: User, new: str, who: str, keep: Session | None = None, address: str = "", action: str = "user.password") -> None:
    """Keep a password that was judged; sessions but `keep` and all open links end, and the count of wrong tries begins anew."""
    with database.atomic():
        user.password_hash = passwords.hashed(new)
        User.update(password_hash=user.password_hash, version=User.version + 1).where(User.id == user.id).execute()
        others = Session.user == user
        if keep is not None:
            others &= Session.id != keep.id
        Session.delete().where(others).execute()
        person_links.end_open(user)
        SignInAttempt.delete().where(SignInAttempt.key == _key("email", user.email)).execute()
        audit.write(user.merchant, who, action, "user", user.public_id, after="changed", address=address)


def _workspace_name(name: str, time_zone: str) -> str:
    errors = {}
    name = " ".join(name.split())
    if not 1 <= len(name) <= 120 or "\x00" in name:
        errors["name"] = "Give the workspace a name of 1 to 120 characters."
    if time_zone not in available_timezones():
        errors["time_zone"] = "Choose a time zone from the list, such as America/New_York."
    if errors:
        raise Invalid(errors)
    return name


def checked_email(email: str) -> str:
    """The address as it is kept. Raises Invalid."""
    errors: dict[str, str] = {}
    found = _checked_email(email.replace("\x00", ""), errors)
    if errors:
        raise Invalid(errors)
    return found


def _checked_email(email: str, errors: dict[str, str]) -> str:
    from email_validator import EmailNotValidError, validate_email  # loaded only where an address is typed

    try:
        return validate_email(email.strip(), check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        errors["email"] = "Type an email address, such as name@example.com."
        return email


def count_try(kind: str, name: str, address: str) -> list[int]:
    """Count a try of `kind` for `name` and for the address, before it is judged, so that many at once are no more than one by one.

    Give the answer to `take_back` when the try was right. `kind` "email" counts tries from outside, "person" those inside a session:
    guessing outside cannot lock a person in. Raises Refused when there were too many.
    """
    _refuse_more_than(kind, name, address, own=0)
    keys = [_key(kind, name)] + ([_key("address", address)] if address else [])
    tried = [int(SignInAttempt.create(key=key, at=clock.now()).id) for key in keys]
    try:
        _refuse_more_than(kind, name, address, own=1)
    except Refused:
        take_back(tried)
        raise
    return tried


def take_back(tried: list[int]) -> None:
    """Count this try no more: it was right."""
    SignInAttempt.delete().where(SignInAttempt.id << tried).execute()


def _refuse_more_than(kind: str, name: str, address: str, own: int) -> None:
    since = clock.now() - ATTEMPT_WINDOW
    before = _tries(kind, name, since) - own
    if before >= TRIES_PER_EMAIL or (address and _tries("address", address, since) - own >= TRIES_PER_ADDRESS):
        raise Refused(TOO_MANY)


def _tries(kind: str, value: str, since: datetime) -> int:
    return int(SignInAttempt.select().where(SignInAttempt.key == _key(kind, value), SignInAttempt.at > since).count())


def note_refusal(user: User | None, address: str) -> None:
    """Say of a wrong try in the audit log, where it is known whose it was."""
    if user is not None:
        audit.write(user.merchant, user.email, "session.refused", "user", user.public_id, address=address)


def _key(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}|{value}".encode()).hexdigest()


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
