"""A source as a file: taken away as TOML, and made from one."""

from __future__ import annotations

import re

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, FileField, StringField, TextAreaField

from portal import source_files, sources
from portal.errors import Invalid, Refused
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import download, render, saved

blueprint = Blueprint("source_files", __name__)


class SourceFileForm(LedgerForm):
    """A source file, chosen or pasted."""

    upload = FileField("Source file", description="The .toml file that was exported from a source")
    file = TextAreaField("Or its text", description="Paste it here instead of choosing the file")
    name = StringField("Name", description="Empty: the name in the file. At most 80 characters")
    confirmed = BooleanField("I have an account with this source")


@blueprint.get("/sources/<source_id>/source.toml")
@guards.signed_in
def export(source_id: str) -> Response:
    """The source's settings, mapping, schedule and guards; nothing secret."""
    source = sources.find(g.merchant, source_id)
    if not source.supplier:
        raise Refused("This source has no supplier yet, so there is nothing to export. Choose its supplier first.")
    name = re.sub(r"[^\w.-]+", "-", source.name).strip("-.") or "source"
    return download(source_files.written(source).encode(), f"{name}.toml", "application/toml; charset=utf-8")


@blueprint.get("/sources/from-file")
@guards.signed_in
def ask() -> Response:
    """The form for a source that comes as a file."""
    return _page(SourceFileForm())


@blueprint.post("/sources/from-file")
@guards.signed_in
@guards.once
def create() -> Response:
    """Make the draft; its pages come filled in."""
    form, sent = SourceFileForm.read(), request.files.get("upload")
    content = sent.stream.read(source_files.LARGEST + 1) if sent is not None and sent.filename else (form.file.data or "").encode()
    form.file.data = content.decode("utf-8", "replace")
    try:
        if not content.strip():
            raise Invalid({"file": "Choose the file, or paste its text."})
        made = source_files.begin(g.merchant, content, form.name.data or "", bool(form.confirmed.data), g.user.email)
    except Invalid as error:
        return _page(form.refuse(error), 422)
    words = " ".join(("Made from the file as a draft. Its pages come filled in: look at each, and save it.", *made.remarks))
    return saved(url_for("sources.show", source_id=made.source.public_id), words)


def _page(form: LedgerForm, status: int = 200) -> Response:
    return render("sources/from_file.html", "sources/_from_file.html", status=status, form=form)
