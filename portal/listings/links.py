"""The address from which a shop fetches a channel's listings: unguessable, rotated, revoked; and the file that it gets.

poll ─▶ whose token? ─▶ file younger than FRESH? ─▶ its ETag is theirs: 304 · else the bytes        made anew, by one process, where not
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from portal import audit, clock, config, vault
from portal.errors import NotFound, Refused
from portal.listings import export
from portal.models import Channel, FeedLink, Merchant, database

log = logging.getLogger(__name__)

FORMS: Mapping[str, tuple[str, str, Callable[[Channel], Iterator[str]]]] = {
    "csv": ("CSV", "text/csv; charset=utf-8", export.csv_lines),
    "json": ("JSON", "application/json", export.json_lines),
}
FRESH = timedelta(minutes=2)
"""A file that was made so lately answers further polls, so that whoever polls often costs little."""
SHARE = 5
"""A file is fresh at least so many times as long as making it took, so that this is never all that a machine does …"""
LONGEST = timedelta(minutes=10)
"""… but no longer than this, or twice as long as making it took: prices and stock change meanwhile. What a person mends counts at once."""
SLOW = 5.0  # seconds from which on a file is made by the clock, before a shop has to wait for it
_NOTED_EVERY = timedelta(minutes=1)
_PLAIN = {200: "sent", 304: "told that nothing changed", 429: "asked to wait"}


@dataclass(frozen=True)
class Published:
    """A file as a shop gets it. `tag`: of its bytes. `changed_at`: when these bytes were first made; `took`: seconds to make them."""

    path: Path
    tag: str
    changed_at: datetime
    size: int
    made_at: datetime
    took: float

    @property
    def fresh_until(self) -> datetime:
        """Until when it answers polls without a look at the listings."""
        return self.made_at + min(max(FRESH, SHARE * timedelta(seconds=self.took)), max(LONGEST, 2 * timedelta(seconds=self.took)))

    def opened(self) -> IO[bytes]:
        """Its bytes; once it is open, a newer file in its place does no harm."""
        return self.path.open("rb")


def of(channel: Channel) -> FeedLink | None:
    """The channel's link, None where there is none."""
    found: FeedLink | None = FeedLink.get_or_none(FeedLink.channel == channel.id)
    if found is not None:
        found.channel = channel
    return found


def make(channel: Channel, who: str) -> None:
    """A link for a channel that has none, or another in the place of the one before, which opens nothing any more."""
    token = secrets.token_urlsafe(32)
    sealed = vault.seal(channel.merchant, channel.public_id, vault.FEED_FIELD, token)
    with database.atomic():
        was = FeedLink.delete().where(FeedLink.channel == channel.id).execute()
        FeedLink.create(channel=channel, token_hash=_hash(token), sealed_token=sealed, made_at=clock.now(), made_by=who)
        act = "feed_link.rotate" if was else "feed_link.make"
        audit.write(channel.merchant, who, act, "channel", channel.public_id)


def revoke(channel: Channel, who: str) -> None:
    """End the link now. Raises Refused where there is none."""
    with database.atomic():
        if not FeedLink.delete().where(FeedLink.channel == channel.id).execute():
            raise Refused("There is no link to end. Nothing was changed.")
        audit.write(channel.merchant, who, "feed_link.revoke", "channel", channel.public_id)
    forget(channel)


def token_of(link: FeedLink) -> str:
    """The unguessable part of the address, for those who may see it."""
    return vault.unseal(link.channel.merchant, link.channel.public_id, vault.FEED_FIELD, link.sealed_token).reveal()


def behind(token: str) -> FeedLink | None:
    """The link of an address, None for one that is nobody's. The one look-up without a merchant."""
    if not 20 <= len(token) <= 100:
        return None
    found: FeedLink | None = (
        FeedLink.select(FeedLink, Channel, Merchant)
        .join(Channel).join(Merchant)
        .where(FeedLink.token_hash == _hash(token), Channel.state == "open", Merchant.closing_at.is_null()).first()
    )  # fmt: skip
    return found


def polled(link: FeedLink, address: str, status: int) -> None:
    """Note a poll: at most once a minute, unless it was answered otherwise than the one before. Nothing else is written."""
    now = clock.now()
    if link.polled_at is None or link.polled_at < now - _NOTED_EVERY or link.polled_status != status:
        columns = {"polled_at": now, "polled_from": address[:45], "polled_status": status}
        FeedLink.update(columns).where(FeedLink.id == link.id).execute()


def shown(channel: Channel, moment: datetime) -> None:
    """The shop has a file now that tells the listings as they were then; written where it is newer than the one before."""
    newer = Channel.shown_at.is_null() | (Channel.shown_at < moment)
    Channel.update(shown_at=moment).where(Channel.id == channel.id, newer).execute()


def answer_in_words(link: FeedLink) -> str:
    """What the last poll was answered."""
    return _PLAIN.get(link.polled_status, f"answered {link.polled_status}")


def current(channel: Channel, form: str) -> Published:
    """The channel's file, made anew where it is no longer fresh. Raises NotFound for a form that is none."""
    if form not in FORMS:
        raise NotFound("form")
    folder = _folder(channel)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = _known(folder, form)
    now, touched = clock.now(), _touched_at(channel)
    return known if _is_fresh(known, now, touched) and known is not None else _renewed(channel, form, folder, now, touched)


