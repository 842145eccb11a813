"""Map the inventory: their columns, our fields, and what becomes of the sample. A draft is redrawn at /draft; only Save keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, g, url_for
from htmx_flask import request

from portal import mappings, runs, secondary, setup_steps, sources
from portal.errors import Invalid, Stale, SupplierError
from portal.fields import DIMENSION_UNITS, INVENTORY_BY_KEY, WEIGHT_UNITS
from portal.inventory import dry_run
from portal.mapping import DUPLICATES, TRANSFORMS
from portal.records import Match
from portal.web import dry_runs, guards, mapping_damage, mapping_form, mapping_page, steps
from portal.web import orders as orders  # their pages belong to the same blueprint
from portal.web import shipments as shipments
from portal.web.mapping_acts import act, place_of
from portal.web.mapping_form import Draft
from portal.web.operations import blueprint
from portal.web.render import go, render, saved, wants_fragment
from portal.web.typed import TypedErrors, whole_number

DUPLICATE_HINTS = {
    "first": "The row nearest the top counts, later ones are listed and not used",
    "last": "The row nearest the end counts, earlier ones are listed and not used",
    "sum": "For files that list a SKU in parts: other fields come from one row, quantities are added",
    "set_aside": "None of them changes anything until the file is clear",
}
NUMBERS = frozenset(key for key, one in INVENTORY_BY_KEY.items() if one.kind in ("quantity", "money", "measure"))
IDENTIFIERS = frozenset(key for key, one in INVENTORY_BY_KEY.items() if one.kind in ("identifier", "gtin"))
DELIMITER_WORDS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


@blueprint.get("/secondary", defaults={"which": sources.SECONDARY})
@blueprint.get("/inventory", defaults={"which": sources.PRIMARY})
@guards.signed_in
def inventory(source_id: str, which: str) -> Response:
    """The editor as saved, or filled with what we found by itself."""
    source, integration, sample = _opened(source_id, which)
    if isinstance(sample, Response):
        return sample
    matches = mappings.propose(integration, sample)
    version = mappings.current(integration)
    rules = _dry_run_rules(integration) or (version.rules if version else mappings.first_rules(integration, sample, matches))
    return _page(integration, sample, matches, mapping_form.draft_of(rules, mappings.fields_of(integration)))


def _typed(integration: Any, sample: Any) -> Any:
    """The draft as it was sent."""
    return mapping_form.read(request.form.items(multi=True), sample.headers, mappings.fields_of(integration))


def _dry_run_rules(integration: Any) -> Any:
    """The rules of the dry run that the query names, to go on with; None without one."""
    asked = request.args.get("dry_run", "")
    run = runs.find(g.merchant, asked) if asked else None
    return dry_run.rules_of(run) if run is not None and run.kind == runs.DRY_RUN and run.integration_id == integration.id else None


@blueprint.post("/secondary", defaults={"which": sources.SECONDARY})
@blueprint.post("/inventory", defaults={"which": sources.PRIMARY})
@guards.signed_in
@guards.once
def save_inventory(source_id: str, which: str) -> Response:
    """Keep the draft as a new version and go on, or show what is in the way."""
    source, integration, sample = _opened(source_id, which)
    if isinstance(sample, Response):
        return sample
    matches = mappings.propose(integration, sample)
    draft = _typed(integration, sample)
    based_on = whole_number(request.form.get("version", ""))
    try:
        rules = _checked(draft, sample.headers, matches)
        mappings.save(integration, rules, sample.headers, g.user.email, g.user, based_on)
    except Invalid as refused:
        return _refused(integration, sample, matches, draft, refused)
    except Stale as stale:
        fresh = sources.integration(source, integration.kind)
        return _page(fresh, sample, matches, draft, TypedErrors(stale=stale), status=409)
    if request.form.get("do") == "leave":
        return saved(url_for("sources.show", source_id=source.public_id))
    return saved(steps.onward(source, which))


@blueprint.post("/secondary/dry-run", defaults={"which": sources.SECONDARY})
@blueprint.post("/inventory/dry-run", defaults={"which": sources.PRIMARY})
@guards.signed_in
@guards.once
def dry_run_inventory(source_id: str, which: str) -> Response:
    """Dry run the mapping as typed, on the supplier's present file; before it is switched on, on the sample. Nothing of it is saved."""
    source, integration, sample = _opened(source_id, which)
    if isinstance(sample, Response):
        return sample
    matches = mappings.propose(integration, sample)
    draft = _typed(integration, sample)
    try:
        rules = _checked(draft, sample.headers, matches)
        document = None if integration.enabled and source.state != "draft" else sample.document
        return dry_runs.begin(integration, dry_run.Choice(document, rules=rules, headers=sample.headers))
    except Invalid as refused:
        return _refused(integration, sample, matches, draft, refused)


