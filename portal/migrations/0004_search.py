"""Finding items by parts of their words: an index of its own, notes of what it has yet to take in, and indexes for the list's orders."""

from __future__ import annotations

from typing import Any

from peewee import DatabaseError

from portal.models.database import is_postgres

ORDERS = (
    'CREATE INDEX "inventory_item_source_id_quantity_id" ON "inventory_item" ("source_id", "quantity", "id")',
    'CREATE INDEX "inventory_item_source_id_cost_id" ON "inventory_item" ("source_id", "cost", "id")',
    'CREATE INDEX "inventory_item_source_id_changed_at_id" ON "inventory_item" ("source_id", "changed_at", "id")',
    'CREATE INDEX "inventory_item_missing" ON "inventory_item" ("source_id") WHERE ("missing_since" IS NOT NULL)',
    'CREATE INDEX "inventory_item_archived" ON "inventory_item" ("source_id") WHERE ("archived_at" IS NOT NULL)',
)
REWORDED = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in ("sku", "title", "mpn", "brand"))
LAST = 2**63 - 1

SQLITE = (
    """CREATE VIRTUAL TABLE item_search USING fts5(text, tokenize = 'trigram case_sensitive 1', detail = none)""",
    # merged in short steps of our own: FTS5 would merge for half a second inside somebody's transaction
    "INSERT INTO item_search (item_search, rank) VALUES ('automerge', 0)",
    "INSERT INTO item_search (item_search, rank) VALUES ('crisismerge', 1999)",
    "INSERT INTO item_search (item_search, rank) VALUES ('usermerge', 8)",
    # row 1 is the end that was never indexed: a new item there needs no note
    f"INSERT INTO search_gap (id, gone, low, high) VALUES (1, 0, 1, {LAST})",
    """CREATE TRIGGER item_added AFTER INSERT ON inventory_item WHEN NEW.id < (SELECT low FROM search_gap WHERE id = 1) BEGIN
    UPDATE search_gap SET high = NEW.id WHERE id = (SELECT max(id) FROM search_gap) AND id > 1 AND gone = 0 AND high = NEW.id - 1;
    INSERT INTO search_gap (gone, low, high) SELECT 0, NEW.id, NEW.id WHERE changes() = 0; END""",
    f"""CREATE TRIGGER item_reworded AFTER UPDATE OF sku, title, mpn, brand ON inventory_item
    WHEN ({REWORDED.replace("IS DISTINCT FROM", "IS NOT")}) AND NEW.id < (SELECT low FROM search_gap WHERE id = 1) BEGIN
    UPDATE search_gap SET high = NEW.id WHERE id = (SELECT max(id) FROM search_gap) AND id > 1 AND gone = 0 AND high = NEW.id - 1;
    INSERT INTO search_gap (gone, low, high) SELECT 0, NEW.id, NEW.id WHERE changes() = 0; END""",
    """CREATE TRIGGER item_gone AFTER DELETE ON inventory_item WHEN OLD.id < (SELECT low FROM search_gap WHERE id = 1) BEGIN
    UPDATE search_gap SET high = OLD.id WHERE id = (SELECT max(id) FROM search_gap) AND id > 1 AND gone = 1 AND high = OLD.id - 1;
    INSERT INTO search_gap (gone, low, high) SELECT 1, OLD.id, OLD.id WHERE changes() = 0; END""",
)
POSTGRES = (
    "CREATE TABLE item_search (item_id BIGINT PRIMARY KEY, merchant_id BIGINT NOT NULL, text TEXT NOT NULL)",
    "INSERT INTO search_gap (gone, low, high) SELECT 0, min(id), max(id) FROM inventory_item HAVING count(*) > 0",
    """CREATE FUNCTION quayside_items_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO search_gap (gone, low, high) SELECT 0, min(id), max(id) FROM fresh HAVING count(*) > 0; RETURN NULL; END $$""",
    """CREATE TRIGGER item_added AFTER INSERT ON inventory_item REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION quayside_items_added()""",
    """CREATE FUNCTION quayside_item_reworded() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO search_gap (gone, low, high) VALUES (0, NEW.id, NEW.id); RETURN NULL; END $$""",
    f"""CREATE TRIGGER item_reworded AFTER UPDATE OF sku, title, mpn, brand ON inventory_item
    FOR EACH ROW WHEN ({REWORDED}) EXECUTE FUNCTION quayside_item_reworded()""",
    """CREATE FUNCTION quayside_items_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM item_search WHERE item_id IN (SELECT id FROM gone); RETURN NULL; END $$""",
    """CREATE TRIGGER item_gone AFTER DELETE ON inventory_item REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION quayside_items_gone()""",
)
TRIGRAMS = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX item_search_text ON item_search USING gin (text gin_trgm_ops)",
)


def up(_migrator: Any, db: Any) -> None:
    for sql in ORDERS:
        db.execute_sql(sql)
    # lists of a whole workspace are merged from those of its sources
    db.execute_sql('DROP INDEX "inventoryitem_merchant_id_sku_id"')
    key = "BIGSERIAL PRIMARY KEY" if is_postgres() else "INTEGER PRIMARY KEY"
    db.execute_sql(f"CREATE TABLE search_gap (id {key}, gone SMALLINT NOT NULL, low BIGINT NOT NULL, high BIGINT NOT NULL)")
    if is_postgres():
        for sql in POSTGRES:
            db.execute_sql(sql)
        _if_allowed(db, TRIGRAMS)
    else:
        _if_allowed(db, SQLITE)


def _if_allowed(db: Any, scripts: tuple[str, ...]) -> None:
    """A database without trigrams goes without the index: `portal.inventory.search_index` says so, and searches read the items."""
    try:
        with db.atomic():
            for sql in scripts:
                db.execute_sql(sql)
    except DatabaseError as error:
        if not any(word in str(error) for word in ("pg_trgm", "permission", "fts5", "tokenizer")):
            raise
