"""Connecting a source: the connect form, the seven checks, and the server's key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, g, url_for
from htmx_flask import request

import tasks
from portal import (
    api_looks,
    connection_checks,
    connection_parts,
    connections,
    directory,
    documents,
    file_choice,
    oauth,
    runs,
    setup_steps,
    sources,
    webhooks,
)
from portal.errors import Invalid, NotFound, Refused, Stale, SupplierError
from portal.web import connection_form, guards
from portal.web import files as files  # its pages belong to the same blueprint
from portal.web.connecting import act_of, address, blueprint, source_at, source_of_file, tested, tested_for
from portal.web.render import render, saved
from portal.web.typed import whole_number

# the connect form


@blueprint.get("/connection")
@guards.signed_in
def edit(source_id: str) -> Response:
    """The connect form, or the upload form of a source without a server."""
    source = source_at(source_id, "connection")
    supplier, connection = connections.supplier_of(source), connections.find(source)
    values = dict(connection.settings)
    if supplier.protocol == webhooks.PROTOCOL:  # the feed's policy is where this is kept
        values["holds"] = webhooks.holds(source) if webhooks.exists(source) else values.get("holds")
    if request.args.get("typed"):
        values = connection_form.with_usual_port(supplier, values | connection_form.typed(supplier))
    return _connect_page(
        source, connection_form.build(supplier, _with_defaults(supplier, values), connection.version, connection.choices), values
    )


@blueprint.post("/connection")
@guards.signed_in
@guards.once
def save(source_id: str) -> Response:
    """Save, and test unless asked not to. Also shows the fields of another choice, and makes a key pair."""
    source = source_at(source_id, "connection")
    supplier = connections.supplier_of(source)
    values, act = _with_defaults(supplier, connection_form.typed(supplier)), request.form.get("act", "test")
    if act == "fields":
        return saved(address("connections.edit", source, **connection_form.carried(supplier, values)), "")
    if act.startswith("key:"):
        connections.make_key_pair(source, act.removeprefix("key:"), g.user.email)
        notice = "Key pair made. Send the public key to the supplier before you test."
        return saved(address("connections.edit", source, **connection_form.carried(supplier, values)), notice)
    return _save_and(source, supplier, values, tests=act != "save")


def _save_and(source: Any, supplier: Any, values: dict[str, Any], tests: bool) -> Response:
    secrets = connection_form.typed_secrets(supplier)
    version, offered = request.form.get("version", ""), connections.find(source).choices
    form = connection_form.build(supplier, values, version, offered)
    try:
        kept = connections.save(source, values, secrets, form.version_read(), g.user.email)
    except Invalid as refused:
        if refused.proposals:
            values |= refused.proposals
            form = connection_form.build(supplier, values, version, offered)
        form.refuse(refused)
        connection_form.ask_again(form, supplier, secrets)
        return _connect_page(source, form, values, 422)
    except Stale as stale:
        fresh = connections.find(source)
        theirs = {key: fresh.settings.get(key) for key in supplier.setting_keys - supplier.secret_keys}
        form.keep(stale, fresh.version, connection_form.as_fields(supplier, theirs))
        connection_form.ask_again(form, supplier, secrets)
        return _connect_page(source, form, values, 409)
    words = " ".join(kept.remarks)
    if supplier.protocol == webhooks.PROTOCOL:
        return saved(address("hooks.show", source), words)
    if tests and oauth.standing(source) == "needed":  # a test could only say so
        return saved(address("signing_in.leave", source), f"Connection saved. {words}".strip())
    if tests:
        return tested(source, words)
    return saved(url_for("sources.show", source_id=source.public_id), f"Connection saved, not tested yet. {words}".strip())


@blueprint.get("/secondary/upload")
@guards.signed_in
def upload_second(source_id: str) -> Response:
    """The form for a file of Get Inventory Secondary."""
    source = source_of_file(source_id, sources.SECONDARY)
    supplier = _uploads(source)
    return _connect_page(source, connection_form.build(supplier, {}, connections.find(source).version), {}, which=sources.SECONDARY)


@blueprint.post("/secondary/upload", defaults={"which": sources.SECONDARY})
@blueprint.post("/connection/file", defaults={"which": sources.PRIMARY})
@guards.signed_in
@guards.takes_files
@guards.once
def upload(source_id: str, which: str) -> Response:
    """Take a stock file. While its integration is set up it is looked at next; afterwards it is synced."""
    source = source_at(source_id, "connection") if which == sources.PRIMARY else source_of_file(source_id, which)
    supplier, sent = _uploads(source), request.files.get("file")
    form = connection_form.build(supplier, {}, connections.find(source).version)
    if sent is None or not sent.filename:
        return _connect_page(source, form.refuse("Choose the stock file first."), {}, 422, which)
    try:
        documents.store_upload(source, sent.stream, sent.filename, origin=documents.UPLOADED[which])
    except SupplierError as error:
        return _connect_page(source, form.refuse(f"{error.problem.headline}. {error.problem.body}"), {}, 422, which)
    if source.state == "draft":
        return tested(source, "")
    integration = file_choice.integration_of(source, which)
    if not integration.enabled and which == sources.SECONDARY:
        return tested(source, "", page="connections.file", which=which)
    run = runs.start_sync(integration, cause="upload", started_by=g.user.email)
    tasks.ring()
    return saved(url_for("runs.show", run_id=run.public_id), "File uploaded. Sync started.")


def _uploads(source: Any) -> Any:
    """The supplier of a source whose files a person uploads. Raises NotFound for any other."""
    supplier = connections.supplier_of(source)
    if supplier.protocol != "upload":
        raise NotFound("upload")
    return supplier


def _with_defaults(supplier: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that were never typed or saved start from the supplier's default."""
    return {one.key: one.default for one in supplier.settings if not one.secret and one.kind != "check"} | dict(values)


