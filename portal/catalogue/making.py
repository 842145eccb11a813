"""Products made of the items that a linking found none for: one for all sources that share an identifier, never a second of the same.

An item in turn ─▶ a product with one of its keys?  none: make one · one that this linking made, of another source: join it · else: left
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from portal import clock
from portal.catalogue import judging, keys, matching
from portal.leases import Work
from portal.models import Linking, Product, ProductLink, bulk
from portal.models.fields import new_public_id

AT_ONCE = 2_000  # items of one transaction
_PRODUCT = ("public_id", "merchant_id", "sku", "title", "brand", "gtin", "mpn", "mpn_key", "images", "linking_id", "at", "by")
_LINK = ("item_id", "product_id", "source_id", "linking_id", "rule", "place", "told", "at", "by")


class Item(NamedTuple):
    """An item as it is now. `sku`: its Master SKU. `is_cut`: that is made of a number that a spreadsheet program cut."""

    id: int
    source_id: int
    sku: str
    title: str | None
    brand: str | None
    upc: str | None
    mpn: str | None
    images: str | None
    is_cut: bool = False

    def key(self, rule: str) -> str:
        """What it is found by, "" where it has none."""
        return {"sku": self.sku, "gtin": keys.gtin(self.upc), "mpn": keys.mpn(self.mpn, self.brand)}[rule]


@dataclass
class Made:
    """A product as the items behind it see it. `ours`: this linking made it. `id` is 0 until it is stored."""

    sku: str
    gtin: str
    mpn_key: str
    title: str
    ours: bool
    id: int = 0
    sources: set[int] = field(default_factory=set)


@dataclass
class Plan:
    """What becomes of the items of a chunk."""

    fresh: list[tuple[Item, Made]] = field(default_factory=list)
    joined: list[tuple[Item, Made, str, int]] = field(default_factory=list)
    left: int = 0


def decide(
    items: Iterable[Item], rules: Sequence[str], known: Iterable[Made], include: Sequence[str] = (), make: bool = True
) -> Plan:  # fmt: skip
    """What becomes of each item in turn. `known`: every product that shares a key of `rules`, or the Master SKU, with one of them.

    `include`: verdicts that a person takes beside "confident". Pure.
    """
    by: dict[str, dict[str, list[Made]]] = {rule: {} for rule in matching.RULES}

    def note(product: Made) -> None:
        for rule, value in (("sku", product.sku), ("gtin", product.gtin), ("mpn", product.mpn_key)):
            if value:
                by[rule].setdefault(value, []).append(product)

    for product in known:
        note(product)
    plan = Plan()
    for item in items:
        place, found = next(((n, by[rule][key]) for n, rule in enumerate(rules, 1) if (key := item.key(rule)) in by[rule]), (0, []))
        if not place and make and not item.is_cut and item.sku not in by["sku"]:
            product = Made(item.sku, keys.gtin(item.upc), keys.mpn(item.mpn, item.brand), item.title or "", True, sources={item.source_id})
            note(product)
            plan.fresh.append((item, product))
        elif len(found) == 1 and _may_join(item, found[0], include):
            found[0].sources.add(item.source_id)
            plan.joined.append((item, found[0], rules[place - 1], place))
        else:
            plan.left += 1
    return plan


def _may_join(item: Item, product: Made, include: Sequence[str]) -> bool:
    crowded = item.source_id in product.sources
    verdict = "crowded" if crowded else judging.verdict(item.title, product.title)
    return product.ours and (verdict == "confident" or verdict in include)


def of_the_rest(work: Work, linking: Linking, save: Callable[..., None]) -> dict[str, int]:
    """Make products of what the look found none for; {"created", "joined", "left"}. `save` keeps a checkpoint in the open transaction."""
    counts = {name: int(work.checkpoint.get(name, 0)) for name in ("created", "joined", "left")}
    work.stage("create", "items")
    for turn in ("make", "join"):  # what was left may share a key with a product that was made after it
        if turn == "join" and not counts["left"]:
            break
        at = int(work.checkpoint.get(f"{turn}_to", 0))
        while items := _next(linking, at):
            with work.transaction():
                plan = decide(items, linking.rules, _known(linking, items), linking.include, make=turn == "make")
                _store(linking, plan)
                at = items[-1].id
                moved = {"created": len(plan.fresh), "joined": len(plan.joined), "left": plan.left if turn == "make" else -len(plan.joined)}
                counts = {name: counts[name] + more for name, more in moved.items()}
                save(**{f"{turn}_to": at}, **counts)
            work.progress(counts["created"] + counts["joined"] + counts["left"], linking.counts.get("unmatched"))
            bulk.pause()
    return counts


def _next(linking: Linking, after: int) -> list[Item]:
    where, values = matching.scope(linking)
    master, plain = keys.sku_sql("i", "s", linking.master_from), keys.sku_sql("i", "s", "sku")
    sql = f"""
        SELECT i.id, i.source_id, {master}, i.title, i.brand, i.upc, i.mpn, i.images, {keys.cut_sql("i.sku")} AND {master} = {plain}
        FROM link_unmatched u JOIN inventory_item i ON i.id = u.item_id JOIN source s ON s.id = i.source_id
        WHERE u.linking_id = ? AND u.item_id > ? AND {where} AND NOT EXISTS (SELECT 1 FROM product_link l WHERE l.item_id = i.id)
        ORDER BY u.item_id LIMIT ?
    """
    return [Item(*row)._replace(is_cut=bool(row[-1])) for row in bulk.run(sql, [linking.id, after, *values, AT_ONCE]).fetchall()]


def _known(linking: Linking, items: Sequence[Item]) -> list[Made]:
    """The merchant's products that share a key with one of the items."""
    found: dict[int, Made] = {}
    columns = {"sku": Product.sku, "gtin": Product.gtin, "mpn": Product.mpn_key}
    for rule in dict.fromkeys(["sku", *linking.rules]):
        wanted = sorted({key for item in items if (key := item.key(rule))})
        query: Any = Product.select().where(Product.merchant == linking.merchant_id, columns[rule] << wanted)
        for one in query:
            found[one.id] = Made(one.sku, one.gtin, one.mpn_key, one.title, one.linking_id == linking.id, one.id)
    links: Any = ProductLink.select(ProductLink.product, ProductLink.source)
    ids = list(found)
    for start in range(0, len(ids), AT_ONCE):
        for product, source in links.where(ProductLink.product << ids[start : start + AT_ONCE]).tuples():
            found[product].sources.add(source)
    return list(found.values())


def _store(linking: Linking, plan: Plan) -> None:
    now = clock.now()
    bulk.insert("product", _PRODUCT, [
        (new_public_id(), linking.merchant_id, made.sku, made.title, item.brand or "", made.gtin, item.mpn or "", made.mpn_key, item.images,
         linking.id, now, linking.by)
        for item, made in plan.fresh
    ])  # fmt: skip
    ids = _ids(linking, [made.sku for _, made in plan.fresh])
    for _, made in plan.fresh:
        made.id = ids[made.sku]
    fresh = [(item.id, made.id, item.source_id, linking.id, "created", 0, made.sku, now, linking.by) for item, made in plan.fresh]
    joined = [
        (item.id, made.id, item.source_id, linking.id, rule, place, item.key(rule), now, linking.by)
        for item, made, rule, place in plan.joined
    ]  # fmt: skip
    bulk.insert("product_link", _LINK, [*fresh, *joined])


def _ids(linking: Linking, skus: Sequence[str]) -> Mapping[str, int]:
    rows: Any = Product.select(Product.sku, Product.id).where(Product.merchant == linking.merchant_id, Product.sku << list(skus)).tuples()
    return dict(rows)
