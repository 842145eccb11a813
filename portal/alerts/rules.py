"""What is watched: each rule with its level, its limit and the limits that may be chosen, and its words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEVELS = {"action": "Action needed", "warning": "Warning", "news": "News"}
"""The worst first."""
WORST = tuple(LEVELS)
QUIET_HOURS = 6
QUIET_CHOICES = (1, 3, 6, 12, 24, 48)
"""Hours in which an alert that was told is not told again, though it ended and came back."""
CALM_MINUTES = 5
"""A condition must be over for so long before its alert ends, so that what flaps is one alert."""
HOURS, DAYS, PERCENT = "hours", "days", "%"


@dataclass(frozen=True)
class Rule:
    """One rule. `unit`: of `over` ("hours", "days" or "%"), "" where there is no limit; it fires past `over`, one of `choices`.

    `title`: its name in lists. `means`: when it fires, in a sentence. `per`: source, channel, workspace or installation.
    """

    title: str
    means: str
    level: str
    per: str = "source"
    unit: str = ""
    over: int = 0
    choices: tuple[int, ...] = ()


_AGES = (1, 2, 4, 8, 12, 24, 48, 72)
RULES: Mapping[str, Rule] = {
    "feed_late": Rule(
        "Feed late", "No feed was accepted by the time that its freshness rule names.", "warning", unit=HOURS, choices=(0, *_AGES)
    ),
    "feed_held": Rule("Feed held", "A feed waits for your decision.", "action"),
    "feed_refused": Rule("Feed refused or run failed", "A file was refused, or a run failed and will not recover by itself.", "action"),
    "columns_changed": Rule("Columns changed", "A feed lacks columns that the mapping reads.", "action"),
    "stock_collapsed": Rule(
        "Stock collapsed", "A guard stopped a fall of the stock, or an accepted feed took so much of its rows to 0.", "action",
        unit=PERCENT, over=50, choices=(10, 20, 30, 50, 70, 90),
    ),
    "sign_in_ended": Rule("Sign-in ended", "The supplier accepts our sign-in no longer.", "action"),
    "identity_changed": Rule("Server's identity changed", "The host key or certificate is not the one you trusted.", "action"),
    "certificate_ending": Rule(
        "Certificate ends soon", "A server's certificate ends within so many days.", "warning", unit=DAYS, over=14,
        choices=(3, 7, 14, 21, 30),
    ),
    "server_silent": Rule("Server keeps failing", "A server failed three times in a row, so we ask it less often.", "warning"),
    "supplier_outage": Rule("Outage at a supplier", "Support told that a supplier's server does not work.", "warning"),
    "sending_stopped": Rule("Sending stopped", "No orders are sent: earlier sends are in doubt, or an operator stopped it.", "action"),
    "check_needed": Rule("Check needed", "We do not know whether an order arrived.", "action"),
    "orders_unrouted": Rule("Orders without a source", "Orders wait for a source for too long.", "action", "workspace", HOURS, 4, _AGES),
    "orders_unsent": Rule("Requests not sent", "Requests were not sent for too long.", "action", unit=HOURS, over=4, choices=_AGES),
    "answers_unused": Rule("Answers that could not be used", "A source told something of an order that does not fit it.", "action"),
    "shipment_overdue": Rule(
        "Shipment overdue", "A request was sent, and not all of it shipped, for too long.", "warning", unit=DAYS, over=3,
        choices=(1, 2, 3, 5, 7, 10, 14, 21),
    ),
    "shipments_unmatched": Rule("Unmatched shipments", "We cannot tell what a shipment is of.", "action"),
    "channel_orders": Rule("Channel orders waiting", "Orders of a store could not be taken.", "action", "channel", HOURS, 1, (0, *_AGES)),
    "tracking_untold": Rule("Tracking numbers not told", "A store refused a tracking number, or may not have it.", "action", "channel"),
    "push_held": Rule(
        "Units or prices held", "Sending to a store would empty, or move the prices of, too many listings at once.", "action", "channel"
    ),
    "limit_near": Rule(
        "Limit near", "More than so much of what your plan holds is used; once it is full, action is needed.", "warning", "workspace",
        PERCENT, 90, (70, 80, 90, 95),
    ),
    "backup_old": Rule(
        "Backup old", "No backup of the installation was made for so long. Only its staff are told.", "action", "installation", HOURS, 26,
        (26, 50, 74, 170),
    ),
    "stock_released": Rule("Committed stock released", "Nobody answered for it. It is told for a day.", "news"),
}  # fmt: skip


def label(over: int, rule: Rule) -> str:
    """A limit as a person reads it: "4 hours", "1 day", "50%", "at once"."""
    if rule.unit == PERCENT:
        return f"{over}%"
    if over == 0:
        return "at once"
    return f"{over} {rule.unit.removesuffix('s') if over == 1 else rule.unit}"


def at_least(level: str, least: str) -> bool:
    """Whether a level is as bad as `least`, or worse."""
    return WORST.index(level) <= WORST.index(least)


ACTS: Mapping[str, str] = {
    "source": "See the source", "held": "Decide", "columns": "Choose the columns", "run": "See the run", "connection": "Edit connection",
    "sign_in": "Sign in again", "host_key": "Compare the keys", "checks": "Test the connection", "orders": "See the orders",
    "requests": "See the requests", "overdue": "See the requests", "check": "Look and decide", "shipments": "Match the shipments",
    "answers": "See the answers", "sending": "See how orders leave", "channel": "See the channel", "push": "Look and decide",
    "installation": "See the installation",
    "usage": "See usage and limits",
}  # fmt: skip
"""{facts["place"]: the words of the one act}."""


def act_of(place: str) -> str:
    """What the link of an alert says. `place`: facts["place"], "" for its source."""
    return ACTS[place or "source"]