def _connect_page(source: Any, form: Any, values: Mapping[str, Any], status: int = 200, which: str = sources.PRIMARY) -> Response:
    supplier, connection = connections.supplier_of(source), connections.find(source)
    page = "connections/upload.html" if supplier.protocol == "upload" else "connections/edit.html"
    fragment = "connections/_upload.html" if supplier.protocol == "upload" else "connections/_form.html"
    return render(
        page, fragment, status, source=source, supplier=supplier, connection=connection, form=form, kept=connections.secrets_of(source),
        values=_with_defaults(supplier, values), latest=documents.latest_upload(source, which), address=address, which=which,
        syncs=source.state != "draft" and (which == sources.PRIMARY or file_choice.integration_of(source, which).enabled),
        integration=file_choice.integration_of(source, which) if which != sources.PRIMARY else None,
        shown=api_looks.requests(supplier, _with_defaults(supplier, values)), has_list=api_looks.has(supplier),
        has_hook=supplier.protocol == webhooks.PROTOCOL and webhooks.exists(source), hints_of=connection_form.hints_of,
        limit=current_app.config["PORTAL"].max_feed_bytes, signs_in=oauth.standing(source),
    )  # fmt: skip


# the checks


@blueprint.get("/connection/checks")
@guards.signed_in
def checks(source_id: str) -> Response:
    """The named checks of the last test; asks again by itself while they run."""
    source = source_at(source_id, "connection")
    connection = connections.find(source)
    run, results = connection_checks.latest(connection), connection_checks.read_back(connection)
    stopped_at = next((one for one in results if one.state in ("failed", "question")), None)
    problem = stopped_at.problem if stopped_at else None
    return render(
        "connections/checks.html", "connections/_checks.html", source=source, supplier=connections.supplier_of(source), run=run,
        running=connection_checks.is_running(run), stuck=connection_checks.is_stuck(run), results=results, stopped_at=stopped_at,
        labels=connection_checks.LABELS, seconds_running=connection_checks.seconds_running, address=address,
        letter=connection_checks.letter(connection) if stopped_at else "", server=connection_parts.host_of(source),
        file_at=address("connections.file", source, which=tested_for(source, connection)),
        places=api_looks.kept(run) if api_looks.has(connections.supplier_of(source)) else [], connection=connection,
        may_continue=setup_steps.may_open(source, "file"), act=act_of(source, problem.act, problem.act_at) if problem else "",
    )  # fmt: skip


@blueprint.post("/connection/checks")
@guards.signed_in
@guards.once
def check_again(source_id: str) -> Response:
    """Test once more, reading the same integration's file."""
    return _tested_again(source_at(source_id, "connection"))


def _tested_again(source: Any) -> Response:
    connection = connections.find(source)
    which, last = tested_for(source, connection), connection_checks.latest(connection)
    choice = last.settings.get("choice") if last is not None and which != sources.PRIMARY else None
    return tested(source, "", choice, which=which)


@blueprint.post("/connection/items")
@guards.signed_in
@guards.once
def choose_items(source_id: str) -> Response:
    """Take a place of the first answer as where the items are, and test again."""
    source = source_at(source_id, "connection")
    try:
        api_looks.choose(source, request.form.get("items", ""), whole_number(request.form.get("version", "")), g.user.email)
    except Invalid as refused:
        raise Refused(next(iter(refused.errors.values()))) from None
    return _tested_again(source)


# who the server is


@blueprint.get("/connection/host-key")
@guards.signed_in
def host_key(source_id: str) -> Response:
    """The key or certificate that the server showed, to compare; an alarm when it is not the trusted one."""
    return _key_page(source_at(source_id, "connection"))


@blueprint.post("/connection/host-key")
@guards.signed_in
@guards.once
def trust(source_id: str) -> Response:
    """Trust the shown key for the first time, and test again."""
    source = source_at(source_id, "connection")
    shown, given = request.form.get("fingerprint", ""), request.form.get("given", "").strip()
    how = "first_use" if request.form.get("how") == "first_use" else "compared"
    if how == "compared" and given and not connections.is_same_key(connections.find(source), given):
        words = "What you entered is not the fingerprint that the server showed. Nothing was sent. Ask the supplier before you go on."
        return _key_page(source, {"given": words}, 422)
    connections.trust_key(source, shown, how, g.user.email)
    return _tested_again(source)


@blueprint.post("/connection/host-key/replacement")
@guards.signed_in
@guards.proved_recently
@guards.once
def replace_key(source_id: str) -> Response:
    """Trust another key than before. Only after a person said that it was compared."""
    source = source_at(source_id, "connection")
    if "compared" not in request.form:
        words = "Compare the new fingerprint with one that the supplier gave you another way, then tick this."
        return _key_page(source, {"compared": words}, 422)
    connections.trust_key(source, request.form.get("fingerprint", ""), "compared", g.user.email, as_owner=True)
    return _tested_again(source)


def _key_page(source: Any, errors: Mapping[str, str] | None = None, status: int = 200) -> Response:
    connection, supplier = connections.find(source), connections.supplier_of(source)
    facts = next((one.facts for one in connection_checks.read_back(connection) if one.name == "identity"), {})
    return render(
        "connections/host_key.html", "connections/_host_key.html", status, source=source, connection=connection, address=address,
        whom=source.name if directory.is_generic(supplier) else supplier.name, trusted_at=connections.trusted_at(connection),
        offered=connection.offered_key, trusted=connection.trusted_key, facts=facts, errors={"given": "", "compared": "", **(errors or {})},
        given=request.form.get("given", ""), server=connection_parts.host_of(source),
        letter=connection_checks.letter(connection) if connection.offered_key else "",
    )  # fmt: skip
