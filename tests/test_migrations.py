"""Migrations and models say the same, and processes that start together do not meet in the middle."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portal import migrations
from portal.models import TABLES, connect, database
from portal.models.database import is_postgres
from tests.databases import close_database

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, databases: Any, tmp_path: Path) -> Any:
    """empty(name) -> address of a database without tables."""
    if request.config.getoption("--database") not in (request.param, "both"):
        pytest.skip("another database was asked for")

    def make(name: str) -> str:
        return f"sqlite:///{tmp_path / name}.db" if request.param == "sqlite" else databases.empty_postgres(name)

    yield make
    close_database()


def shape(url: str) -> dict[str, Any]:
    """Columns, indexes and foreign keys of every table at `url`, in comparable form."""
    connect(url)
    with database.connection_context():
        found = {table._meta.table_name: _postgres_shape(table) if is_postgres() else _sqlite_shape(table) for table in TABLES}
    close_database()
    return found


def _rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in database.execute_sql(sql, values or None)]


def _sqlite_shape(table: Any) -> dict[str, Any]:
    name = table._meta.table_name
    indexes = []
    for _, index, unique, _, partial in _rows(f'PRAGMA index_list("{name}")'):
        columns = tuple(row[2] for row in _rows(f'PRAGMA index_info("{index}")'))
        where = _rows("SELECT sql FROM sqlite_master WHERE name = ?", index)[0][0] if partial else ""
        indexes.append((columns, unique, re.sub(r".*WHERE", "", where)))
    return {
        "columns": sorted(row[1:4] + row[5:6] for row in _rows(f'PRAGMA table_info("{name}")')),
        "indexes": sorted(indexes),
        "references": sorted(row[2:7] for row in _rows(f'PRAGMA foreign_key_list("{name}")')),
    }


def _postgres_shape(table: Any) -> dict[str, Any]:
    name = table._meta.table_name
    columns = "SELECT column_name, data_type, character_maximum_length, is_nullable, column_default FROM information_schema.columns"
    indexes = _rows("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = %s", name)
    keys = "SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE conrelid = %s::regclass"
    return {
        "columns": sorted(map(str, _rows(f"{columns} WHERE table_schema = 'public' AND table_name = %s", name))),
        "indexes": sorted(re.sub(r"INDEX \S+ ON", "INDEX ON", row[0]) for row in indexes),
        "references": sorted(row[0] for row in _rows(keys, f'"{name}"')),
    }


def test_models_and_migrations_agree(empty):
    migrated, modelled = empty("migrated"), empty("modelled")
    connect(migrated)
    with migrations.alone():
        assert migrations.apply()[0] == "0001_initial"
    close_database()
    connect(modelled)
    with database.connection_context():
        database.create_tables(TABLES)
    close_database()
    one, other = shape(migrated), shape(modelled)
    for name in other:
        assert one[name] == other[name], f"{name}: write a migration"


def test_a_second_start_has_nothing_to_do(empty):
    connect(empty("twice"))
    with migrations.alone():
        assert migrations.pending()
        migrations.apply()
        assert migrations.apply() == [] and migrations.pending() == []


def test_four_processes_that_start_together_migrate_once(empty, tmp_path):
    url = empty("together")
    code = (
        "import sys; from portal import migrations; from portal.models import connect\n"
        "connect(sys.argv[1])\nwith migrations.alone(): print(len(migrations.apply()))"
    )
    command = [sys.executable, "-c", code, url]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 4, outputs
    assert sorted(output.strip() for output, _ in outputs)[:3] == ["0"] * 3


def test_every_script_has_a_number_of_its_own():
    numbers = [path.name[:4] for path in sorted(migrations.FOLDER.glob("[0-9]*.py"))]
    assert numbers == sorted(set(numbers)) and all(number.isdecimal() for number in numbers)


@pytest.mark.parametrize("rare", ["missing_since", "archived_at"])
def test_sqlite_finds_rare_items_by_their_own_index_also_after_a_script_built_their_table_anew(tmp_path, rare):
    """Without statistics SQLite takes, of indexes that look equal to it, the one that was made last."""
    connect(f"sqlite:///{tmp_path}/planned.db")
    with migrations.alone():
        migrations.apply()
    with database.connection_context():
        for question in (f"i.source_id IN (SELECT value FROM json_each('[1, 2]')) AND i.{rare} IS NOT NULL LIMIT 9",
                         f"i.source_id = 1 AND i.{rare} IS NOT NULL"):  # fmt: skip
            plan = " ".join(row[-1] for row in _rows(f"EXPLAIN QUERY PLAN SELECT i.id FROM inventory_item i WHERE {question}"))
            assert f"inventory_item_{rare.split('_')[0]} " in plan, plan
    close_database()


def test_what_keeps_the_search_index_up_to_date_outlives_every_script(empty):
    """A script that builds a table anew on SQLite would leave the old one's triggers behind."""
    connect(empty("triggered"))
    with migrations.alone():
        migrations.apply()
    with database.connection_context():
        named = "SELECT DISTINCT trigger_name FROM information_schema.triggers WHERE trigger_name LIKE 'item%%'"
        found = _rows(named if is_postgres() else "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'item%'")
    close_database()
    assert {row[0] for row in found} == {"item_added", "item_reworded", "item_gone"}
