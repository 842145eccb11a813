"""The settings of a source: a table whose rows are edited in place, or each on its own page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from markupsafe import Markup
from wtforms import BooleanField, RadioField, StringField

from portal import connections, setup_steps, sources
from portal.catalogue import by_itself
from portal.errors import Invalid, NotFound, Stale
from portal.freshness import Rule, rule
from portal.inventory import missing, roles, silence
from portal.requests import auto_process
from portal.web import filters, freshness, guards, order_rules, schedule, steps
from portal.web.forms import VersionedForm
from portal.web.render import go, render, saved, wants_fragment

blueprint = Blueprint("settings", __name__)


@dataclass(frozen=True)
class Setting:
    """One row that can be edited: what it does, when to use it, and its button."""

    label: str
    what: str
    when: str
    save: str


SETTINGS = {
    "name": Setting(
        "Name and type",
        "What the source is called on every page, and what kind it is.",
        "When the supplier has a new name, or the type was a mistake.",
        "Save name and type",
    ),
    "allow-backorders": Setting(
        "Allow Backorders",
        "Items that are out of stock may still be ordered from this source.",
        "On for your own warehouse, which you restock. Off for dropship suppliers.",
        "Save backorders",
    ),
    "override": Setting(
        "Override Global Settings for This Source",
        "The automatic settings of this source count, not those of the workspace.",
        "When this source needs other handling than the rest. Turning it on changes nothing by itself.",
        "Save override",
    ),
    "auto-process": Setting(
        "Auto Process Fulfillment Requests",
        "On: a fulfillment request goes out as soon as it is made. Off: each waits until a person sends it.",
        "On once stock and mapping have proved right; off until then.",
        "Save auto process",
    ),
}


@dataclass(frozen=True)
class Elsewhere:
    """A row whose value is kept on another page. `act` and `at`: the link's words and address; `at` is "" while set-up is not there yet."""

    key: str
    label: str
    what: str
    when: str
    value: str
    act: str
    at: str


FILES = {"full": "Full files", "delta": "Files of changes"}
MISSING = {"leave": "left as they are", "zero": "to 0", "archive": "to 0, archived later"}
SWITCHES = {
    "allow-backorders": (sources.set_backorders, "allow_backorders"),
    "override": (sources.set_override, "override_global"),
    "auto-process": (sources.set_auto_process, "auto_process"),
}


class NameForm(VersionedForm):
    """Name and type of a source."""

    name = StringField("Name", description="Only you see this name. At most 80 characters")
    kind = RadioField("Type", choices=sources.KINDS, validate_choice=False)


class SwitchForm(VersionedForm):
    """One setting that is on or off; its label is the setting's own."""

    on = BooleanField("On")


@blueprint.get("/sources/<source_id>/settings")
@guards.signed_in
def show(source_id: str) -> Response:
    """The table. `from`: the row that was left with Cancel, whose Edit gets the keyboard back."""
    source = sources.find(g.merchant, source_id)
    return _table(source, back_at=request.args.get("from", ""))


@blueprint.get("/sources/<source_id>/settings/<name>")
@guards.signed_in
def edit(source_id: str, name: str) -> Response:
    """The form of one setting: in its row for htmx, else on its own page."""
    source = sources.find(g.merchant, source_id)
    return _edit_page(source, name, _form(source, name))


@blueprint.post("/sources/<source_id>/settings/<name>")
@guards.signed_in
@guards.once
def save(source_id: str, name: str) -> Response:
    """Keep one setting, unless someone else saved the source first."""
    source = sources.find(g.merchant, source_id)
    form = _form(source, name)
    if name in SWITCHES and auto_process.would_send(source, name, bool(form.on.data)).exists():
        return go(url_for("auto_process.of_source", source_id=source_id, name=name))
    try:
        fresh = _keep(source, name, form)
    except Invalid as refused:
        return _edit_page(source, name, form.refuse(refused), 422)
    except Stale as stale:
        fresh = sources.find(g.merchant, source_id)
        form.keep(stale, fresh.version, _values(fresh, name))
        return _edit_page(fresh, name, form, 409)
    if wants_fragment() and name != "name":  # a new name stands all over the page
        return _table(fresh, back_at=name, said=filters.saved_now())
    return saved(url_for("settings.show", source_id=source_id))


