"""Items that are linked elsewhere, moved to the product that a look found for them; what they had is kept, and given back by undoing.

candidates "conflict" ─▶ link_moved (the former link) ─▶ product_link changed        undo: product_link as link_moved has it
"""

from __future__ import annotations

from portal import clock
from portal.catalogue import matching
from portal.models import Linking, bulk

VERDICT = "conflict"


def move(linking: Linking, after: int, until: int) -> int:
    """Move the items of a span of ids, in the transaction that is open; how many. Who was linked by hand meanwhile stays."""
    where, values = matching.scope(linking)
    bulk.run(
        f"""
        INSERT INTO link_moved (linking_id, item_id, product_id, source_id, former_id, rule, place, told, at, by)
        SELECT c.linking_id, l.item_id, l.product_id, l.source_id, l.linking_id, l.rule, l.place, l.told, l.at, l.by
        FROM link_candidate c JOIN product p ON p.id = c.product_id JOIN product_link l ON l.item_id = c.item_id
        JOIN inventory_item i ON i.id = c.item_id JOIN source s ON s.id = i.source_id
        WHERE c.linking_id = ? AND c.item_id > ? AND c.item_id <= ? AND c.verdict = '{VERDICT}' AND {where} AND ({matching.still()})
        AND l.rule <> 'hand' AND l.product_id <> c.product_id
        AND NOT EXISTS (SELECT 1 FROM product_link o WHERE o.product_id = c.product_id AND o.source_id = c.source_id)
        ON CONFLICT DO NOTHING
        """,
        [linking.id, after, until, *values],
    )
    done = bulk.run(
        f"""
        UPDATE product_link SET product_id = c.product_id, linking_id = c.linking_id, rule = c.rule, place = c.place, at = ?, by = ?,
            told = CASE c.rule WHEN 'sku' THEN p.sku WHEN 'gtin' THEN p.gtin ELSE p.mpn_key END
        FROM link_candidate c JOIN product p ON p.id = c.product_id
        JOIN link_moved m ON m.linking_id = c.linking_id AND m.item_id = c.item_id
        WHERE c.linking_id = ? AND c.item_id > ? AND c.item_id <= ? AND c.verdict = '{VERDICT}'
        AND product_link.item_id = c.item_id AND product_link.product_id = m.product_id AND product_link.rule <> 'hand'
        """,
        [clock.now(), linking.by, linking.id, after, until],
    )
    return int(done.rowcount)


def give_back(linking: Linking, after: int, until: int) -> int:
    """What was moved and is still so gets its former link, in the transaction that is open; how many.

    Not where that product is gone, or has another item of the source since, or the linking that had made that link is undone by now:
    such an item is left without one (`without`).
    """
    done = bulk.run(
        """
        UPDATE product_link SET product_id = m.product_id, source_id = m.source_id, rule = m.rule, place = m.place, told = m.told,
            at = m.at, by = m.by, linking_id = (SELECT g.id FROM linking g WHERE g.id = m.former_id)
        FROM link_moved m
        WHERE m.linking_id = ? AND m.item_id > ? AND m.item_id <= ? AND product_link.item_id = m.item_id
        AND product_link.linking_id = m.linking_id AND EXISTS (SELECT 1 FROM product p WHERE p.id = m.product_id)
        AND NOT EXISTS (SELECT 1 FROM linking g WHERE g.id = m.former_id AND g.state = 'undone')
        AND NOT EXISTS (
            SELECT 1 FROM product_link o WHERE o.product_id = m.product_id AND o.source_id = m.source_id AND o.item_id <> m.item_id
            AND o.at > product_link.at AND (o.linking_id IS NULL OR o.linking_id <> m.linking_id))
        """,
        [linking.id, after, until],
    )
    return int(done.rowcount)


def hand_on(linking: Linking, after: int, until: int) -> None:
    """What undoing a later move gives back is the link before this linking's, in the transaction that is open."""
    bulk.run(
        """
        UPDATE link_moved SET product_id = m.product_id, source_id = m.source_id, former_id = m.former_id, rule = m.rule, place = m.place,
            told = m.told, at = m.at, by = m.by
        FROM link_moved m
        WHERE m.linking_id = ? AND m.item_id > ? AND m.item_id <= ? AND link_moved.item_id = m.item_id
        AND link_moved.former_id = m.linking_id
        """,
        [linking.id, after, until],
    )


def without(linking: Linking, after: int, until: int) -> int:
    """How many that were moved could not be given back, and lose their product as this linking is undone."""
    told = """
        SELECT count(*) FROM product_link l JOIN link_moved m ON m.linking_id = l.linking_id AND m.item_id = l.item_id
        WHERE l.linking_id = ? AND l.item_id > ? AND l.item_id <= ?
    """
    return int(bulk.one(told, [linking.id, after, until])[0])
