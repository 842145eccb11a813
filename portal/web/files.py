"""The file page: which file of the supplier is read, and how its bytes become rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Response, g
from htmx_flask import request
from wtforms import HiddenField, RadioField, SelectField, StringField, TextAreaField

from portal import after_read, connection_checks, connections, file_choice, file_rules, sources
from portal.errors import Invalid, Stale
from portal.records import FeedFormat
from portal.web import guards
from portal.web.connecting import address, blueprint, source_of_file, tested
from portal.web.forms import VersionedForm
from portal.web.render import render, saved
from portal.web.steps import onward

CHOICE = ("folder", "match", "pattern", "link", *file_rules.FIELDS)
FORMAT = file_choice.FORMAT
MATCHES = {
    "newest": "The newest file that fits a pattern",
    "all": "All new files that fit a pattern, each once",
    "exact": "Always the file of this name",
}
LONGEST = 1_000


class FileForm(VersionedForm):
    """Which file, and how it is read."""

    folder = HiddenField()
    match = RadioField("Which file", choices=MATCHES)
    pattern = StringField("Pattern or name")
    marker = RadioField("A file is finished", choices=file_rules.MARKERS)
    marker_text = StringField("Ending or name of the marker")
    after_act = RadioField("After a file was read", choices=after_read.ACTS)
    after_folder = StringField("Folder to move it to")
    after_suffix = StringField("Ending to give its name")
    link = StringField("Link of the second file")
    kind = SelectField("The file is", validate_choice=False)
    delimiter = SelectField("Columns are separated by", validate_choice=False)
    own_delimiter = StringField("Or another sign")
    quote = SelectField("Text is quoted with", choices=file_choice.QUOTES, validate_choice=False)
    encoding = SelectField("Letters are encoded as", choices=file_choice.ENCODINGS, validate_choice=False)
    header_row = StringField("Column names are in row")
    offered: Any = None
    decimal_mark = SelectField("Numbers use", choices=file_choice.DECIMAL_MARKS, validate_choice=False)

    cuts = StringField("Columns begin at")
    sheet = SelectField("Sheet", validate_choice=False)
    row_path = SelectField("What repeats", validate_choice=False)
    variants = SelectField("Rows", validate_choice=False)
    member = StringField("File in the archive")
    as_above = TextAreaField("Blank means as above in")

    def choice(self) -> dict[str, str]:
        """Which file, as typed."""
        return {name: str(self[name].data or "")[:LONGEST] for name in CHOICE}

    def format(self, otherwise: FeedFormat) -> FeedFormat:
        """How it is read, as typed."""
        return file_choice.format_from({name: str(self[name].data or "") for name in FORMAT}, otherwise)


@blueprint.get("/secondary/file", defaults={"which": sources.SECONDARY})
@blueprint.get("/file", defaults={"which": sources.PRIMARY})
@guards.signed_in
def file(source_id: str, which: str) -> Response:
    """Which file is read and how, with its first rows. What is typed so far may come in the query."""
    source = source_of_file(source_id, which)
    return _page(source, which, _form(source, which, request.args if request.args.get("typed") else None))


@blueprint.get("/secondary/file/preview", defaults={"which": sources.SECONDARY})
@blueprint.get("/file/preview", defaults={"which": sources.PRIMARY})
@guards.signed_in
def preview(source_id: str, which: str) -> Response:
    """The first rows read with other options. Reads only the sample that lies here."""
    source = source_of_file(source_id, which)
    form, chosen = _form(source, which, request.args), _chosen(source, which)
    seen = file_choice.preview(source, form.format(chosen.format), which) if chosen.sample else None
    return render(
        "connections/preview.html", "connections/_preview.html", source=source, which=which, seen=seen, chosen=chosen, form=form,
        address=address,
    )  # fmt: skip


@blueprint.post("/secondary/file", defaults={"which": sources.SECONDARY})
@blueprint.post("/file", defaults={"which": sources.PRIMARY})
@guards.signed_in
@guards.once
def save_file(source_id: str, which: str) -> Response:
    """Save the choice; or open a folder, read another file, or preview other options first."""
    source, act = source_of_file(source_id, which), request.form.get("act", "save")
    form = _form(source, which, request.form)
    if act == "preview":
        typed = {name: str(form[name].data or "") for name in (*CHOICE, *FORMAT)}
        return saved(address("connections.file", source, which=which, typed=1, **typed), "")
    if act.startswith(("path:", "variants:")):
        what, _, path = act.partition(":")
        typed = {name: str(form[name].data or "") for name in (*CHOICE, *FORMAT)}
        typed |= {"variants": path} if what == "variants" else {"row_path": path, "variants": ""}
        return saved(address("connections.file", source, which=which, typed=1, tree=1, **typed) + "#tree", "")
    if act.startswith("folder:"):
        looked_in = {"folder": act.removeprefix("folder:")[:LONGEST], "match": "newest", "pattern": ""}
        return tested(source, "", looked_in, "connections.file", which)
    return _read(source, which, form) if act == "read" else _save(source, which, form)


def _read(source: Any, which: str, form: Any) -> Response:
    """Read the file that was typed. A second link is looked at first: the sign-in must not go to another server."""
    if file_choice.asks_link(source, which):
        try:
            file_choice.check_link(connections.find(source), form.link.data or "")
        except Invalid as refused:
            return _page(source, which, form.refuse(refused), 422)
    choice = form.choice() if file_choice.chooses_files(source) else {"link": (form.link.data or "").strip()}
    return tested(source, "", choice, "connections.file", which)


def _save(source: Any, which: str, form: Any) -> Response:
    try:
        form_read = form.format(_chosen(source, which).format)
        file_choice.save(source, form.choice(), form_read, form.version_read(), g.user.email, which)
    except Invalid as refused:
        return _page(source, which, form.refuse(refused), 422)
    except Stale as stale:
        fresh = file_choice.integration_of(source, which)
        theirs = {**file_rules.as_typed(fresh), **fresh.settings, **fresh.settings.get("format", {})}
        return _page(source, which, form.keep(stale, fresh.version, {name: theirs.get(name, "") for name in (*CHOICE, *FORMAT)}), 409)
    return saved(onward(source, which))


def _chosen(source: Any, which: str) -> file_choice.Chosen:
    return file_choice.current(source, connections.find(source), which)


def _form(source: Any, which: str, typed: Mapping[str, str] | None) -> Any:
    """The form as saved or detected, with what was typed so far over it."""
    chosen, integration = _chosen(source, which), file_choice.integration_of(source, which)
    values = {**asdict(chosen.format), "folder": chosen.folder, "match": chosen.match, "pattern": chosen.pattern, "link": chosen.link}
    values |= file_choice.rules_as_chosen(integration, connections.find(source))
    values |= {name: typed[name][:LONGEST] for name in (*CHOICE, *FORMAT) if typed and name in typed}
    if typed and (own := typed.get("own_delimiter", "")):
        values["delimiter"] = {"\\t": "\t"}.get(own.strip(), own.strip()[:LONGEST])
    version = typed["version"] if typed and "version" in typed else integration.version
    form = FileForm(data={**values, "header_row": str(values["header_row"]), "version": str(version)})
    known = (
        file_choice.DELIMITERS
        if values["delimiter"] in file_choice.DELIMITERS
        else {values["delimiter"]: values["delimiter"], **file_choice.DELIMITERS}
    )
    offered = file_choice.options(source, form.format(chosen.format), which)
    form.kind.choices, form.sheet.choices = offered.kinds, offered.sheets
    form.row_path.choices, form.variants.choices = offered.row_paths, offered.variants
    form.offered = offered
    form.delimiter.choices = {sign: name.capitalize() if name.isalpha() else name for sign, name in known.items()}
    return form


def _page(source: Any, which: str, form: Any, status: int = 200) -> Response:
    connection, chosen, choice = connections.find(source), _chosen(source, which), form.choice()
    run, results = connection_checks.latest(connection), connection_checks.read_back(connection)
    integration = file_choice.integration_of(source, which)
    looked = file_choice.shows_listing(connection, chosen, which)
    entries, here = (file_choice.listed(connection), file_choice.listed_folder(connection)) if looked else ([], "")
    if file_choice.tested_kind(connection) != which:
        run, results = (run, results) if connection_checks.is_running(run) else (None, [])
    return render(
        "connections/file.html", "connections/_file.html", status, source=source, form=form, chosen=chosen, address=address, which=which,
        supplier=connections.supplier_of(source), chooses=file_choice.chooses_files(source), entries=entries,
        asks_link=file_choice.asks_link(source, which), asks_path=connections.asks_path(source),
        uploads=connections.is_upload(source), files_here=here,
        above=file_choice.parent_of(here), integration=integration, inside=file_choice.inside,
        outlook=file_rules.outlook(integration, entries, here, choice),
        seen=file_choice.preview(source, form.format(chosen.format), which) if chosen.sample else None,
        tree_open=bool(request.values.get("tree")),
        run=run, running=connection_checks.is_running(run), stuck=connection_checks.is_stuck(run), labels=connection_checks.LABELS,
        now=next((one for one in results if one.state == "running"), None),
        stopped_at=next((one for one in results if one.state in ("failed", "question")), None),
    )  # fmt: skip
