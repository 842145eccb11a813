"""The connect form, drawn from a supplier's settings. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from wtforms import BooleanField, Field, PasswordField, RadioField, SelectMultipleField, StringField, TextAreaField

from portal import connection_values
from portal.suppliers import Setting, Supplier
from portal.web.forms import VersionedForm


def build(supplier: Supplier, values: Mapping[str, Any], version: int | str, offered: Mapping[str, Any] | None = None) -> Any:
    """A form with the fields that belong to the choices in `values`, filled in with `values`.

    `offered`: setting key -> [{"value", "label"}] that the server has to choose from, for settings of kind "picks".
    """
    fields = {one.key: _field(one, values, offered or {}) for one in supplier.settings if one.applies(values) and one.kind != "key_pair"}
    shown = {key: value for key, value in values.items() if key in fields and key not in supplier.secret_keys}
    return type("ConnectionForm", (VersionedForm,), fields)(data={**as_fields(supplier, shown), "version": str(version)})


def as_fields(supplier: Supplier, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as the form's fields hold them: what was picked is a list."""
    picks = {one.key for one in supplier.settings if one.kind == "picks"}
    return {key: str(value or "").split() if key in picks else value for key, value in values.items()}


def typed(supplier: Supplier) -> dict[str, Any]:
    """The open values of this request, by setting key: a POST's form, or a GET that carries what was typed so far."""
    sent = request.form if request.method == "POST" else request.args
    values: dict[str, Any] = {}
    for one in supplier.settings:
        if one.kind == "check":
            values[one.key] = one.key in sent
        elif one.kind == "picks" and one.key in sent:
            values[one.key] = " ".join(sent.getlist(one.key))
        elif not one.secret and one.key in sent:
            values[one.key] = sent[one.key]
    return values


def typed_secrets(supplier: Supplier) -> dict[str, str]:
    """The credentials typed in this POST, by setting key."""
    return {one.key: request.form.get(one.key, "") for one in supplier.settings if one.secret}


def carried(supplier: Supplier, values: Mapping[str, Any]) -> dict[str, str]:
    """`values` as a query for the same page: open values only, a tick as "1"."""
    open_keys = [one for one in supplier.settings if not one.secret]
    query = {one.key: str(values[one.key]) for one in open_keys if one.kind != "check" and one.key in values}
    return query | {one.key: "1" for one in open_keys if one.kind == "check" and values.get(one.key)} | {"typed": "1"}


def with_usual_port(supplier: Supplier, values: Mapping[str, Any]) -> dict[str, Any]:
    """Where another encryption was chosen and the port is still a usual one, the one that is usual for it."""
    usual = connection_values.USUAL_PORTS
    fits = "security" in supplier.setting_keys and str(values.get("port", "")) in {*usual.values(), ""}
    return {**values, "port": usual.get(str(values.get("security")), "21")} if fits else dict(values)


def hints_of(setting: Setting) -> dict[str, str]:
    """A line of help for each option that has one."""
    return {option.value: option.hint for option in setting.options if option.hint}


def ask_again(form: Any, supplier: Supplier, secrets: Mapping[str, str]) -> None:
    """Say at each credential that was typed that it must be typed again: pages never repeat one."""
    for key, text in secrets.items():
        if text and key in form and not form[key].errors:
            form[key].errors = [f"Type the {supplier.setting(key).in_words} again. For safety this page does not repeat it."]


def _field(one: Setting, values: Mapping[str, Any], offered: Mapping[str, Any]) -> Any:
    if one.kind == "picks":
        choices = {choice["value"]: choice["label"] for choice in offered.get(one.key, ())}
        gone = {value: f"Not there any more: {value}" for value in str(values.get(one.key) or "").split() if value not in choices}
        return SelectMultipleField(one.label, choices=choices | gone, description=one.hint)
    if one.kind == "choice":
        return RadioField(one.label, choices={option.value: option.label for option in one.options}, description=one.hint)
    kinds: dict[str, type[Field]] = {"check": BooleanField, "password": PasswordField, "textarea": TextAreaField}
    return kinds.get(one.kind, StringField)(one.label, description=one.hint)
