"""Orders from a file: upload, which column holds what, what it would do, and what it did."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

import tasks
from portal.errors import Invalid, NotFound, Refused, SupplierError
from portal.orders import columns, files
from portal.web import guards
from portal.web.render import download, render, saved
from portal.web.typed import TypedErrors

blueprint = Blueprint("order_files", __name__)

SHOWN = 20


@blueprint.get("/orders/from-file")
@guards.signed_in
def ask() -> Response:
    """The form for the file."""
    return _ask_page(TypedErrors())


@blueprint.post("/orders/from-file")
@guards.signed_in
@guards.takes_files
@guards.once
def upload() -> Response:
    """Keep the file and go on to its columns."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _ask_page(TypedErrors([("file", "Choose the file first.")]), 422)
    try:
        file = files.begin(g.merchant, sent.stream, sent.filename, g.user.email)
    except SupplierError as error:
        return _ask_page(TypedErrors([("file", f"{error.problem.headline}. {error.problem.body}")]), 422)
    return saved(url_for("order_files.show", order_file_id=file.public_id), "")


@blueprint.get("/orders/from-file/<order_file_id>")
@guards.signed_in
def show(order_file_id: str) -> Response:
    """Its columns and what it would do; once it was taken in, what it did."""
    file = files.find(g.merchant, order_file_id)
    if file.state == "taken":
        return render("orders/file_taken.html", file=file, shown=file.bad[:SHOWN])
    return _mapping_page(file, {})


@blueprint.post("/orders/from-file/<order_file_id>")
@guards.signed_in
@guards.once
def save(order_file_id: str) -> Response:
    """Keep the columns; with the main button also take the orders in."""
    file = files.find(g.merchant, order_file_id)
    try:
        if file.state == "read":
            typed = {key: request.form.get(key, "") for key in columns.BY_KEY}
            file = files.save_rules(file, typed)
        if "take" in request.form:
            file = files.take(file, g.user.email)
            tasks.ring_if_it_works()
    except Invalid as error:
        return _mapping_page(file, error.errors, typed, 422)
    except SupplierError as error:
        raise Refused(f"{error.problem.headline}. {error.problem.body}") from error
    return saved(url_for("order_files.show", order_file_id=file.public_id), "" if file.state == "read" else "Orders taken in.")


@blueprint.get("/orders/from-file/<order_file_id>/rows.csv")
@guards.signed_in
def rows(order_file_id: str) -> Response:
    """The rows that were not taken, with reasons."""
    file = files.find(g.merchant, order_file_id)
    if not file.bad:
        raise NotFound("rows")
    return download(files.bad_csv(file).encode("utf-8-sig"), "orders-not-taken.csv")


def _ask_page(errors: TypedErrors, status: int = 200) -> Response:
    return render("orders/from_file.html", status=status, errors=errors, needed=[columns.BY_KEY[key].label for key in columns.NEEDED],
                  most=files.MOST_ROWS)  # fmt: skip


def _mapping_page(file: Any, errors: dict[str, str], typed: dict[str, str] | None = None, status: int = 200) -> Response:
    try:
        matches = files.matches(file)
        missing = [key for key in columns.NEEDED if key not in file.rules]
        seen = files.look(file) if not errors and not missing else None
    except SupplierError as error:
        raise Refused(f"{error.problem.headline}. {error.problem.body}") from error
    return render(
        "orders/file_columns.html", status=status, file=file, matches=matches, seen=seen, errors=TypedErrors(list(errors.items())),
        at_fields=errors, typed=typed or {}, shown=SHOWN,
    )  # fmt: skip