def keep_ready() -> int:
    """Make anew the files that take long, of links that were polled today, before they are old; how many. The clock calls it.

    It waits for nobody: a file that another process makes is passed over. A file that fails is logged, and the others are made.
    """
    count, soon = 0, clock.now() + timedelta(minutes=1)
    asked = FeedLink.select(FeedLink, Channel, Merchant).join(Channel).join(Merchant).where(Channel.state == "open")
    for link in asked.where(FeedLink.polled_at > clock.now() - timedelta(days=1)):
        for form in FORMS:
            try:
                count += _kept_ready(link.channel, form, soon)
            except Exception:
                log.exception("the %s file of channel %s was not made ahead", form, link.channel.public_id)
    return count


def _kept_ready(channel: Channel, form: str, soon: datetime) -> bool:
    folder = _folder(channel)
    known = _known(folder, form)
    touched = _touched_at(channel)
    if known is None or known.took < SLOW or _is_fresh(known, soon, touched):
        return False
    with (folder / f"{form}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # who has it makes the file
        known = _known(folder, form)
        if not _is_fresh(known, soon, touched):
            _made(channel, form, folder, known)
            return True
    return False


def _is_fresh(known: Published | None, until: datetime, touched: datetime | None) -> bool:
    """Whether the file may be given until then: not too old, and made since a person last changed the listings."""
    return known is not None and known.fresh_until > until and (touched is None or touched < known.made_at)


def _touched_at(channel: Channel) -> datetime | None:
    told: datetime | None = Channel.select(Channel.touched_at).where(Channel.id == channel.id).scalar()
    return told


def _renewed(channel: Channel, form: str, folder: Path, until: datetime, touched: datetime | None) -> Published:
    """A file that is fresh until then; the one that is there, where another process made it meanwhile."""
    with (folder / f"{form}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second poll waits for the file that the first one makes
        known = _known(folder, form)
        return known if known is not None and _is_fresh(known, until, touched) else _made(channel, form, folder, known)


def forget(channel: Channel) -> None:
    """Erase the channel's files."""
    shutil.rmtree(_folder(channel), ignore_errors=True)


def erase_unlinked() -> int:
    """Erase the files of channels that have no link any more; how many folders went. The clock calls it."""
    root = config.current().data_dir / "listing-feeds"
    there = {path.name for path in root.iterdir()} if root.exists() else set()
    rows = FeedLink.select(FeedLink, Channel).join(Channel).where(Channel.public_id << list(there), Channel.state == "open")
    gone = there - {one.channel.public_id for one in rows}
    for name in gone:
        shutil.rmtree(root / name, ignore_errors=True)
    return len(gone)


def _made(channel: Channel, form: str, folder: Path, before: Published | None) -> Published:
    """Write the file beside the one before, then put it in its place; a stop on the way leaves the one before."""
    draft, digest, began, start = folder / f"{form}.draft", hashlib.sha256(), clock.now(), time.monotonic()
    with draft.open("wb") as out:
        for part in FORMS[form][2](channel):
            content = part.encode()
            digest.update(content)
            out.write(content)
    tag = digest.hexdigest()[:32]
    changed = before.changed_at if before is not None and before.tag == tag else began.replace(microsecond=0)
    path = folder / f"{tag}.{form}"
    draft.replace(path)
    note = folder / f"{form}.note.draft"
    took = round(time.monotonic() - start, 3)
    note.write_text(json.dumps({"tag": tag, "changed_at": changed.isoformat(), "made_at": began.isoformat(), "took": took}))
    note.replace(folder / f"{form}.note")
    if before is not None and before.tag != tag:
        for old in folder.glob(f"*.{form}"):
            if old not in (path, before.path):  # one before stays, for who is about to open it
                old.unlink(missing_ok=True)
    return Published(path, tag, changed, path.stat().st_size, began, took)


def _known(folder: Path, form: str) -> Published | None:
    """The file that is there, None for none."""
    note = folder / f"{form}.note"
    if not note.exists():
        return None
    told = json.loads(note.read_text())
    path = folder / f"{told['tag']}.{form}"
    if not path.exists():
        return None
    changed, made = (datetime.fromisoformat(told[name]) for name in ("changed_at", "made_at"))
    return Published(path, told["tag"], changed, path.stat().st_size, made, float(told["took"]))


def is_theirs(file: Published, none_match: str, modified_since: datetime | None) -> bool:
    """Whether the shop has these bytes already (RFC 9110 13.1: If-None-Match counts before If-Modified-Since)."""
    if none_match:
        tags = {one.strip().removeprefix("W/") for one in none_match.split(",")}
        return "*" in tags or f'"{file.tag}"' in tags
    if modified_since is None:
        return False
    since = modified_since.astimezone(UTC).replace(tzinfo=None) if modified_since.tzinfo else modified_since
    return file.changed_at <= since


def _folder(channel: Channel) -> Path:
    return config.current().data_dir / "listing-feeds" / channel.public_id


def _hash(token: str) -> str:
    """SHA-256 is enough: the token has 256 random bits, so nobody can try them all."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
