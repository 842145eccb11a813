"""What a merchant decided about alerts: which rules are on, their limits, the sources left out, and the webhook."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from portal import audit, clock, connection_parts, sources, vault
from portal.alerts.rules import LEVELS, QUIET_CHOICES, QUIET_HOURS, RULES
from portal.connectors.hook_out import BRAND, Poster
from portal.errors import Invalid, Refused, Stale, SupplierError
from portal.models import AlertSettings, Merchant, database
from portal.records import Secret


def of(merchant: Merchant) -> AlertSettings:
    """The merchant's settings; an unsaved row of defaults while nothing was changed."""
    return AlertSettings.get_or_none(AlertSettings.merchant == merchant) or AlertSettings(merchant=merchant, version=0)


def of_rule(settings: AlertSettings, rule: str) -> dict[str, Any]:
    """{"on", "over", "quiet", "not"} of one rule, with the defaults."""
    told = settings.rules.get(rule, {})
    return {
        "on": not told.get("off"), "over": told.get("over", RULES[rule].over), "quiet": told.get("quiet", QUIET_HOURS),
        "not": list(told.get("not", ())),
    }  # fmt: skip


def save_rule(merchant: Merchant, rule: str, chosen: Mapping[str, Any], version: int, who: str) -> None:
    """Keep one rule: {"on", "over", "quiet", "not"}. Raises Invalid, keyed so, and Stale."""
    known, errors = RULES[rule], {}
    if known.choices and chosen["over"] not in known.choices:
        errors["over"] = "Choose one of the limits."
    if chosen["quiet"] not in QUIET_CHOICES:
        errors["quiet"] = "Choose one of the times."
    mine = {one.public_id for one in sources.listing(merchant)}
    if not set(chosen["not"]) <= mine:
        errors["not"] = "One of these sources is gone. Open the page again."
    if errors:
        raise Invalid(errors)
    kept: dict[str, Any] = {} if chosen["on"] else {"off": True}
    if known.choices and chosen["over"] != known.over:
        kept["over"] = chosen["over"]
    if chosen["quiet"] != QUIET_HOURS:
        kept["quiet"] = chosen["quiet"]
    if chosen["not"] and known.per == "source":
        kept["not"] = sorted(chosen["not"])
    before = of(merchant).rules
    rules = {name: told for name, told in {**before, rule: kept}.items() if told}
    _save(merchant, version, who, "alerts.rule", {rule: before.get(rule, {})}, {rule: kept}, rules=rules)


def save_hook(merchant: Merchant, url: str, level: str, version: int, who: str) -> None:
    """Keep the address that alerts are posted to, "" for none, and the least level. Raises Invalid (hook_url, hook_level), and Stale."""
    url, errors = url.strip(), {}
    if level not in LEVELS:
        errors["hook_level"] = "Choose the least level."
    if url and (words := connection_parts.link_problem(url)):
        errors["hook_url"] = words
    if errors:
        raise Invalid(errors)
    before = of(merchant)
    told = {"url": before.hook_url, "level": before.hook_level}
    _save(merchant, version, who, "alerts.webhook", told, {"url": url, "level": level}, hook_url=url, hook_level=level)


def make_secret(merchant: Merchant, who: str) -> str:
    """A new secret, in place of the one before; the text, to be shown once."""
    text = BRAND + base64.b64encode(secrets.token_bytes(32)).decode()
    sealed = vault.seal(merchant, *vault.ALERT_PLACE, text)
    version = of(merchant).version
    told = {"hook_secret": sealed, "hook_hint": f"ends in ..{text[-4:]}"}
    _save(merchant, version, who, "alerts.webhook_secret", None, "changed", **told)
    return text


def secret_of(merchant: Merchant) -> Secret | None:
    """The secret that posts are signed with, None before one was made."""
    sealed = of(merchant).hook_secret
    return vault.unseal(merchant, *vault.ALERT_PLACE, sealed) if sealed else None


def poster(merchant: Merchant, test: bool = False) -> Poster:
    """What posts to the merchant's address, through the egress guard. Raises Refused before there are an address and a secret."""
    url, secret = of(merchant).hook_url, secret_of(merchant)
    if not url or secret is None:
        raise Refused("The webhook has no address or no secret yet. Nothing was posted.")
    plain = urlsplit(url).scheme == "http"  # only ever to what the operator opened: see `link_problem`
    return Poster(connection_parts.guard(), url, secret, merchant.public_id, lambda _: None, test=test, plain_ok=plain)


def test_hook(merchant: Merchant) -> str:
    """Post {"type": "test"} to the address; "" when it was taken, else in words why not. Raises Refused as `poster`."""
    document = orjson.dumps({"type": "test", "timestamp": f"{clock.now():%Y-%m-%dT%H:%M:%S}Z", "data": {"workspace": merchant.name}})
    try:
        ended = poster(merchant, test=True).send("alert", document, f"test.{secrets.token_hex(8)}")
    except SupplierError as error:
        return f"{error.problem.headline}. {error.problem.body}"
    said = "Taken." if ended.outcome == "sent" else (ended.problem.headline if ended.problem else ended.outcome)
    AlertSettings.update(hook_said=said[:300], hook_at=clock.now()).where(AlertSettings.merchant == merchant).execute()
    return "" if ended.outcome == "sent" else f"{ended.problem.headline}. {ended.problem.body}" if ended.problem else ended.outcome


def _save(merchant: Merchant, version: int, who: str, action: str, before: Any, after: Any, **columns: Any) -> None:
    stamped = {"changed_at": clock.now(), "changed_by": who}
    with database.atomic():
        AlertSettings.insert(merchant=merchant, **stamped).on_conflict_ignore().execute()
        mine = (AlertSettings.merchant == merchant) & (AlertSettings.version == max(version, 1))
        if not AlertSettings.update(**columns, **stamped, version=AlertSettings.version + 1).where(mine).execute():
            fresh = of(merchant)
            raise Stale(fresh.changed_by, fresh.changed_at)
        audit.write(merchant, who, action, "merchant", merchant.public_id, before=before, after=after)
