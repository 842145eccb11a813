"""Which rows of which table are a merchant's: one answer for taking them along, for erasing them, and for the tests of both."""

from __future__ import annotations

from functools import cache
from typing import Any

from peewee import CompositeKey, ForeignKeyField

from portal.models import TABLES, FreshRow, Merchant, Run, Source, Table, User

NOT_OF_MERCHANTS = frozenset(
    {"sign_in_attempt", "running_process", "scheduler_lease", "operator_note", "billing_plan", "billing_settings", "staff_person",
     "staff_session", "staff_form_token", "supplier_outage"}
)  # fmt: skip
"""Tables of the whole installation."""


@cache
def way(table: type[Table]) -> Any:
    """The field of `table` that leads to its merchant: at best its own, else that of a row that has one. None: of no merchant."""
    if table is FreshRow:
        return FreshRow.run_id
    fields = [one for one in table._meta.sorted_fields if isinstance(one, ForeignKeyField) and one.rel_model is not table]
    fields = [one for one in fields if one.rel_model is Merchant or _reaches(one.rel_model)]
    return min(fields, key=_distance, default=None)


def tables() -> list[type[Table]]:
    """Every table that holds rows of merchants, the merchant's own first."""
    return [table for table in TABLES if table is Merchant or way(table) is not None]


def rows(table: type[Table], merchant_id: int) -> Any:
    """The condition for the rows of `table` that are the merchant's."""
    if table is Merchant:
        return Merchant.id == merchant_id
    field = way(table)
    parent = Run if table is FreshRow else field.rel_model
    key = parent._meta.primary_key
    own = field == merchant_id if parent is Merchant else field << parent.select(key).where(rows(parent, merchant_id))
    if field.null:  # a link for a person may lead there by that person alone
        for other in table._meta.sorted_fields:
            if isinstance(other, ForeignKeyField) and other.rel_model is User:
                own |= other << User.select(User.id).where(User.merchant == merchant_id)
    return own


def key_of(table: type[Table]) -> list[Any]:
    """The fields of its primary key."""
    key = table._meta.primary_key
    return [table._meta.fields[name] for name in key.field_names] if isinstance(key, CompositeKey) else [key]


def _reaches(table: type[Table]) -> bool:
    return table is Merchant or way(table) is not None


def _distance(field: Any) -> tuple[bool, int]:
    """A way that is always there comes before one that may be empty, and the shorter one first."""
    near = 0 if field.rel_model is Merchant else 1 if field.rel_model in (Source, User, Run) else 2
    return bool(field.null) and field.rel_model is not Merchant, near
