"""What changed in a store since a moment: variants that were edited, and those whose stock moved at a location that counts.

since ─▶ ids of variants │ levels ─▶ variants by id, with all their levels ─▶ Shelf, with the SKUs that other variants have too

A stock movement does not reliably touch the variant's own time, so that the levels of each location are asked as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from portal.connectors import problems, shopify_documents
from portal.connectors.shopify_graph import Graph
from portal.connectors.shopify_rows import HIDDEN, Shelf
from portal.connectors.spool import Progress

MOST = 2_000
"""Changed variants that are read one by one; a store with more is read whole."""
SKUS_AT_ONCE = 20


def ids(graph: Graph, since: str, places: Iterable[str], progress: Progress) -> list[str] | None:
    """The variants that changed, None when there are more than MOST. `since`: ISO 8601 UTC. Raises SupplierError."""
    found: dict[str, None] = {}
    asked = {"filter": f"updated_at:>='{since}'"}
    for page in pages(graph, shopify_documents.CHANGED_VARIANTS, asked, variants_of, progress):
        found |= dict.fromkeys(str(one["id"]) for one in page)
        if len(found) > MOST:
            return None
    for place in places:
        for page in pages(graph, shopify_documents.CHANGED_LEVELS, {**asked, "place": place}, _levels_of, progress):
            found |= dict.fromkeys(str(one["id"]) for level in page for one in level["item"]["variants"]["nodes"])
            if len(found) > MOST:
                return None
    return list(found)


def shared_skus(graph: Graph, shelf: Shelf, progress: Progress) -> set[str]:
    """Of the SKUs on the shelf those that another variant of the store has too, whether or not it changed. Raises SupplierError."""
    shared, skus = set[str](), iter(sorted(shelf.skus()))
    while some := list(islice(skus, SKUS_AT_ONCE)):
        times: Counter[str] = Counter()
        asked = {"filter": " OR ".join(f"sku:{quoted(sku)}" for sku in some)}
        for page in pages(graph, shopify_documents.SKUS, asked, variants_of, progress):
            counted = (one for one in page if shelf.choices.flags or one["product"].get("status") not in HIDDEN)
            times.update(str(one.get("sku") or "").strip() for one in counted)
        shared |= {sku for sku in some if times[sku] > 1}
    return shared


def pages(
    graph: Graph, document: str, asked: Mapping[str, Any], found: Callable[[Mapping[str, Any]], Any], progress: Progress
) -> Iterator[list[Mapping[str, Any]]]:
    """The nodes of each page of a connection that `found` takes out of the data. Raises SupplierError."""
    after: str | None = None
    while True:
        page = found(graph.whole(graph.read(document, {**asked, "after": after}, progress)))
        if page is None:  # a location that was removed meanwhile
            return
        if not isinstance(page, Mapping) or not isinstance(page.get("nodes"), list) or not isinstance(page.get("pageInfo"), Mapping):
            raise problems.protocol_error("The answer cannot be read", "A list that we asked for is not in it. Nothing was used.")
        yield page["nodes"]
        before, after = after, page["pageInfo"].get("endCursor")
        if not page["pageInfo"].get("hasNextPage"):
            return
        if not after:
            raise problems.cut_pages()
        if after == before:
            raise problems.protocol_error("The list has no end", "A page leads back to itself. Nothing was used.")


def variants_of(told: Mapping[str, Any]) -> Any:
    """The connection of a query for variants."""
    return told.get("productVariants") or {}


def _levels_of(told: Mapping[str, Any]) -> Any:
    place = told.get("location")
    return None if place is None else place.get("inventoryLevels") or {}


def quoted(text: str) -> str:
    """A text as a term of Shopify's search."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
