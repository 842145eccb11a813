"""The whole database at one moment, to files and back, while others write.

SQLite: its own online copy, which holds one reading transaction and locks nobody out. Postgres: COPY of every table in one
REPEATABLE READ transaction, so that no client program of its version is needed; the schema comes from our own migrations.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from playhouse.migrations import Runner
from psycopg import sql

from portal import migrations
from portal.errors import Refused
from portal.models import connect, database
from portal.models.database import is_postgres

SQLITE, POSTGRES = "sqlite", "postgres"
FILE, FOLDER = "database.sqlite", "tables"
BLOCK = 1 << 20
_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relpersistence = 'p' AND c.relname NOT LIKE 'huey%' ORDER BY 1
"""  # unlogged tables hold what a run would read again, and the doorbell's hold nothing
_COLUMNS = """
    SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL ORDER BY 1"
_LINKS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY 1, 2
"""
NOT_LOADED = ("schema_migration",)


def take(url: str, into: Path) -> dict[str, Any]:
    """Write the database at `url` below `into`; {"database", "tables": {name: rows}, "sequences", "migrations"} as of one moment."""
    return _take_sqlite(url, into) if url.startswith("sqlite:") else _take_postgres(url, into)


def stored_names(told: dict[str, Any], folder: Path) -> Iterator[tuple[str, str, str]]:
    """(name in the raw files, sha256, public id) of each document that the snapshot says is kept."""
    if told["database"] == SQLITE:
        with closing(sqlite3.connect(folder / FILE)) as copy:
            yield from copy.execute("SELECT stored_name, sha256, public_id FROM document WHERE stored_name IS NOT NULL ORDER BY id")
        return
    yield from told.pop("documents")


def load(url: str, folder: Path, told: dict[str, Any], at_once: Sequence[str] = ()) -> None:
    """Put the snapshot into the empty database at `url`, and bring it up to this version. Raises Refused where it is not empty or newer.

    `at_once`: statements that are done before anybody else can see a row.
    """
    refuse_unfit(url, told)
    if told["database"] == SQLITE:
        _load_sqlite(Path(url.removeprefix("sqlite:///")), folder, at_once)
        connect(url)
    else:
        connect(url)
        with migrations.alone():
            _schema_of(told)
        _load_postgres(url, folder, told, at_once)
    with migrations.alone():
        migrations.apply()


