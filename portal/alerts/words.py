"""What is told of alerts, as a whole e-mail and as the body of a webhook. Pure but for the clock that is handed in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Any

import orjson

from portal.alerts.rules import LEVELS, RULES, act_of

MOST_IN_A_MESSAGE = 50


@dataclass(frozen=True)
class Told:
    """One alert as it is told. `ended`: it is over. `since`: in words of the reader's clock. `link`: the page where it is mended."""

    headline: str
    body: str
    level: str
    since: str
    act: str
    link: str
    ended: bool = False

    @property
    def standing(self) -> str:
        """ "Action needed", or "Ended"."""
        return "Ended" if self.ended else LEVELS[self.level]


def told(alert: Any, root: str, since: str, ended: bool = False) -> Told:
    """The alert as it is told. `root`: the portal's address, such as "https://portal.example.com"."""
    link, act = f"{root}/alerts/{alert.public_id}", act_of(alert.facts.get("place", ""))
    body = f"This is over. It began {since}. You need do nothing." if ended else alert.body
    return Told(alert.headline, body, alert.level, since, "See the alert" if ended else act, link if ended else f"{link}/mending", ended)


def subject(alerts: Sequence[Told], workspace: str, digest: bool = False) -> str:
    """ "Action needed: No new feed from Kestrel", "Ended: …", "3 alerts, Harbor & Pine"; one line."""
    if digest:
        open_ = sum(not one.ended for one in alerts)
        text = f"Today: {open_ or 'no'} open alert{'' if open_ == 1 else 's'}, {workspace}"
    elif len(alerts) == 1:
        text = f"{alerts[0].standing}: {alerts[0].headline}"
    else:
        text = f"{len(alerts)} alerts, {workspace}"
    return " ".join(text.split())[:200]


def mail(
    alerts: Sequence[Told], *, workspace: str, sender: str, to: str, root: str, at: datetime, reference: str, digest: bool = False
) -> bytes:  # fmt: skip
    """The whole message, plain and HTML. `at` with its zone. Raises ValueError for an unusable address."""
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(display_name="Quayside", addr_spec=sender)
    made["To"] = Address(addr_spec=to)
    made["Subject"] = subject(alerts, workspace, digest)
    made["Date"] = format_datetime(at)
    made["Message-ID"] = f"<{hashlib.sha256(f'alert:{reference}'.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    settings = f"{root}/profile/alerts"
    made["List-Unsubscribe"] = f"<{settings}>"
    shown, left = alerts[:MOST_IN_A_MESSAGE], len(alerts) - MOST_IN_A_MESSAGE
    more = f"And {left} more: {root}/alerts" if left > 0 else ""
    made.set_content("\r\n\r\n".join([*map(_plain, shown), *([more] if more else []), _foot(workspace, settings)]) + "\r\n")
    made.add_alternative(_html(shown, more, workspace, settings), subtype="html")
    return made.as_bytes()


def hook(alert: Any, kind: str, source: str, zone: str, root: str, at: datetime) -> bytes:
    """The body of a webhook: {"type": "alert.firing" or "alert.resolved", "timestamp", "data": {…}}. `at` naive UTC. `source`: its name."""
    shown = told(alert, root, "", kind == "resolved")
    return orjson.dumps({
        "type": "alert.resolved" if kind == "resolved" else "alert.firing", "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}Z",
        "data": {
            "id": alert.public_id, "rule": alert.rule, "title": RULES[alert.rule].title, "level": alert.level, "headline": alert.headline,
            "body": alert.body, "source": source, "since": f"{alert.first_seen_at:%Y-%m-%dT%H:%M:%S}Z", "times": alert.times,
            "act": shown.act, "link": shown.link, "time_zone": zone,
        },
    })  # fmt: skip


def _plain(one: Told) -> str:
    return f"{one.standing}: {one.headline}\r\n{one.body}\r\n{one.act}: {one.link}"


def _foot(workspace: str, settings: str) -> str:
    return f"-- \r\nQuayside, for {workspace}. Choose what you are told, or end these e-mails: {settings}"


def _html(alerts: Sequence[Told], more: str, workspace: str, settings: str) -> str:
    parts = [
        f'<h2 style="margin:24px 0 4px;font-size:17px">{escape(one.standing)}: {escape(one.headline)}</h2>'
        f'<p style="margin:0 0 6px">{escape(one.body)}</p><p style="margin:0"><a href="{escape(one.link)}">{escape(one.act)}</a></p>'
        for one in alerts
    ]
    rest = f"<p>{escape(more)}</p>" if more else ""
    foot = f'Quayside, for {escape(workspace)}. <a href="{escape(settings)}">Choose what you are told, or end these e-mails</a>.'
    style = "font-family:system-ui,sans-serif;font-size:15px;line-height:1.5;max-width:560px"
    inside = f'{"".join(parts)}{rest}<hr><p style="font-size:13px">{foot}</p>'
    return f'<!doctype html><html lang="en"><body style="{style}">{inside}</body></html>\n'