def _keep(source: Any, name: str, form: Any) -> Any:
    version, who = form.version_read(), g.user.email
    if name == "name":
        return sources.rename(source, form.name.data or "", form.kind.data or "", version, who)
    keep, _ = SWITCHES[name]
    return keep(source, bool(form.on.data), version, who)


def _form(source: Any, name: str) -> Any:
    """The form of the setting, as typed or as saved. Raises NotFound when there is no such setting."""
    if name not in SETTINGS:
        raise NotFound("setting")
    form = (NameForm if name == "name" else SwitchForm).read(**_values(source, name), version=str(source.version))
    if name != "name":
        form.on.label.text = SETTINGS[name].label
    return form


def _values(source: Any, name: str) -> dict[str, Any]:
    if name == "name":
        return {"name": source.name, "kind": source.kind}
    return {"on": getattr(source, SWITCHES[name][1])}


def _table(source: Any, back_at: str = "", said: str = "") -> Response:
    context = _context(source) | {"editing": "", "back_at": back_at, "said": said, "form": None}
    return render("source_settings/show.html", "source_settings/_table.html", **context)


def _edit_page(source: Any, name: str, form: Any, status: int = 200) -> Response:
    context = _context(source) | {"editing": name, "back_at": "", "said": "", "form": form}
    return render("source_settings/edit.html", "source_settings/_table.html", status, **context)


def _context(source: Any) -> dict[str, Any]:
    return {
        "source": source, "tab": "settings", "settings": SETTINGS, "kinds": sources.KINDS,
        "elsewhere": _elsewhere(source), "values": {name: getattr(source, column) for name, (_, column) in SWITCHES.items()},
    }  # fmt: skip


def _elsewhere(source: Any) -> list[Elsewhere]:
    return [
        Elsewhere(
            "schedule", "Schedule", "When Get Inventory Primary reads the file by itself.",
            "Shorter when stock moves fast and the supplier allows it.", *_schedule(source),
        ),
        Elsewhere(
            "freshness", "When a file counts as late", "By when the next file has to be accepted; past that the source shows as Late.",
            "When the supplier promised a time, or one interval is too long to wait.", *_freshness(source),
        ),
        *_second_freshness(source),
        Elsewhere(
            "guards", "Guard limits", "What a file has to pass before it may change your stock. One that looks wrong is refused or held.",
            "When one asks you too often, or lets too much through.", *_guards(source),
        ),
        *_feed_policies(source),
        Elsewhere(
            "silence", "After hours without a feed", "What happens to stock that grows old because no file is accepted.",
            "When selling what may be gone costs more than not selling.", *_silence(source),
        ),
        Elsewhere(
            "order-rules", "Order rules", "How its requests are numbered, on which days and hours they leave, and their cancel-after date.",
            "When the supplier takes orders only at times, or only numbers of a certain form.", order_rules.in_words(source),
            "Edit order rules", url_for("order_rules.edit", source_id=source.public_id),
        ),
        Elsewhere(
            "methods", "Shipping methods", "What the ways of shipping that your channels ask for are called at this source.",
            "When the supplier wants its own codes, such as UPSG for Ground.", order_rules.methods_in_words(source),
            "Edit shipping methods", url_for("order_rules.methods", source_id=source.public_id),
        ),
        Elsewhere(
            "credentials", "Credentials", "What we sign in with at the supplier. It is sealed and never shown again.",
            "When the supplier gave you a new password or key.", _credentials(source), "Edit connection", _step_at(source, "connection"),
        ),
        Elsewhere(
            "prefix", "Master SKU prefix", "Put before every Inventory SKU to make the Master SKU.",
            "When two suppliers use the same item numbers.", source.sku_prefix or "None", "Edit SKU mapping", _step_at(source, "skus"),
        ),
        Elsewhere(
            "linking", "New items", "Whether items that a feed brings are linked to your products by themselves.",
            "When the supplier's UPCs can be relied on.", by_itself.MODES[by_itself.mode_of(source)[0]], "Edit linking",
            url_for("linking.of_source", source_id=source.public_id),
        ),
    ]  # fmt: skip


