"""Rows by the thousand, past the ORM: one SQL text for both databases, executemany on SQLite and COPY on Postgres."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from peewee import __exception_wrapper__  # type: ignore[attr-defined]

from portal.models.database import database, is_postgres

PAUSE_SECONDS = 0.005  # SQLite gives the write lock to whoever asks first, and a waiting writer asks each 1 to 4 ms (see `database`)


def run(sql: str, params: Sequence[Any] = ()) -> Any:
    """Execute SQL whose parameters are written as `?`; the cursor."""
    return database.execute_sql(sql.replace("?", "%s") if is_postgres() else sql, tuple(params))


def one(sql: str, params: Sequence[Any] = ()) -> tuple[Any, ...]:
    """The first row of a query that always has one."""
    row: tuple[Any, ...] = run(sql, params).fetchone()
    return row


def insert(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Add the rows, in the transaction that is open. Values are as the database keeps them."""
    names = ", ".join(f'"{column}"' for column in columns)
    with __exception_wrapper__:  # a driver's error becomes peewee's, as everywhere else
        if is_postgres():
            with database.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * len(columns))
            database.connection().executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def copy(table: str, columns: Sequence[str], lines: bytes) -> None:
    """Postgres: add rows in the transaction that is open. A line each, values parted by U+001F, an empty one NULL, escapes as in COPY."""
    names = ", ".join(f'"{column}"' for column in columns)
    with __exception_wrapper__, database.cursor() as cursor:
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN (DELIMITER E'\\x1f', NULL '')") as out:
            out.write(lines)


def run_many(sql: str, rows: Iterable[Sequence[Any]]) -> None:
    """Execute SQL once for each row of parameters, in the transaction that is open."""
    with __exception_wrapper__:
        if is_postgres():
            with database.cursor() as cursor:
                cursor.executemany(sql.replace("?", "%s"), rows)
        else:
            database.connection().executemany(sql, rows)


def pause() -> None:
    """Between two chunks: let another writer in."""
    if not is_postgres():
        time.sleep(PAUSE_SECONDS)


def others_wait() -> bool:
    """Whether another writer is kept waiting by the open transaction; always so on Postgres, where a short one is as quick."""
    return is_postgres() or database.obj.others_wait()


def analyze(*tables: str) -> None:
    """Tell Postgres how many rows there are now; its plans for them depend on it."""
    if is_postgres():
        for table in tables:
            database.execute_sql(f"ANALYZE {table}")


def any_of() -> str:
    """SQL after an integer expression: it is one of the values of a parameter made by `as_list`."""
    return "= ANY(?)" if is_postgres() else "IN (SELECT value FROM json_each(?))"


def as_list(values: Iterable[int]) -> Any:
    """Integers as one parameter."""
    return list(values) if is_postgres() else json.dumps(list(values))


def differs(left: str, right: str) -> str:
    """SQL: whether two values differ, an absent one being a value too."""
    return f"{left} IS DISTINCT FROM {right}" if is_postgres() else f"{left} IS NOT {right}"


def as_json(value: str) -> str:
    """SQL: a value as JSON text."""
    return f"coalesce(to_json({value})::text, 'null')" if is_postgres() else f"json_quote({value})"


def text(value: str, kind: str = "text") -> str:
    """SQL: a text as a literal, whatever is in it. `kind`: what Postgres is to take it for."""
    digits = value.encode().hex()
    return f"convert_from('\\x{digits}'::bytea, 'UTF8')::{kind}" if is_postgres() else f"CAST(X'{digits}' AS TEXT)"


def moment(value: str) -> str:
    """SQL: a time as the journal writes it, which is how SQLite keeps it."""
    return f"replace(to_char({value}, 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')" if is_postgres() else value


def random_id() -> str:
    """SQL: a public id of 32 letters and digits, 74 random bits after the time: ids made together lie together in their index."""
    made = f"{time.time_ns() // 1_000_000:012x}"
    return f"'{made}' || " + ("left(replace(gen_random_uuid()::text, '-', ''), 20)" if is_postgres() else "lower(hex(randomblob(10)))")


def json_object(pairs: Sequence[tuple[str, str, str]]) -> str:
    """SQL: a canonical JSON object from (key, value, condition); a key is there when its condition holds."""
    if not pairs:
        return "'{}'"
    parts = [f"""CASE WHEN {when} THEN ',"{key}":' || {as_json(value)} ELSE '' END""" for key, value, when in sorted(pairs)]
    return f"'{{' || substr({' || '.join(parts)}, 2) || '}}'"
