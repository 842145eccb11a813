"""Composition root: `python app.py` prepares the database and serves the portal; `create_app` is the Flask factory."""

from __future__ import annotations

import sys

from portal import accounts, config, create_app
from portal.models import TABLES, database


def main() -> int:
    """Serve until Ctrl-C. The first start makes the tables, the key and the owner, and prints how to sign in."""
    from waitress import serve

    settings = config.read()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    app = create_app(settings)
    with database.connection_context():
        database.create_tables(TABLES)
        password = accounts.ensure_owner(settings)
    print(f"Quayside: http://{settings.host}:{settings.port}  sign in as {settings.owner_email}")
    if password:
        print(f"Password, shown this once: {password}", flush=True)
    serve(app, host=settings.host, port=settings.port, threads=8)
    return 0


if __name__ == "__main__":
    sys.exit(main())