@blueprint.get("/secondary/dry-run", defaults={"which": sources.SECONDARY})
@blueprint.get("/inventory/dry-run", defaults={"which": sources.PRIMARY})
@guards.signed_in
def dry_ran_inventory(source_id: str, which: str) -> Response:
    """Asked for by address there is the editor."""
    return drafted_inventory(source_id, which)


@blueprint.post("/secondary/draft", defaults={"which": sources.SECONDARY})
@blueprint.post("/inventory/draft", defaults={"which": sources.PRIMARY})
@guards.signed_in
def draft_inventory(source_id: str, which: str) -> Response:
    """Do what a button of the editor says, to the draft only, and show it: the row, the preview or the whole editor."""
    source, integration, sample = _opened(source_id, which)
    if isinstance(sample, Response):
        return sample
    draft = _typed(integration, sample)
    do = request.form.get("do", "preview")
    focus = _act(draft, sample, do)
    matches = mappings.propose(integration, sample)
    target = request.htmx.target or "" if wants_fragment() else ""
    if target in ("", "mapping-page"):
        return _page(integration, sample, matches, draft, focus=focus, version=request.form.get("version", ""))
    return _part(integration, sample, matches, draft, target, focus)


@blueprint.get("/secondary/draft", defaults={"which": sources.SECONDARY})
@blueprint.get("/inventory/draft", defaults={"which": sources.PRIMARY})
@guards.signed_in
def drafted_inventory(source_id: str, which: str) -> Response:
    """A draft lives in its form only: asked for by address there is the editor."""
    source = sources.find(g.merchant, source_id)
    return go(url_for("mappings.inventory", source_id=source.public_id, which=which))


def _opened(source_id: str, which: str) -> tuple[Any, Any, Any]:
    """The source at this step, its integration, and its sample (or the page that says that there is none)."""
    source = sources.find(g.merchant, source_id)
    setup_steps.require(source, "inventory")
    integration = sources.integration(source, which)
    if which == sources.SECONDARY:
        secondary.require(integration, "mapping")
    problem = None
    try:
        sample = mappings.sample_of(integration)
    except SupplierError as error:
        sample, problem = None, error.problem
    if sample is None:
        title = setup_steps.TITLES["inventory"] if which == sources.PRIMARY else "Map the second file"
        page = render(
            "mappings/no_sample.html", source=source, step="inventory", problem=problem, title=title, integration=integration,
            file_at=steps.feed_page(integration, "file"),
        )  # fmt: skip
        return source, integration, page
    return source, integration, sample


def _checked(draft: Draft, headers: Sequence[str], matches: Sequence[Match]) -> dict[str, Any]:
    """The rules of the draft. Raises Invalid with the form's own errors beside those of the rules."""
    rules = mapping_form.rules_of(draft)
    found = {**mappings.usable(rules, headers)[1], **mapping_page.own_errors(draft, matches)}
    if found:
        raise Invalid(found)
    return rules


def _refused(integration: Any, sample: Any, matches: Sequence[Match], draft: Draft, refused: Invalid) -> Response:
    draft.show = "all"
    return _page(integration, sample, matches, draft, TypedErrors(_placed(refused.errors, draft)), refused.errors, 422)


def _act(draft: Draft, sample: Any, do: str) -> str:
    """Change the draft; the id of the control that should have the focus afterwards."""
    place = place_of(do)
    rule, mark = draft.rule(place), place.replace(".", "-")
    verb, *numbers = do.split(":")
    new_step, seen = None, []
    if verb == "repair" and rule is not None and numbers[-1].isdecimal():
        mapping_damage.repair(rule, int(numbers[-1]), mapping_damage.of_sample(sample, mapping_page.usable_rules(sample, draft)))
        return f"{mark}-edit"
    if verb == "add-step" and rule is not None:
        key = request.form.get(f"new.{mark}", "")
        new_step = _new_step(rule, key, sample) if key in TRANSFORMS else None
    elif verb == "fill-values" and rule is not None and numbers[-1].isdecimal():
        seen = [value for value, _ in mapping_page.table_values(sample, rule, int(numbers[-1])).most]
    act(draft, do, new_step, seen)
    return _focus(draft, verb, mark, rule)


