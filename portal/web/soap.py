"""A SOAP service's two pages beside its connect form: the files of the WSDL, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g
from htmx_flask import request
from wtforms import Field, HiddenField, RadioField, SelectField, StringField, TextAreaField

from portal import connections, service_calls, service_descriptions
from portal.errors import Invalid, Stale, SupplierError
from portal.web import guards
from portal.web.connecting import address, source_at, tested
from portal.web.forms import LedgerForm, VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("soap", __name__, url_prefix="/sources/<source_id>/connection")

OTHER = "other"
MOST_LISTS = 30
LONGEST = 5_000_000


# the WSDL's files


@blueprint.get("/wsdl")
@guards.signed_in
def wsdl(source_id: str) -> Response:
    """Which WSDL is kept, and a form to upload another one or schemas that it lacks."""
    return _wsdl_page(source_at(source_id, "connection"), LedgerForm())


@blueprint.post("/wsdl")
@guards.signed_in
@guards.takes_files
@guards.once
def upload_wsdl(source_id: str) -> Response:
    """Take the files and test the connection, which reads them."""
    source = source_at(source_id, "connection")
    service_descriptions.find(source)
    sent = [one for one in request.files.getlist("files") if one.filename]
    if not sent:
        return _wsdl_page(source, LedgerForm().refuse("Choose the files first: the WSDL with its schemas, or a zip of them."), 422)
    try:
        service_descriptions.upload(source, _read(sent), g.user.email)
    except SupplierError as error:
        return _wsdl_page(source, LedgerForm().refuse(f"{error.problem.headline}. {error.problem.body}"), 422)
    return tested(source, "Files uploaded. Reading the WSDL.")


def _read(sent: list[Any]) -> list[tuple[str, bytes]]:
    """The files of the form, up to what a WSDL may have in all and a byte, which is then refused."""
    found, left = [], service_descriptions.LONGEST_ALL + 1
    for one in sent:
        content = one.stream.read(left)
        left -= len(content)
        found.append((str(one.filename), content))
    return found


def _wsdl_page(source: Any, form: Any, status: int = 200) -> Response:
    row, settings = service_descriptions.find(source), connections.find(source).settings
    return render(
        "soap/wsdl.html", "soap/_wsdl.html", status, source=source, supplier=connections.supplier_of(source), form=form, row=row,
        files=service_descriptions.kept_files(row), by_address=settings.get("wsdl_from") == "address", wsdl=settings.get("wsdl", ""),
        address=address, operations=service_descriptions.operations(row), own=service_descriptions.own_operations(source),
    )  # fmt: skip


# what is asked


@blueprint.get("/operation")
@guards.signed_in
def operation(source_id: str) -> Response:
    """The operation, its arguments, where the items stand, and for which products. `operation` in the query shows another one's."""
    source = source_at(source_id, "connection")
    row = service_descriptions.find(source)
    kept = row.call.get("operation", "")
    wanted = request.args.get("operation") or kept
    call = row.call if wanted == kept else {"products": row.call.get("products", [])}
    return _page(source, row, _form(source, row, wanted, call), wanted)


