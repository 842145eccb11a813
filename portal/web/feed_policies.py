"""Feed policies: what each file of an inventory integration holds, what it no longer names, and which feed sets which value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import RadioField, SelectField, SelectMultipleField, StringField, TextAreaField

from portal import sources
from portal.errors import Invalid, Stale
from portal.inventory import feed_policies, missing, roles
from portal.inventory.missing import Missing
from portal.web import guards
from portal.web.forms import VersionedForm
from portal.web.render import render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("feed_policies", __name__, url_prefix="/sources/<source_id>/integrations/<kind>")
OWNER = "owner_"
FEED_HINTS = {
    "full": "What is not in the file is missing from it. For files with the whole stock, the usual kind",
    "delta": "What is not in the file stays as it is; a delta never makes an item missing. For files of the last changes only",
}
ACT_HINTS = {
    "leave": "For a file that holds only some of your items, or when you take items off by hand",
    "zero": "Nobody can order what the supplier no longer lists. It comes back when a file names it again",
    "archive": "As above, and off your lists once it stayed away. It comes back when a file names it again",
}
SCOPE_HINTS = {
    "own": "When two files share the items, so that neither takes away what the other keeps",
    "all": "When this file names everything that the supplier sells",
}


class PoliciesForm(VersionedForm):
    """What the file holds, and what becomes of items that it no longer names. `values`: ticked; `more`: typed, a line each."""

    feed = RadioField("Each file holds", choices=roles.FEEDS, validate_choice=False)
    act = RadioField("Items that the file no longer names", choices=missing.ACTS, validate_choice=False)
    after_runs = StringField("Archive after so many more files without the item")
    after_hours = StringField("or after so many hours")
    scope = RadioField("This is for", choices=missing.SCOPES, validate_choice=False)
    column = SelectField("Only some of them, chosen by", choices={"": "No filter", **missing.FILTERS}, validate_choice=False)
    values = SelectMultipleField("Values that it is for", choices=[], validate_choice=False)
    more = TextAreaField("Other values, each on a line of its own")

    def chosen(self) -> Missing:
        """The policy of missing items as typed, unchecked."""
        typed = [line.strip() for line in (self.more.data or "").splitlines() if line.strip()]
        values = tuple(dict.fromkeys([*(self.values.data or []), *typed])) if self.column.data else ()
        archives = self.act.data == "archive"
        files, hours = (_number(one.data or "") if archives else 0 for one in (self.after_runs, self.after_hours))
        return Missing(self.act.data or "", files, hours, self.scope.data or "", self.column.data or "", values)


def _number(text: str) -> int:
    """A count as typed; 0 for nothing, -1 for what is no number."""
    text = text.strip().replace(",", "")
    return whole_number(text) if text else 0


@blueprint.get("/policies")
@guards.signed_in
def edit(source_id: str, kind: str) -> Response:
    """Each policy with its default, when to use what, and what it means for the items of now."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    return _page(integration, _form(integration))


@blueprint.post("/policies")
@guards.signed_in
@guards.once
def save(source_id: str, kind: str) -> Response:
    """Keep the policies; or only show the values of the chosen column (`do` "look")."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    form = _form(integration)
    if request.form.get("do") == "look":
        return _page(integration, form)
    try:
        feed_policies.save(integration, form.feed.data or "", form.chosen(), _owned(integration, form), form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(integration, form.refuse(refused), 422)
    except Stale as stale:
        fresh = sources.inventory_feed(g.merchant, source_id, kind)
        form.keep(stale, fresh.version, _values(fresh))
        form.theirs = {name: _said(name, value) for name, value in form.theirs.items()}
        return _page(fresh, form, 409)
    return saved(url_for("feed_policies.edit", source_id=source_id, kind=kind))


def _form(integration: Any) -> Any:
    """The form with a choice for each value that both feeds map, on the page of the second one."""
    choices = {kind: sources.INTEGRATION_KINDS[kind] for kind in (roles.SECONDARY, roles.PRIMARY)}
    contested = roles.contested(integration.source) if integration.kind == roles.SECONDARY else {}
    fields = {OWNER + key: SelectField(f"Who sets {roles.OWNABLE[key]}", choices=choices, validate_choice=False) for key in contested}
    made: Any = type("FeedPoliciesForm", (PoliciesForm,), fields)
    return made.read(**_values(integration), version=str(integration.version))


def _values(integration: Any) -> dict[str, Any]:
    """What is saved, by name of a field."""
    now = missing.policy(integration)
    owners = roles.contested(integration.source) if integration.kind == roles.SECONDARY else {}
    told = {
        "feed": roles.feed_of(integration), "act": now.act, "after_runs": str(now.after_runs or ""),
        "after_hours": str(now.after_hours or ""), "scope": now.scope, "column": now.column, "values": list(now.values), "more": "",
    }  # fmt: skip
    return told | {OWNER + key: roles.SECONDARY if mine else roles.PRIMARY for key, mine in owners.items()}


def _owned(integration: Any, form: Any) -> list[str] | None:
    if integration.kind != roles.SECONDARY:
        return None
    return [key for key in roles.OWNABLE if OWNER + key in form and form[OWNER + key].data == roles.SECONDARY]


def _said(name: str, value: Any) -> str:
    """A saved value as a person reads it."""
    if isinstance(value, list):
        return ", ".join(value) or "none"
    choices: Mapping[str, str] = {**roles.FEEDS, **missing.ACTS, **missing.SCOPES, **missing.FILTERS, **sources.INTEGRATION_KINDS}
    return choices.get(value, value) or ("No filter" if name == "column" else "none")


def _page(integration: Any, form: Any, status: int = 200) -> Response:
    source, kind, column = integration.source, integration.kind, form.column.data or ""
    seen = feed_policies.seen(source, column) if column in missing.FILTERS else []
    known = {value for value, _ in seen}
    ticked = [value for value in form.values.data or [] if value in known]
    kept = [value for value in form.values.data or [] if value not in known and column == missing.policy(integration).column]
    form.more.data = "\n".join(dict.fromkeys([*kept, *(form.more.data or "").splitlines()]))
    chosen = form.chosen()
    return render(
        "feed_policies/edit.html", "feed_policies/_form.html", status, source=source, integration=integration, form=form,
        title=sources.INTEGRATION_KINDS[kind], standing=feed_policies.standing(integration), default=missing.default(kind), seen=seen,
        ticked=ticked, covered=feed_policies.covered(source, column, chosen.values) if seen and chosen.values else 0,
        owners=feed_policies.ownership(source), names=sources.INTEGRATION_KINDS, acts=missing.ACTS, scopes=missing.SCOPES, owner=OWNER,
        feed_hints=FEED_HINTS, act_hints=ACT_HINTS, scope_hints=SCOPE_HINTS, second=kind == roles.SECONDARY,
        idle=kind == roles.SECONDARY and not _owns_quantity(source), most_seen=feed_policies.MOST_SEEN,
    )  # fmt: skip


def _owns_quantity(source: Any) -> bool:
    """Whether the second feed sets quantities: else it cannot take any away."""
    return any(one.column == "quantity" and one.who == roles.SECONDARY for one in feed_policies.ownership(source))