def counted(names: Sequence[str]) -> dict[str, int]:
    """Rows of each of these tables of the connected database."""
    return {name: int(database.execute_sql(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}  # noqa: S608 - our own names


def integrity() -> list[str]:
    """What is wrong with the connected database, in its own words. Postgres proves its links when they are made again on loading."""
    if is_postgres():
        return []
    found = [row[0] for row in database.execute_sql("PRAGMA integrity_check").fetchall()]
    broken = database.execute_sql("PRAGMA foreign_key_check").fetchall()
    return [line for line in found if line != "ok"] + [f"{table}, row {row}: its {parent} is missing" for table, row, parent, _ in broken]


def _take_sqlite(url: str, into: Path) -> dict[str, Any]:
    place = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(place, timeout=30)) as source, closing(sqlite3.connect(into / FILE)) as copy:
        source.backup(copy)  # all pages in one reading transaction: in steps it would begin anew at each write
        copy.execute("PRAGMA journal_mode = delete")
        names = [
            row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
        ]
        shadow = ("_data", "_idx", "_content", "_docsize", "_config")  # FTS5's own; their parent is counted
        kept = [name for name in sorted(names) if not name.endswith(shadow)]
        rows = {name: copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in kept}  # noqa: S608 - their own names
        done = [row[0] for row in copy.execute("SELECT name FROM schema_migration ORDER BY 1")]
    return {"database": SQLITE, "tables": rows, "sequences": {}, "migrations": done}


def _take_postgres(url: str, into: Path) -> dict[str, Any]:
    (into / FOLDER).mkdir(mode=0o700)
    with psycopg.connect(url) as line, line.cursor() as ask:
        ask.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        names = [row[0] for row in ask.execute(_TABLES).fetchall()]
        rows = {name: _copy_out(line, name, into / FOLDER / f"{name}.copy.gz") for name in names}
        sequences: dict[str, int] = dict(ask.execute(_SEQUENCES).fetchall())
        done = [row[0] for row in ask.execute("SELECT name FROM schema_migration ORDER BY 1").fetchall()]
        kept = ask.execute("SELECT stored_name, sha256, public_id FROM document WHERE stored_name IS NOT NULL ORDER BY id").fetchall()
    return {"database": POSTGRES, "tables": rows, "sequences": sequences, "migrations": done, "documents": kept}


def _copy_out(line: Any, name: str, place: Path) -> int:
    with line.cursor() as ask, gzip.open(place, "wb", compresslevel=1) as file:
        columns = [row[0] for row in ask.execute(_COLUMNS, (f'"{name}"',)).fetchall()]
        file.write((",".join(columns) + "\n").encode())
        query = sql.SQL("COPY {} ({}) TO STDOUT").format(sql.Identifier(name), sql.SQL(",").join(map(sql.Identifier, columns)))
        with ask.copy(query) as copy:
            for block in copy:
                file.write(block)
        return int(ask.rowcount)


def refuse_unfit(url: str, told: dict[str, Any]) -> None:
    """Raise Refused where `url` is of another kind, not empty, or the snapshot is of a newer version."""
    wanted = POSTGRES if told["database"] == POSTGRES else SQLITE
    if url.startswith("sqlite:") != (wanted == SQLITE):
        raise Refused(f"This backup is of {wanted.capitalize()}. DATABASE_URL must name one of that kind.")
    known = {path.stem for path in migrations.FOLDER.glob("[0-9]*.py")}
    if newer := sorted(set(told["migrations"]) - known):
        raise Refused(f"This backup was made by a newer version, which has {newer[-1]}. Restore it with that version.")
    if wanted == SQLITE:
        if Path(url.removeprefix("sqlite:///")).exists():
            raise Refused(f"{url.removeprefix('sqlite:///')} is there already. Nothing was restored over it. Move it away first.")
        return
    with psycopg.connect(url) as line:
        there = [row[0] for row in line.execute(_TABLES).fetchall()]
    if there:
        raise Refused(f"The database holds {len(there)} tables already. Nothing was restored over them. Give an empty one.")


def _schema_of(told: dict[str, Any]) -> None:
    Runner(database.obj, str(migrations.FOLDER)).up(max(told["migrations"]))


@contextmanager
def _without_links(line: Any, names: Sequence[str]) -> Iterator[None]:
    """No foreign key and no trigger of ours while rows come in any order; making the links again proves them."""
    links = line.execute(_LINKS).fetchall()
    for table, name, _ in links:
        line.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for name in names:
        line.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(name)))
    yield
    for name in names:
        line.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(name)))
    for table, name, definition in links:
        line.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


def _load_sqlite(place: Path, folder: Path, at_once: Sequence[str]) -> None:
    part = place.with_name(f"{place.name}.part")
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part.unlink(missing_ok=True)  # of a restore that was killed
    with closing(sqlite3.connect(folder / FILE)) as copy, closing(sqlite3.connect(part)) as target:
        copy.backup(target)
        with target:
            for statement in at_once:
                target.execute(statement)
    part.chmod(0o600)
    part.rename(place)


def _load_postgres(url: str, folder: Path, told: dict[str, Any], at_once: Sequence[str]) -> None:
    names = [name for name in told["tables"] if name not in NOT_LOADED]
    with psycopg.connect(url) as line:
        line.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(",").join(map(sql.Identifier, names))))
        with _without_links(line, names):
            for name in names:
                _copy_in(line, name, folder / FOLDER / f"{name}.copy.gz")
        for name, value in told["sequences"].items():
            line.execute(
                "SELECT setval(to_regclass(quote_ident(%s)), %s) WHERE to_regclass(quote_ident(%s)) IS NOT NULL", (name, value, name)
            )
        for statement in at_once:
            line.execute(statement.encode())
    with psycopg.connect(url, autocommit=True) as line:
        line.execute("ANALYZE")


def _copy_in(line: Any, name: str, place: Path) -> None:
    with gzip.open(place, "rb") as file, line.cursor() as ask:
        columns = file.readline().decode().rstrip("\n").split(",")
        query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(name), sql.SQL(",").join(map(sql.Identifier, columns)))
        with ask.copy(query) as copy:
            while block := file.read(BLOCK):
                copy.write(block)