def _new_step(rule: Any, key: str, sample: Any) -> dict[str, Any]:
    """A step with its usual answers; a value table with every value of the file, each kept as it is."""
    step: dict[str, Any] = {"do": key, **{one.key: one.default for one in TRANSFORMS[key].parameters if one.kind != "pairs"}}
    if key == "table":
        step["pairs"] = [[value, value] for value, _ in mapping_page.table_values(sample, rule, len(rule.steps)).most]
    return step


def _focus(draft: Draft, verb: str, mark: str, rule: Any) -> str:
    if verb == "add-step" and rule is not None and rule.steps:
        return f"{mark}-steps-{len(rule.steps) - 1}"
    if verb == "add-column" and rule is not None:
        return f"{mark}-more-{len(rule.more) - 1}"
    if verb == "add" and request.form.get("do", "").startswith(("add:w", "add:x")):
        kind = request.form["do"][4]
        return f"{kind}-{len(draft.listed(kind)) - 1}-name"
    after = {"open": f"{mark}-edit", "close": f"{mark}-edit", "remove-step": f"{mark}-add-step", "remove-column": f"{mark}-add-column"}
    return after.get(verb, "")


def _page(
    integration: Any, sample: Any, matches: Sequence[Match], draft: Draft, problems: TypedErrors | None = None,
    errors: Mapping[str, str] | None = None, status: int = 200, focus: str = "", version: str = "",
) -> Response:  # fmt: skip
    """The whole editor. `version`: the one the draft began with; else the one in use now."""
    editor = mapping_page.build(sample, matches, draft, errors)
    return render(
        "mappings/inventory.html", "mappings/_form.html", status, **_shared(integration, editor, focus),
        problems=problems or TypedErrors(), version=whole_number(version) if version else integration.mapping_version,
        back=request.values.get("back", ""), opened_up=request.method == "POST",
        layout_words=_layout_words(sample), duplicates=DUPLICATES, duplicate_hints=DUPLICATE_HINTS,
        weight_units=list(WEIGHT_UNITS), dimension_units=list(DIMENSION_UNITS),
    )  # fmt: skip


def _part(integration: Any, sample: Any, matches: Sequence[Match], draft: Draft, target: str, focus: str) -> Response:
    """The preview, or one row, or what is said about one row."""
    editor = mapping_page.build(sample, matches, draft)
    shared = _shared(integration, editor, focus)
    if target == "preview":
        return render("mappings/_preview.html", "mappings/_preview.html", **shared)
    kind, _, mark = target.partition("-")
    line = next((one for one in editor.all_lines if one.id == mark), None)
    if line is None or kind not in ("row", "said"):
        raise Invalid({"target": "The editor changed meanwhile. Open the page again."})
    fragment = "mappings/_row.html" if kind == "row" else "mappings/_said.html"
    response = render(fragment, fragment, **shared, line=line)
    response.headers["HX-Trigger-After-Settle"] = "mapped"
    return response


def _shared(integration: Any, editor: Any, focus: str) -> dict[str, Any]:
    """What every part of the editor needs. `limited`: only what a second feed may set."""
    source, limited = integration.source, integration.kind == sources.SECONDARY
    draft_at = url_for("mappings.draft_inventory", source_id=source.public_id, which=integration.kind)
    return {
        "source": source, "integration": integration, "limited": limited, "editor": editor, "focus": focus, "transforms": TRANSFORMS,
        "choices": mapping_page.choices, "draft_at": draft_at, "label_of": mapping_page.label_of, "cell": mapping_page.cell,
        "numbers": NUMBERS, "identifiers": IDENTIFIERS, "row_failures": mapping_page.row_failures(editor),
        "capped": editor.tally is not None and not editor.tally.whole,
    }  # fmt: skip


def _placed(errors: Mapping[str, str], draft: Draft) -> list[tuple[str, str]]:
    """(id of the control, sentence) of each error."""
    ids = {key: f"f-{key}-fixed" if rule.choice == "fixed" else f"f-{key}-column" for key, rule in draft.fields.items()}
    return [(ids.get(key, key), f"{_label(key)}{words}") for key, words in errors.items()]


def _label(key: str) -> str:
    return f"{INVENTORY_BY_KEY[key].label}: " if key in INVENTORY_BY_KEY else ""


def _layout_words(sample: Any) -> str:
    delimiter = DELIMITER_WORDS.get(sample.format.delimiter, sample.format.delimiter)
    return f"{delimiter}, {sample.format.encoding.upper()}"