def _guards(source: Any) -> tuple[str, str, str]:
    """Value, act and place of the guard limits of a source that has its inventory integration; else how they work."""
    one = next(iter(sources.integrations(source)), None)
    if one is None:
        return "Defaults", "How they work", url_for("help.show", _anchor="guards")
    own = len((one.policies or {}).get("guards") or {})
    return f"{own} of your own" if own else "Defaults", "Edit limits", url_for("limits.edit", source_id=source.public_id, kind=one.kind)


def _feed_policies(source: Any) -> list[Elsewhere]:
    """A row for each inventory integration of the source."""
    what = "What its files say about items that they do not name, and which feed sets which value."
    when = "When a file holds only changes, or names only some of your items."
    rows = []
    for one in sources.integrations(source):
        if one.kind in sources.INVENTORY_KINDS:
            first = one.kind == sources.PRIMARY
            name = "Feed policies" if first else f"Feed policies of {sources.INTEGRATION_KINDS[one.kind]}"
            value = f"{FILES[roles.feed_of(one)]}; missing items: {MISSING[missing.policy(one).act]}"
            there = url_for("feed_policies.edit", source_id=source.public_id, kind=one.kind)
            rows.append(Elsewhere("policies" if first else "policies-second", name, what, when, value, "Edit policies", there))
    return rows


def _silence(source: Any) -> tuple[str, str, str]:
    one = next(iter(sources.integrations(source)), None)
    if one is None:
        return "24 h: keep stock", "", ""
    now = silence.rule(one)
    return f"{now.hours:,} h: {now.words}", "Edit the rule", url_for("limits.silence", source_id=source.public_id, kind=one.kind)


def _freshness(source: Any) -> tuple[str, str, str]:
    one = next(iter(sources.integrations(source)), None)
    if one is None:
        return freshness.in_words(Rule()), "", ""
    return freshness.in_words(rule(one)), "Edit the rule", url_for("freshness.edit", source_id=source.public_id, kind=one.kind)


def _second_freshness(source: Any) -> list[Elsewhere]:
    """A row for the second file, which has a rule of its own."""
    one = next((one for one in sources.integrations(source) if one.kind == sources.SECONDARY), None)
    if one is None:
        return []
    there = url_for("freshness.edit", source_id=source.public_id, kind=one.kind)
    what = "By when the next second file has to be accepted; past that the source shows as Late."
    when = "When the second file comes at other times than the first."
    name = f"When a file of {sources.INTEGRATION_KINDS[one.kind]} counts as late"
    return [Elsewhere("freshness-second", name, what, when, freshness.in_words(rule(one)), "Edit the rule", there)]


def _schedule(source: Any) -> tuple[str, str, str]:
    try:
        one = sources.integration(source, "get_inventory_primary")
    except NotFound:
        return "Not set up yet", "Edit schedule", ""
    if connections.is_webhook(source):
        return "As deliveries come", "See the deliveries", url_for("hooks.list_deliveries", source_id=source.public_id)
    if connections.is_upload(source):
        return "After each upload", "Upload a file", _step_at(source, "connection")
    return schedule.in_words(one), "Edit schedule", url_for("schedule.edit", source_id=source.public_id, kind=one.kind)


def _credentials(source: Any) -> str:
    newest = max((row.saved_at for row in connections.secrets_of(source).values()), default=None)
    return Markup("Saved {}").format(filters.moment(newest)) if newest else "None saved"


def _step_at(source: Any, step: str) -> str:
    """The address of a set-up step, "" while it is not open yet."""
    return steps.page(source, step) if setup_steps.may_open(source, step) else ""
