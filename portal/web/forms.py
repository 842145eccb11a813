"""Forms: WTForms classes that take refusals from the domain and never lose what was typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from wtforms import Form, HiddenField
from wtforms.fields import Field

from portal.errors import Invalid, Stale


class LedgerForm(Form):
    """The parent of every form. Read a POST with `read`, show errors of the domain with `refuse`.

    `stale` and `theirs` are set by `keep`: who saved first, and what they saved.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.general: list[str] = []
        self.stale: Stale | None = None
        self.theirs: dict[str, Any] = {}

    @classmethod
    def read(cls, obj: object = None, **values: Any) -> Any:
        """The form of this request: as typed on a POST, else filled from `obj` and `values`."""
        return cls(formdata=request.form if request.method == "POST" else None, obj=obj, **values)

    def refuse(self, error: Invalid | Exception | str) -> LedgerForm:
        """Put the domain's words at their fields; what belongs to none goes to the top."""
        if not isinstance(error, Invalid):
            self.general.append(str(error))
            return self
        for name, text in error.errors.items():
            if name in self._fields:
                field = self._fields[name]
                field.errors = [*field.errors, text]
            else:
                self.general.append(text)
        return self

    def keep(self, error: Stale, version: int, theirs: Mapping[str, Any]) -> LedgerForm:
        """Someone saved first: keep what was typed, show `theirs`, and let the next save use `version`."""
        self.stale, self.theirs = error, {name: value for name, value in theirs.items() if self._differs(name, value)}
        if "version" in self._fields:
            self._fields["version"].raw_data = None
            self._fields["version"].data = str(version)
        return self

    def problems(self) -> list[tuple[str, str]]:
        """(id of the field or "", sentence) of each error, in page order."""
        found = [("", text) for text in self.general]
        for field in self:
            found += [(_first_control(field), str(text)) for text in _flat(field.errors)]
        return found

    def _differs(self, name: str, value: Any) -> bool:
        return name in self._fields and str(self._fields[name].data or "") != str(value or "")


class VersionedForm(LedgerForm):
    """A form of a thing that two people may edit at once: carries the version that was read."""

    version = HiddenField()

    def version_read(self) -> int:
        """The version that the page showed; 0 when it was tampered with, which no row has."""
        text = str(self.version.data or "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _first_control(field: Field) -> str:
    return f"{field.id}-0" if field.type == "RadioField" else str(field.id)


def _flat(errors: Any) -> list[Any]:
    if isinstance(errors, Mapping):
        return [text for value in errors.values() for text in _flat(value)]
    if isinstance(errors, (list, tuple)):
        return [text for value in errors for text in _flat(value)]
    return [errors] if errors else []
