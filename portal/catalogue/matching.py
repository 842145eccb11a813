"""Which products the items of a linking may belong to, set-wise: rule by rule, an item by the first rule that finds any.

items of the scope ─▶ candidates (rule, product) ─▶ several? crowded? ─▶ titles judged by portal.catalogue.judging ─▶ verdicts
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal.catalogue import judging, keys
from portal.inventory import counted
from portal.leases import Work
from portal.models import Linking, bulk
from portal.models.database import is_postgres
from portal.sources import CHANNEL_LINE

RULES = {
    "sku": "Exact Master SKU",
    "gtin": "UPC, EAN or GTIN with a right check digit",
    "mpn": "MPN and brand",
}
SHORT = {"sku": "Master SKU", "gtin": "UPC, EAN or GTIN", "mpn": "MPN and brand"}
FOUND = ("link_candidate", "link_unmatched", "link_damaged")
"""Where a look writes what it found."""

SPAN = 20_000  # item ids of one transaction


def _key(rule: str) -> str:
    return {"sku": keys.sku_sql("i", "s"), "gtin": keys.gtin_sql("i"), "mpn": keys.mpn_sql("i")}[rule]


def _has(rule: str) -> str:
    mpn = "i.mpn IS NOT NULL AND i.brand IS NOT NULL AND trim(i.brand) <> ''"
    return {"sku": "1 = 1", "gtin": "i.upc IS NOT NULL", "mpn": f"{mpn} AND NOT {keys.cut_sql('i.mpn')}"}[rule]


_COLUMN = {"sku": "sku", "gtin": "gtin", "mpn": "mpn_key"}
SCOPE = f"i.merchant_id = ? AND {counted.sql()} AND s.state <> 'deleted' AND s.kind <> '{CHANNEL_LINE}'"


def scope(linking: Linking) -> tuple[str, list[Any]]:
    """(condition on items `i` and sources `s`, its parameters)."""
    where, values = SCOPE, [linking.merchant_id]
    if linking.source_id is not None:
        where, values = f"{where} AND i.source_id = ?", [*values, linking.source_id]
    if linking.after_item_id:
        where, values = f"{where} AND i.id > ?", [*values, linking.after_item_id]
    if linking.bulk_act_id is not None:
        chosen = "SELECT 1 FROM bulk_item b JOIN bulk_act a ON a.id = b.act_id WHERE b.act_id = ? AND b.item_id = i.id"
        where, values = f"{where} AND EXISTS ({chosen} AND i.added_at <= a.chosen_at)", [*values, linking.bulk_act_id]
    return where, values


def bounds(linking: Linking) -> tuple[int, int]:
    """(least, greatest) id of the items in scope; (0, -1) for none."""
    where, values = scope(linking)
    sql = f"SELECT coalesce(min(i.id), 0), coalesce(max(i.id), -1) FROM inventory_item i JOIN source s ON s.id = i.source_id WHERE {where}"
    first, last = bulk.one(sql, values)
    return int(first), int(last)


def look(work: Work, linking: Linking) -> dict[str, int]:
    """Find and judge every candidate, from where an interruption left it; the counts. Writes no link."""
    if not work.checkpoint.get("begun"):
        with work.transaction():
            for table in FOUND:
                bulk.run(f"DELETE FROM {table} WHERE linking_id = ?", [linking.id])
            work.save_checkpoint(begun=bounds(linking))  # what comes later is not of this look, also after an interruption
    first, last = work.checkpoint["begun"]
    work.stage("match", "items")
    at = int(work.checkpoint.get("matched", first - 1))
    while at < last:
        end = min(at + SPAN, last)
        with work.transaction():
            for place, rule in enumerate(linking.rules, 1):
                _match(linking, rule, place, at, end)
            _note_unmatched(linking, at, end)
            _note_damaged(linking, at, end)
            work.save_checkpoint(matched=end)
        at = end
        work.progress(at - first + 1, last - first + 1)
        bulk.pause()
    bulk.analyze("link_candidate", "link_unmatched", "product_link")  # else Postgres plans for what they held before
    with work.transaction():
        _part(linking)
    work.stage("judge", "items")
    _judge(work, linking)
    return counts(linking)


def _finds_none(rule: str) -> str:
    there = f"SELECT 1 FROM product e WHERE e.merchant_id = i.merchant_id AND e.{_COLUMN[rule]} = {_key(rule)}"
    return f" AND NOT ({_has(rule)} AND EXISTS ({there}))"


def _match(linking: Linking, rule: str, place: int, after: int, until: int) -> None:
    where, values = scope(linking)
    earlier = "".join(_finds_none(one) for one in linking.rules[: place - 1])
    known = " OR ".join(f"({_has(one)} AND q.{_COLUMN[one]} = {_key(one)})" for one in linking.rules[:place])
    bulk.run(
        f"""
        INSERT INTO link_candidate (linking_id, item_id, product_id, source_id, rule, place, verdict, sku)
        SELECT ?, i.id, p.id, i.source_id, '{rule}', {place}, CASE WHEN l.item_id IS NULL THEN '' ELSE 'conflict' END, i.sku
        FROM inventory_item i
        JOIN source s ON s.id = i.source_id
        JOIN product p ON p.merchant_id = ? AND p.{_COLUMN[rule]} = {_key(rule)}
        LEFT JOIN product_link l ON l.item_id = i.id
        WHERE i.id > ? AND i.id <= ? AND {where} AND {_has(rule)}{earlier}
        AND (l.item_id IS NULL OR (l.rule <> 'hand' AND l.product_id <> p.id
             AND NOT EXISTS (SELECT 1 FROM product q WHERE q.id = l.product_id AND ({known}))))
        """,
        [linking.id, linking.merchant_id, after, until, *values],
    )


def _note_unmatched(linking: Linking, after: int, until: int) -> None:
    where, values = scope(linking)
    none = "".join(map(_finds_none, linking.rules))
    bulk.run(
        f"""
        INSERT INTO link_unmatched (linking_id, item_id, sku)
        SELECT ?, i.id, i.sku FROM inventory_item i JOIN source s ON s.id = i.source_id
        WHERE i.id > ? AND i.id <= ? AND {where}{none} AND NOT EXISTS (SELECT 1 FROM product_link l WHERE l.item_id = i.id)
        """,
        [linking.id, after, until, *values],
    )


def _note_damaged(linking: Linking, after: int, until: int) -> None:
    """Codes that a spreadsheet program cut: no product is found by such an MPN, and none is made of such a SKU."""
    where, values = scope(linking)
    for field in ("mpn", "sku"):
        bulk.run(
            f"""
            INSERT INTO link_damaged (linking_id, item_id, field, sku)
            SELECT ?, i.id, '{field}', i.sku FROM inventory_item i JOIN source s ON s.id = i.source_id
            WHERE i.id > ? AND i.id <= ? AND {where} AND {keys.cut_sql(f"i.{field}")}
            """,
            [linking.id, after, until, *values],
        )


def still(alias: str = "p") -> str:
    """The condition that the item `i` of source `s` still has what its candidate `c` found in the product."""
    return " OR ".join(f"(c.rule = '{one}' AND {_has(one)} AND {alias}.{_COLUMN[one]} = {_key(one)})" for one in RULES)


def _part(linking: Linking) -> None:
    """Tell apart what no title can settle: an item with several products, a product with several items of one source."""
    bulk.run(
        """
        UPDATE link_candidate SET verdict = 'several' WHERE linking_id = ? AND verdict = '' AND item_id IN (
            SELECT item_id FROM link_candidate WHERE linking_id = ? AND verdict = '' GROUP BY item_id HAVING count(*) > 1)
        """,
        [linking.id, linking.id],
    )
    bulk.run(
        """
        UPDATE link_candidate SET verdict = 'crowded' WHERE linking_id = ? AND verdict = '' AND (
            EXISTS (SELECT 1 FROM product_link l WHERE l.product_id = link_candidate.product_id AND l.source_id = link_candidate.source_id)
            OR (product_id, source_id) IN (
                SELECT product_id, source_id FROM link_candidate WHERE linking_id = ? AND verdict = ''
                GROUP BY product_id, source_id HAVING count(*) > 1))
        """,
        [linking.id, linking.id],
    )

    bulk.run(
        """
        UPDATE link_candidate SET verdict = 'unclear' WHERE linking_id = ? AND verdict = 'conflict' AND (
            EXISTS (SELECT 1 FROM link_candidate o WHERE o.linking_id = link_candidate.linking_id AND o.item_id = link_candidate.item_id
                    AND o.product_id <> link_candidate.product_id)
            OR EXISTS (SELECT 1 FROM product_link l WHERE l.product_id = link_candidate.product_id
                       AND l.source_id = link_candidate.source_id)
            OR EXISTS (SELECT 1 FROM link_candidate o WHERE o.linking_id = link_candidate.linking_id
                       AND o.product_id = link_candidate.product_id AND o.source_id = link_candidate.source_id
                       AND o.item_id <> link_candidate.item_id))
        """,
        [linking.id],
    )


def _judge(work: Work, linking: Linking) -> None:
    """By their titles: what is not settled yet, and what would be moved. A second time over the same rows changes nothing."""
    sql = """
        SELECT c.item_id, c.product_id, i.title, p.title, c.verdict FROM link_candidate c
        JOIN inventory_item i ON i.id = c.item_id JOIN product p ON p.id = c.product_id
        WHERE c.linking_id = ? AND c.verdict || '' IN ('', 'conflict') AND (c.item_id, c.product_id) > (?, ?)
        ORDER BY c.item_id, c.product_id LIMIT ?
    """
    open_ones = "SELECT count(*) FROM link_candidate WHERE linking_id = ? AND verdict IN ('', 'conflict')"
    done, last, total = 0, (0, 0), int(bulk.one(open_ones, [linking.id])[0])
    while rows := bulk.run(sql, [linking.id, *last, SPAN]).fetchall():
        found = [(judging.verdict(ours, theirs), was, item, product) for item, product, ours, theirs, was in rows]
        doubted = [
            ("unclear" if was else told, linking.id, item, product) for told, was, item, product in found if told != "confident"
        ]  # fmt: skip
        with work.transaction():
            bulk.run_many("UPDATE link_candidate SET verdict = ? WHERE linking_id = ? AND item_id = ? AND product_id = ?", doubted)
            bulk.run(
                """
                UPDATE link_candidate SET verdict = 'confident'
                WHERE linking_id = ? AND verdict || '' = '' AND item_id > ? AND item_id <= ?
                """,
                [linking.id, last[0], rows[-1][0]],
            )
        done, last = done + len(rows), (rows[-1][0], rows[-1][1])
        work.progress(done, total)
        bulk.pause()


def counts(linking: Linking) -> dict[str, int]:
    """{verdict: items}, and of the items in scope: "unmatched" (no product, and none found), "linked", "damaged" where there are any."""
    found = bulk.run("SELECT verdict, count(DISTINCT item_id) FROM link_candidate WHERE linking_id = ? GROUP BY verdict", [linking.id])
    told: dict[str, int] = {str(verdict): int(count) for verdict, count in found.fetchall()}
    where, values = scope(linking)
    head = "SELECT count(*) FROM inventory_item i JOIN source s ON s.id = i.source_id"
    told["linked"] = int(bulk.one(f"{head} JOIN product_link l ON l.item_id = i.id WHERE {where}", values)[0])
    told["unmatched"] = int(bulk.one("SELECT count(*) FROM link_unmatched WHERE linking_id = ?", [linking.id])[0])
    if damaged := int(bulk.one("SELECT count(DISTINCT item_id) FROM link_damaged WHERE linking_id = ?", [linking.id])[0]):
        told["damaged"] = damaged
    return told


COUNTED_AT_ONCE = 10_000
"""Items that a page counts before it answers; of more it tells the numbers a moment later."""


def is_quick(merchant_id: int) -> bool:
    """Whether `possible` takes no time worth waiting for: by the sources' own counts of items."""
    return int(bulk.one("SELECT coalesce(sum(item_count), 0) FROM source WHERE merchant_id = ?", [merchant_id])[0]) <= COUNTED_AT_ONCE


