"""What waits is sent: claimed first, so that it leaves at most once. For an alert a lost e-mail is better than two.

waiting ─▶ claimed (token) ─▶ one e-mail for all of a person's ─▶ sent · refused · unknown        not sent for sure ─▶ waiting, later
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from peewee import fn

from portal import clock, config, failpoints, spoken
from portal.alerts import digests, settings, telling, wishes, words
from portal.connectors.sending import Sent
from portal.errors import Refused, SupplierError
from portal.models import Alert, AlertMessage, AlertSettings, AlertWish, Merchant, Source, User, database
from portal.outbox import others

log = logging.getLogger(__name__)

AGAIN_MINUTES = (1, 5, 15, 60, 240)
"""After a try that certainly did not leave."""
POST_AGAIN_MINUTES = (*AGAIN_MINUTES, 720, 1_440, 1_440)
"""The same of a webhook, which must not miss an end because it was away for a night."""
LOST = timedelta(minutes=10)
"""A message that was claimed so long ago was being sent by a worker that is gone: nobody knows whether it left."""
MOST_PEOPLE = 200
MOST_POSTS = 200
MOST_AT_ONCE = 500


def send_due(now: datetime | None = None) -> int:
    """Send what is due; how many messages left. A mail server that is away is asked once."""
    now = now or clock.now()
    _give_up_lost(now)
    return _mail_due(now) + _post_due(now)


def waits() -> bool:
    """Whether anything is due."""
    return bool(AlertMessage.select().where(_due(clock.now())).exists())


def _due(now: datetime) -> Any:
    ending = Merchant.select(Merchant.id).where(Merchant.closing_at.is_null(False))  # of a workspace that is being deleted nothing leaves
    return (AlertMessage.state == "waiting") & (AlertMessage.due_at <= now) & AlertMessage.merchant.not_in(ending)


def _give_up_lost(now: datetime) -> None:
    lost = (AlertMessage.state == "sending") & (AlertMessage.claimed_at < now - LOST)
    said = "A worker stopped while it was sent. It may have arrived, so it is not sent again."
    AlertMessage.update(state="unknown", ended_at=now, said=said).where(lost).execute()


def _mail_due(now: datetime) -> int:
    if not wishes.can_mail():
        AlertMessage.update(state="dropped", ended_at=now, said="This installation has no mail server.").where(
            _due(now), AlertMessage.user.is_null(False)
        ).execute()
        return 0
    oldest = fn.MIN(AlertMessage.due_at)
    people = AlertMessage.select(AlertMessage.user).where(_due(now), AlertMessage.user.is_null(False)).group_by(AlertMessage.user)
    sent = 0
    for user in [one.user_id for one in people.order_by(oldest).limit(MOST_PEOPLE)]:
        left, away = _mail_to(user, now)
        sent += left
        if away:
            break
    return sent


def _mail_to(user_id: int, now: datetime) -> tuple[int, bool]:
    """One e-mail with all that waits for a person; (whether it left, whether the mail server is away)."""
    user = User.select(User, Merchant).join(Merchant).where(User.id == user_id).get()
    messages = _claim(AlertMessage.user == user_id, now)
    if user.disabled_at is not None:
        _settle(messages, "dropped", "The person may no longer sign in.", now)
        return 0, False
    alerts, digest = _contents(user, messages, now)
    if not alerts:
        return 0, False
    live = [one for one in messages if one.state == "sending"]
    settings_ = config.current()
    try:
        document = words.mail(
            alerts, workspace=user.merchant.name, sender=settings_.smtp_from, to=user.email, root=root(), at=now.replace(tzinfo=UTC),
            reference=live[0].token, digest=digest,
        )  # fmt: skip
        failpoints.reach("alert-claimed")
        ended = others.post_office().send("alert", document, live[0].token)
    except (Refused, ValueError) as error:
        _settle(live, "refused", str(error), now)
        return 0, False
    failpoints.reach("alert-sent")
    return _ended(live, ended, now)


def _contents(user: User, messages: Sequence[AlertMessage], now: datetime) -> tuple[list[words.Told], bool]:
    """What the e-mail tells; whether it is a digest. Messages that are no longer true are dropped."""
    zone, shown, digest = wishes.zone_of(user), [], False
    for one in messages:
        if one.kind == "digest":
            found = _digest(user, one, zone, now)
        else:
            found = [_told(one.alert, zone, now, one.kind == "resolved")] if one.alert and still_true(one) else []
        if not found:
            _settle([one], "dropped", "It was no longer so when it was to be told.", now)
        shown += found
        digest = digest or one.kind == "digest"
    return shown, digest


def _digest(user: User, message: AlertMessage, zone: str, now: datetime) -> list[words.Told]:
    wish = AlertWish.get_or_none(AlertWish.user == user)
    if wish is None:
        return []
    since = datetime.strptime(message.key.rpartition(".")[2], "%Y%m%dT%H%M%S%f")  # noqa: DTZ007 - naive UTC, as everywhere
    open_, ended = digests.of(wish, user.merchant_id, since)
    return [*(_told(one, zone, now, False) for one in open_), *(_told(one, zone, now, True) for one in ended)]


def still_true(message: AlertMessage) -> bool:
    """Whether what the message tells is so: it fires, and nobody acknowledged or snoozed it; or it ended and was told before."""
    alert = message.alert
    if alert is None or alert.turn != message.turn:
        return False
    if message.kind != "resolved":
        return bool(alert.state == "firing")
    others = [whom for whom in telling.owed([alert.id], but=message.id) if whom[1] == message.user_id]
    return bool(alert.state == "resolved") and bool(others)


def _told(alert: Alert, zone: str, now: datetime, ended: bool) -> words.Told:
    return words.told(alert, root(), spoken.moment(alert.first_seen_at, zone, now), ended)


def _claim(whose: Any, now: datetime) -> list[AlertMessage]:
    """Take what is due before anything leaves; what another worker took is not among it."""
    token = secrets.token_hex(16)
    with database.atomic():
        first = AlertMessage.select(AlertMessage.id).where(_due(now), whose).order_by(AlertMessage.id).limit(MOST_AT_ONCE)
        taken = {"state": "sending", "token": token, "claimed_at": now, "tries": AlertMessage.tries + 1}
        ids = [one.id for one in first]
        AlertMessage.update(taken).where(AlertMessage.id << ids, AlertMessage.state == "waiting").execute()
        mine = list(AlertMessage.select().where(AlertMessage.token == token).order_by(AlertMessage.id))
        told = [one.alert_id for one in mine if one.kind in ("fired", "again")]
        Alert.update(told_at=now).where(Alert.id << told).execute()
    return mine


def _settle(messages: Sequence[AlertMessage], state: str, said: str, now: datetime) -> None:
    """Write how it ended, unless another worker gave us up for lost."""
    for one in messages:
        mine = (AlertMessage.id == one.id) & (AlertMessage.token == one.token) & (AlertMessage.state == "sending")
        AlertMessage.update(state=state, ended_at=now, said=said[:300]).where(mine).execute()
        one.state = state


def _ended(messages: Sequence[AlertMessage], sent: Sent, now: datetime) -> tuple[int, bool]:
    """Write how a send ended; (how many left, whether the other side is away)."""
    said = f"{sent.problem.headline}. {sent.problem.body} {sent.problem.server_said or ''}".strip() if sent.problem else "Taken."
    again = AGAIN_MINUTES if messages[0].user_id is not None else POST_AGAIN_MINUTES
    if sent.outcome != "not_sent" or messages[0].tries > len(again):
        _settle(messages, "refused" if sent.outcome == "not_sent" else sent.outcome, said, clock.now())
        return (len(messages) if sent.outcome == "sent" else 0), sent.outcome == "not_sent"
    due = now + timedelta(minutes=again[messages[0].tries - 1])
    for one in messages:
        mine = (AlertMessage.id == one.id) & (AlertMessage.token == one.token) & (AlertMessage.state == "sending")
        AlertMessage.update(state="waiting", token="", due_at=due, said=said[:300]).where(mine).execute()
    log.warning("alerts could not be sent, and are tried again: %s", sent.problem.headline if sent.problem else sent.outcome)
    return 0, True


def _post_due(now: datetime) -> int:
    due = AlertMessage.select(AlertMessage.id, AlertMessage.merchant).where(_due(now), AlertMessage.user.is_null())
    rows = list(due.order_by(AlertMessage.due_at, AlertMessage.id).limit(MOST_POSTS))
    away: set[int] = set()
    sent = 0
    for row in rows:
        if row.merchant_id in away:
            continue
        for message in _claim(AlertMessage.id == row.id, now):
            left, gone = _post(message, now)
            sent += left
            away |= {row.merchant_id} if gone else set()
    return sent


def _post(message: AlertMessage, now: datetime) -> tuple[int, bool]:
    merchant, alert = message.merchant, message.alert
    if alert is None or not still_true(message):
        _settle([message], "dropped", "It was no longer so when it was to be told.", now)
        return 0, False
    source: str = Source.select(Source.name).where(Source.id == alert.source_id).scalar() or ""
    document = words.hook(alert, message.kind, source, merchant.time_zone, root(), now)
    failpoints.reach("alert-claimed")
    try:
        ended = settings.poster(merchant).send("alert", document, message.key)
    except Refused as error:
        _settle([message], "dropped", str(error), now)
        return 0, False
    except SupplierError as error:
        ended = Sent("refused", message.key, problem=error.problem)
    failpoints.reach("alert-sent")
    left, away = _ended([message], ended, now)
    said = "Taken." if left else (ended.problem.headline if ended.problem else ended.outcome)
    AlertSettings.update(hook_said=said[:300], hook_at=now).where(AlertSettings.merchant == merchant).execute()
    return left, away


def root() -> str:
    """The portal's address, for links: PUBLIC_URL, else where this process listens."""
    told = config.current()
    return told.public_url or f"http://{told.host}:{told.port}"
