"""What a merchant decided about routing, committed stock and a source's requests, as kept and as defaults. Reading; `save…` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from portal import audit, clock, sources
from portal.errors import Invalid, Stale
from portal.models import Merchant, Source, database
from portal.requests import numbering, windows
from portal.requests.policies import BY, SILENT, SPLITS, Policy
from portal.requests.windows import Window

RELEASE_AFTER_DAYS = 30
LONGEST_DAYS = 365


@dataclass(frozen=True)
class Workspace:
    """`itself`: new orders are routed without a person. `order`: public ids of sources, first choice first; the rest by name.

    `release_after_days`: when stock is released of requests that nobody answers; 0 never.
    """

    itself: bool = True
    policy: Policy = field(default_factory=Policy)
    order: Sequence[str] = ()
    release_after_days: int = RELEASE_AFTER_DAYS


@dataclass(frozen=True)
class OfSource:
    """`cancel_after_days`: the supplier is asked not to ship later than so many days after the request was made; None: never asked."""

    number: numbering.Rules = field(default_factory=numbering.Rules)
    window: Window | None = None
    cancel_after_days: int | None = None


def of_workspace(merchant: Merchant) -> Workspace:
    """The rules of a merchant."""
    routing, stock = merchant.order_settings.get("routing", {}), merchant.order_settings.get("stock", {})
    return Workspace(
        bool(routing.get("itself", True)),
        Policy(routing.get("by", "order"), routing.get("split", "needed"), routing.get("silent", "never")),
        list(routing.get("sources", [])),
        int(stock.get("release_after_days", RELEASE_AFTER_DAYS)),
    )


def of_source(source: Source) -> OfSource:
    """The rules of a source's requests."""
    kept = source.order_rules
    return OfSource(numbering.read(kept.get("number")), windows.read(kept.get("window")), kept.get("cancel_after_days"))


def closed_now() -> list[int]:
    """The ids of the sources whose hours are over, or have not begun: nothing is collected for them."""
    now = clock.now()
    query = Source.select(Source.id, Source.order_rules).where(Source.state == "live", Source.order_rules != {})
    return [one.id for one in query if not windows.is_open(windows.read(one.order_rules.get("window")), now)]


def auto_process(source: Source, merchant: Merchant) -> bool:
    """Whether requests of the source go out unattended: its own setting where it overrides the global one."""
    return bool(source.auto_process if source.override_global else merchant.auto_process)


def save_workspace(merchant: Merchant, rules: Workspace, version: int, who: str) -> None:
    """Keep the rules of a merchant. Raises Invalid; Stale when someone saved since `version`."""
    if errors := _workspace_errors(merchant, rules):
        raise Invalid(errors)
    policy = rules.policy
    routing = {"itself": rules.itself, "by": policy.by, "split": policy.split, "silent": policy.silent, "sources": list(rules.order)}
    with database.atomic():
        now = Merchant.get_by_id(merchant.id)
        after = {**now.order_settings, "routing": routing, "stock": {"release_after_days": rules.release_after_days}}
        stamped = {"order_settings": after, "version": Merchant.version + 1, "changed_at": clock.now(), "changed_by": who}
        if not Merchant.update(stamped).where(Merchant.id == merchant.id, Merchant.version == version).execute():
            raise Stale(now.changed_by or "Someone", now.changed_at)
        audit.write(merchant, who, "workspace.routing", "merchant", merchant.public_id, before=now.order_settings, after=after)


def save_source(source: Source, rules: OfSource, version: int, who: str) -> Source:
    """Keep the rules of a source's requests; they hold for those made from now on. Raises Invalid, Stale, NotFound."""
    errors = numbering.errors_of(rules.number) | (windows.errors_of(rules.window) if rules.window else {})
    days = rules.cancel_after_days
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        errors["cancel_after_days"] = f"Enter 1 to {LONGEST_DAYS} days, or nothing."
    if errors:
        raise Invalid(errors)
    default, given = asdict(numbering.Rules()), asdict(rules.number)
    kept: dict[str, Any] = {"number": {name: value for name, value in given.items() if value != default[name]}}
    if rules.window:
        kept["window"] = {**asdict(rules.window), "days": sorted(rules.window.days)}
    if days is not None:
        kept["cancel_after_days"] = days
    return sources.change(source, version, who, "source.order_rules", order_rules=kept)


def _workspace_errors(merchant: Merchant, rules: Workspace) -> dict[str, str]:
    errors, policy = {}, rules.policy
    for name, value, known in (("by", policy.by, BY), ("split", policy.split, SPLITS), ("silent", policy.silent, SILENT)):
        if value not in known:
            errors[name] = "Choose one of them."
    if not 0 <= rules.release_after_days <= LONGEST_DAYS:
        errors["release_after_days"] = f"Enter 1 to {LONGEST_DAYS} days, or 0 to keep stock committed until an answer comes."
    if not set(rules.order) <= {source.public_id for source in sources.listing(merchant)}:
        errors["order"] = "One of these sources is gone. Open the page again."
    return errors