def any_items(merchant_id: int) -> bool:
    """Whether the merchant has an item at all."""
    return bool(bulk.run("SELECT 1 FROM inventory_item WHERE merchant_id = ? LIMIT 1", [merchant_id]).fetchone())


def possible(merchant_id: int, source_id: int | None, rules: Sequence[str] = tuple(RULES)) -> Mapping[str, int]:
    """Of the items that are not linked: {rule: how many it would find a product for}, and "unlinked" in all. Each rule by itself."""
    where, values = SCOPE, [merchant_id]
    if source_id is not None:
        where, values = f"{SCOPE} AND i.source_id = ?", [merchant_id, source_id]
    free = "NOT EXISTS (SELECT 1 FROM product_link l WHERE l.item_id = i.id)"
    there = "EXISTS (SELECT 1 FROM product p WHERE p.merchant_id = ? AND p.{} = {})"
    finds = {rule: f"{_has(rule)} AND {there.format(_COLUMN[rule], _key(rule))}" for rule in rules}
    rest = f"FROM inventory_item i JOIN source s ON s.id = i.source_id WHERE {where} AND {free}"
    if is_postgres():  # joins each by itself, best
        told = {"unlinked": int(bulk.one(f"SELECT count(*) {rest}", values)[0])}
        return told | {
            rule: int(bulk.one(f"SELECT count(*) {rest} AND {one}", [*values, merchant_id])[0]) for rule, one in finds.items()
        }  # fmt: skip
    sums = "".join(f", coalesce(sum({one}), 0)" for one in finds.values())
    return dict(zip(("unlinked", *rules), bulk.one(f"SELECT count(*){sums} {rest}", [*[merchant_id] * len(finds), *values]), strict=True))