@blueprint.post("/operation")
@guards.signed_in
@guards.takes_files
@guards.once
def save(source_id: str) -> Response:
    """Save and test; or show the fields of another operation first."""
    source = source_at(source_id, "connection")
    row, wanted = service_descriptions.find(source), request.form.get("operation", "")
    if request.form.get("act") == "fields":
        return saved(address("soap.operation", source, operation=wanted), "")
    form = _form(source, row, wanted, {}, sent=True)
    try:
        typed = _typed(form)
        form["products"].data = "\n".join(typed["products"])  # also those of a file, which a page cannot keep
        service_calls.save(source, typed, form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(source, row, _refused(form, refused), wanted, 422)
    except Stale as stale:
        fresh = service_descriptions.find(source)
        return _page(source, fresh, form.keep(stale, fresh.version, {}), wanted, 409)
    return tested(source, "Saved. Calling the service.")


def _form(source: Any, row: Any, wanted: str, call: Mapping[str, Any], sent: bool = False) -> Any:
    """A form with fields for the arguments of the wanted operation: numbered, as the schema orders them."""
    supplier, known = connections.supplier_of(source), service_descriptions.operations(row)
    chosen = service_descriptions.operation_of(row, service_calls.fixed(supplier).get("wsdl_operation") or wanted)
    ports = {one["name"] for one in known if sum(other["name"] == one["name"] for other in known) > 1}
    names = {one["key"]: f"{one['name']} (SOAP {one['version']}, {one['port']})" if one["name"] in ports else one["name"] for one in known}
    fields: dict[str, Any] = {
        "operation": SelectField("Operation", choices={"": "Choose one", **names}, validate_choice=False),
        "products": TextAreaField("Product ids"),
        "products_operation": SelectField("They come from", choices={"": "The ids that are entered here", **names}, validate_choice=False),
        "products_arguments": TextAreaField("Arguments of that operation"),
        "products_path": StringField("Where the ids stand in its answer"),
        "items_list": RadioField("An item is each", choices=_lists(chosen), validate_choice=False),
        "items": StringField("Path to the items"),
        "errors_at": StringField("Where an error stands"),
        "errors_good": StringField("Texts there that are no error"),
    }
    for number, one in enumerate(_arguments(supplier, chosen)):
        fields[f"from-{number}"] = SelectField("Comes from", choices=_choices(supplier), validate_choice=False)
        fields[f"value-{number}"] = _value_field(one)
        fields[f"path-{number}"] = HiddenField(default=one["path"])
    made = type("OperationForm", (VersionedForm,), fields)
    if sent:
        return made(request.form)
    placed = call.get("arguments") if call.get("operation") == (chosen or {}).get("key") else None
    if placed is None and chosen:
        placed = service_calls.proposed(chosen, connections.find(source).settings)
    shown = _shown(supplier, chosen, placed or {}, call)
    return made(data={**shown, "operation": chosen["key"] if chosen else "", "version": str(row.version)})


def _shown(supplier: Any, chosen: Mapping[str, Any] | None, placed: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    items, lists = str(call.get("items") or ""), [one["path"] for one in (chosen or {}).get("lists", [])]
    usual = lists[0] if lists else ""
    found = {
        "products": "\n".join(call.get("products", [])), "errors_at": call.get("errors_at", ""), "errors_good": call.get("errors_good", ""),
        "items_list": usual if "operation" not in call else items if items in lists or not items else OTHER,
        "items": "" if items in lists else items, "products_operation": call.get("products_operation", ""),
        "products_path": call.get("products_path", ""), "products_arguments": service_calls.lines_of(call.get("products_arguments", {})),
    }  # fmt: skip
    for number, one in enumerate(_arguments(supplier, chosen)):
        given = placed.get(one["path"], {})
        found[f"from-{number}"] = given.get("from") or "value"
        found[f"value-{number}"] = "\n".join(given.get("lines", []))
    return found


def _typed(form: Any) -> dict[str, Any]:
    arguments = {}
    for name in [name for name in form._fields if name.startswith("path-")]:
        number = name.removeprefix("path-")
        source, text = form[f"from-{number}"].data or "value", str(form[f"value-{number}"].data or "")
        arguments[str(form[name].default)] = {"from": source, "lines": [line.rstrip("\r") for line in text.split("\n")]}
    chosen = str(form["items_list"].data or "")
    return {
        "operation": form["operation"].data, "arguments": arguments, "products": _products(form),
        "items": form["items"].data if chosen == OTHER else chosen, "errors_at": form["errors_at"].data,
        "errors_good": form["errors_good"].data,
        **{name: form[name].data for name in ("products_operation", "products_arguments", "products_path")},
    }  # fmt: skip


def _products(form: Any) -> list[str]:
    file = request.files.get("products_file")
    if file is not None and file.filename:
        return service_calls.products_of(file.stream.read(LONGEST))
    return service_calls.products_in(str(form["products"].data or ""))


def _refused(form: Any, refused: Invalid) -> Any:
    """The domain's words at the fields: arguments are refused by their paths."""
    numbers = {str(form[name].default): name.removeprefix("path-") for name in form._fields if name.startswith("path-")}
    return form.refuse(Invalid({f"value-{numbers[key]}" if key in numbers else key: words for key, words in refused.errors.items()}))


def _page(source: Any, row: Any, form: Any, wanted: str, status: int = 200) -> Response:
    supplier = connections.supplier_of(source)
    chosen = service_descriptions.operation_of(row, service_calls.fixed(supplier).get("wsdl_operation") or wanted)
    fixed = service_calls.fixed_arguments(supplier)
    return render(
        "soap/operation.html", "soap/_operation.html", status, source=source, supplier=supplier, row=row, form=form, chosen=chosen,
        arguments=list(enumerate(_arguments(supplier, chosen))), fixed=service_calls.fixed(supplier), placed=fixed, address=address,
        known=service_descriptions.operations(row), hints=_list_hints(chosen), other=OTHER, settings=connections.find(source).settings,
        each="product" in {one["from"] for one in fixed.values()} or any(form[f"from-{n}"].data == "product" for n in _numbers(form)),
        many=len(service_calls.products_in(str(form["products"].data or ""))), most=service_calls.MOST_PRODUCTS,
    )  # fmt: skip


def _numbers(form: Any) -> list[str]:
    return [name.removeprefix("from-") for name in form._fields if name.startswith("from-")]


def _arguments(supplier: Any, chosen: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Those that a person fills in: not the ones that the supplier's own file places."""
    fixed = service_calls.fixed_arguments(supplier)
    return [one for one in (chosen or {}).get("arguments", []) if one["path"] not in fixed]


def _choices(supplier: Any) -> dict[str, str]:
    known = {"value", "product", *(name for name in ("user", "password", "key") if name in supplier.setting_keys)}
    return {name: words for name, words in service_calls.SOURCES.items() if name in known}


def _value_field(one: Mapping[str, Any]) -> Field:
    words = [one["words"].rstrip(".")] if one["words"] else []
    words += ["One of several: fill in one of them"] if one["choice"] else []
    words += ["One a line"] if one["repeated"] else []
    words += [f"One of {', '.join(one['options'][:20])}"] if one["repeated"] and one["options"] else []
    hint = ". ".join(words)
    if one["repeated"]:
        return TextAreaField(one["path"], description=hint)
    if one["options"]:
        choices = {"": "Choose one" if one["required"] else "Leave it out", **{text: text for text in one["options"]}}
        return SelectField(one["path"], choices=choices, description=hint, validate_choice=False)
    return StringField(one["path"], description=hint)


def _lists(chosen: Mapping[str, Any] | None) -> dict[str, str]:
    known = {one["path"]: one["path"] for one in (chosen or {}).get("lists", [])[:MOST_LISTS]}
    return {**known, "": "The whole answer is one item", OTHER: "Another place"}


def _list_hints(chosen: Mapping[str, Any] | None) -> dict[str, str]:
    found = {}
    for one in (chosen or {}).get("lists", [])[:MOST_LISTS]:
        shown = one["columns"][:8]
        found[one["path"]] = "With " + ", ".join(shown) + (" and more" if len(one["columns"]) > 8 else "") if shown else "A plain text each"
    return found
