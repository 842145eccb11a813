"""A Shopify store as a source: variants with their stock by location, read page by page or, of a large store, in one go.

store, scopes ─▶ locations ─▶ count ─┬▶ pages ─────────────┬▶ Shelf ─▶ lines ─▶ `.part` ─ fsync ─ rename
                                     ├▶ bulk (above 2,000) ┤
                                     └▶ what changed since ┘
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

from portal.connectors import (
    problems,
    shopify_bulk,
    shopify_changes,
    shopify_documents,
    shopify_oauth,
    shopify_send,
    shopify_words,
    store_tracking,
)
from portal.connectors.api_auth import TokenSource
from portal.connectors.caller import MOST_TRIES, Caller, unwatched
from portal.connectors.lists import ListReader
from portal.connectors.network import Guard
from portal.connectors.sending import Found, Sent, Witness
from portal.connectors.shopify_graph import Graph, Reply, ShopifyAuth
from portal.connectors.shopify_rows import Choices, Shelf, columns_of
from portal.connectors.spool import Progress, Spool
from portal.connectors.steps import Steps
from portal.errors import SupplierError
from portal.records import Check, Exchange, Fetched, FileEntry, Secret

NAME = "variants.jsonl"
NEEDED = ("read_products", "read_inventory", "read_locations")
"""The scopes without which stock cannot be read."""
TO_SEND = ("write_orders",)
"""And without which no order can be placed (orderCreate)."""
BULK_ABOVE = 2_000
"""Variants that are read page by page at most."""
MOST_POINTS = 900
"""Of the 1,000 points that one question may cost (shopify.dev, "API limits")."""
MOST_ON_A_PAGE, MOST_LEVELS = 100, 50
MOST_PLACES = 300
"""Locations that become columns."""
_CHUNK = 200_000


class Place(NamedTuple):
    """A location of the store."""

    id: str
    name: str
    active: bool


class ShopifyConnector(ListReader):
    """One store. Settings: `shop`, `base`, those of ApiAuth, `locations` ("all" or "chosen") with `places` (ids, blanks between),
    `untracked` (a number or ""), `drafts` ("skip" or "flag"), `download_host`, `bulk_above`, `most_pages` to read of a sample, `since`
    (ISO 8601 UTC) to read only what changed, `sends` where orders are to be placed there too.
    """

    def __init__(
        self, settings: Mapping[str, Any], secrets: Mapping[str, Secret], *, guard: Guard, trusted_key: Mapping[str, Any] | None,
        record: Callable[[Exchange], None] = lambda _: None, tokens: TokenSource | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.secrets = settings, dict(secrets)
        plain = settings.get("plain_ok") in (True, "true", "on", "1")
        caller = Caller(guard, secrets=self.secrets, record=record, trusted_key=trusted_key, plain_ok=plain)
        self.graph = Graph(caller, ShopifyAuth(settings, secrets, self._hide, tokens), settings)
        self.cost, self.witness = True, Witness.of(settings)

    def check(self, report: Callable[[Check], None], folder: str) -> list[FileEntry]:
        """Checks 1 to 5: the store and the app's scopes; then how many variants and which locations there are."""
        steps, graph = Steps(report), self.graph
        asked = graph.request(shopify_documents.STORE, {})
        answer = graph.caller.ask(graph.auth.sign(asked, graph.caller), steps=steps)
        if answer.status == 401 and graph.auth.fetches_token:
            graph.auth.renew(graph.caller)
            answer = graph.caller.ask(graph.auth.sign(asked, graph.caller))
        with steps.step("sign_in") as found:
            if not answer.good:
                raise shopify_words.refused(answer, graph.caller, self.settings)
            store = graph.whole(graph.reply_of(answer))
            found.detail = _who(store, str(self.settings.get("shop")))
        if scopes := str(self.settings.get("channel_scopes") or ""):
            with steps.step("folder") as found:
                need_scopes(store, self.settings.get("auth") == "code", scopes.split(","))
                found.detail = "Its orders can be read, and told tracking numbers"
            return []
        with steps.step("folder") as found:
            need_scopes(store, self.settings.get("auth") == "code", NEEDED + (TO_SEND if self.settings.get("sends") else ()))
            places, count = self._places(unwatched, 1), self._count(unwatched, 1)
            active = [one for one in places if one.active]
            found.detail = f"{_of(count, 'variant')} at {_of(len(active), 'active location')}{self._version_words()}"
            told = [{"value": one.id, "label": one.name} for one in active]
            found.facts.update(folder="Variants and stock levels", choices={"places": told})
            self._choices(places)
        return self.listing(folder)

    def listing(self, folder: str) -> list[FileEntry]:
        """The one list, as a file."""
        return [FileEntry(NAME, None, None)]

    def fetch(
        self, folder: str, match: str, pattern: str, into: Path, limit_bytes: int, progress: Progress, settle_seconds: float = 5.0
    ) -> Fetched:
        """Read the variants into `into`, one a line; what is worth knowing of them is said. Raises SupplierError, then without a file."""
        tell = self.follow(progress)
        self.graph.caller.say = self.say
        if self.settings.get("tracking"):
            return self._fetch_parcels(into, limit_bytes, tell)
        places, sample = self._places(tell), int(self.settings.get("most_pages") or 0)
        choices, lost = self._choices(places)
        active = sum(one.active for one in places)
        self.expected = self._count(tell)
        with Shelf(into, choices) as shelf, Spool(into, limit_bytes, None, tell) as spool:
            shared: Collection[str] = ()
            if not sample and self._read_changes(shelf, active, tell):
                shared = shopify_changes.shared_skus(self.graph, shelf, tell)
            elif not sample and self.expected > int(self.settings.get("bulk_above") or BULK_ABOVE):
                self._read_at_once(shelf, into, limit_bytes, tell)
            else:
                self._read_pages(shelf, active, tell, sample)
            for chunk in _joined(shelf.lines(shared)):
                spool.write(chunk)
            size, digest = spool.size, spool.finish()
            self._tell(shelf.seen.words(choices), lost)
        return Fetched(str(into), NAME, size, digest, None, str(self.settings.get("shop")))

    def _fetch_parcels(self, into: Path, limit_bytes: int, tell: Progress) -> Fetched:
        """The parcels of the `orders` that we placed, a row a line."""

        def node(number: str) -> Any:
            return self.graph.whole(self.graph.read(shopify_documents.PARCELS, {"id": number}, tell)).get("node")

        orders = [store_tracking.Placed.read(one) for one in self.settings.get("orders") or ()]
        with Spool(into, limit_bytes, None, tell) as spool:
            for row in store_tracking.shopify(orders, node, self.say):
                spool.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            size, digest = spool.size, spool.finish()
        return Fetched(str(into), NAME, size, digest, None, str(self.settings.get("shop")))

    # sending

    def send(self, operation: str, document: bytes, reference: str) -> Sent:
        """Create the order once; see sending.Sends."""
        return shopify_send.send(self.graph, operation, document, reference)

    def find(self, reference: str, since: str = "") -> Found | None:
        """The order with our reference; see sending.Sends."""
        return shopify_send.find(self.graph, reference)

    def cancel(self, their_id: str) -> None:
        """Take an order back; see sending.Cancels."""
        shopify_send.cancel(self.graph, their_id)

    # what is read

    def _read_pages(self, shelf: Shelf, places: int, progress: Progress, most: int) -> None:
        size, after = _size(places), None
        while True:
            told, size = self._fitting(shopify_documents.variants, {"after": after, "first": size}, "first", places, progress)
            page = told.get("productVariants")
            for variant in _nodes(page):
                self._shelve(shelf, variant, progress)
            self.turn(len(_nodes(page)))
            before, after = after, _next(page)
            if after is None or self.pages == most:
                break
            if after == before:
                raise problems.protocol_error("The list has no end", "A page leads back to itself. Nothing was used.")
        if after is None and self.items < (self.expected or 0):
            self.expected = min(self.expected or 0, self._count(progress))  # some may have been deleted while we read
            if self.items < self.expected:
                raise problems.cut_list(self.items, self.expected, "item")

    def _read_changes(self, shelf: Shelf, places: int, progress: Progress) -> bool:
        """Whether only what changed was asked for, and read; a store in which very much changed is read whole."""
        since = str(self.settings.get("since") or "")
        left = shopify_changes.ids(self.graph, since, shelf.choices.places, progress) if since else None
        if left is None:
            if since:
                self.say(f"More than {shopify_changes.MOST:,} variants changed, so that all are read.")
            return False
        self.expected, size = len(left), _size(places)
        while left:
            asked = {"ids": left[:size]}
            told, size = self._fitting(shopify_documents.variants_by_id, asked, "ids", places, progress)
            nodes, left = told.get("nodes") or [], left[size:]
            for variant in nodes:
                if variant:  # null: it was deleted meanwhile, which the next whole read shows
                    self._shelve(shelf, variant, progress)
            self.turn(len(nodes))
        return True

    def _fitting(
        self, document: Callable[[bool], str], asked: dict[str, Any], many: str, places: int, progress: Progress
    ) -> tuple[Mapping[str, Any], int]:
        """(data, how many were asked for): as many at once as one question may cost. `many`: the variable to make smaller."""
        while True:
            size = asked[many] if isinstance(asked[many], int) else len(asked[many])
            variables = {**asked, "levels": min(MOST_LEVELS, places + 1)}
            reply = self._forgiving(self.graph.read(document(self.cost), variables, progress))
            if "MAX_COST_EXCEEDED" not in reply.codes or size == 1:
                return self.graph.whole(reply), size
            half = size // 2  # another question, not the same again
            asked = {**asked, many: half if isinstance(asked[many], int) else asked[many][:half]}

    def _shelve(self, shelf: Shelf, variant: Mapping[str, Any], progress: Progress) -> None:
        shelf.put(variant)
        page = variant["inventoryItem"].get("inventoryLevels")
        while True:
            for level in _nodes(page):
                shelf.put_level(variant["id"], level)
            after = _next(page)
            if after is None:
                return
            asked = {"item": variant["inventoryItem"].get("id"), "after": after}
            page = (self.graph.whole(self.graph.read(shopify_documents.LEVELS, asked, progress)).get("inventoryItem") or {}).get(
                "inventoryLevels"
            )

    def _read_at_once(self, shelf: Shelf, into: Path, limit_bytes: int, progress: Progress) -> None:
        """By a bulk operation. Whether costs may be read is learned before, as it would fail as a whole."""
        asked = {"first": 1, "after": None, "levels": 1}
        self.graph.whole(self._forgiving(self.graph.read(shopify_documents.variants(True), asked, progress)))

        def count(variants: int) -> None:
            self.items = variants

        shopify_bulk.read(self.graph, shelf, into, limit_bytes, progress, count, cost=self.cost)
        self.pages, self.items = 1, shelf.seen.variants

    def _forgiving(self, reply: Reply) -> Reply:
        """The reply without the refusals of unit costs, which are a permission of their own; they are not asked for again."""
        denied = [one for one in reply.errors if shopify_words.code_of(one) == "ACCESS_DENIED"]
        refused = [one for one in denied if isinstance(one.get("path"), list) and "unitCost" in one["path"]]
        if not refused or not reply.data:
            return reply
        self.cost = False
        return Reply(reply.data, [one for one in reply.errors if one not in refused])

    def _count(self, progress: Progress, tries: int = MOST_TRIES) -> int:
        found = self.graph.whole(self.graph.read(shopify_documents.COUNT, {}, progress, tries)).get("productVariantsCount") or {}
        return int(found.get("count") or 0)

    def _places(self, progress: Progress, tries: int = MOST_TRIES) -> list[Place]:
        """Every location."""
        places: list[Place] = []
        after: str | None = None
        while True:
            page = self.graph.whole(self.graph.read(shopify_documents.LOCATIONS, {"after": after}, progress, tries)).get("locations")
            places += [Place(str(one["id"]), str(one["name"]), one.get("isActive") is not False) for one in _nodes(page)]
            after = _next(page)
            if after is None:
                return places

    def _choices(self, places: list[Place]) -> tuple[Choices, int]:
        """What counts, and how many of the chosen locations cannot. Raises SupplierError when none can: everything would be 0.

        One that was made inactive keeps its column, empty, so that a mapping that knows it still fits.
        """
        wanted = str(self.settings.get("places") or "").split() if self.settings.get("locations") == "chosen" else None
        meant = [one for one in places if wanted is None or one.id in wanted]
        counted = [one for one in meant if one.active]
        columns = columns_of([(one.id, one.name) for one in meant])
        if not counted:
            body = "None of the chosen locations is active any more, or the store has none. Choose them again; nothing was set to 0."
            raise problems.protocol_error("No location is left to read", body, permanent=True)
        if len(meant) > MOST_PLACES:
            body = f"The store has {len(meant):,}; at most {MOST_PLACES:,} can be read by one source. Choose those that ship for you."
            raise problems.protocol_error("Too many locations", body, permanent=True)
        flags = self.settings.get("drafts") == "flag"
        empty = tuple(columns[one.id] for one in meant if not one.active)
        lost = len(wanted) - len(counted) if wanted is not None else 0
        return Choices({one.id: columns[one.id] for one in counted}, str(self.settings.get("untracked") or ""), flags, empty), lost

    # what is told

    def _tell(self, words: Iterator[str], lost: int) -> None:
        if lost:
            self.say(f"Of the chosen locations {lost:,} cannot be read any more, closed or made inactive; the others count.", "warning")
        if told := self._version_words():
            self.say(f"The stock was read{told}. Fields may mean something else there; tell the operator of this portal.", "warning")
        if not self.cost:
            self.say("Costs were not read: the app lacks the permission to view product costs.")
        for one in words:
            self.say(one)

    def _version_words(self) -> str:
        others = ", ".join(sorted(self.graph.others))
        return f", but Shopify answered in version {others} instead of {shopify_documents.VERSION}" if others else ""

    def _hide(self, token: Secret) -> None:
        self.secrets[f"token {len(self.secrets)}"] = token

    def close(self) -> None:
        """Nothing stays open between calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _who(store: Mapping[str, Any], shop: str) -> str:
    told = store.get("shop") or {}
    own = str(told.get("myshopifyDomain") or shop)
    return f"Signed in at {told.get('name') or shop} ({own})"


def need_scopes(store: Mapping[str, Any], signs_in: bool, needed: Collection[str] = NEEDED) -> None:
    """Raises SupplierError naming the scopes that the app was not given."""
    told = (store.get("currentAppInstallation") or {}).get("accessScopes") or []
    granted = shopify_oauth.granted(" ".join(str(one.get("handle")) for one in told))
    if missing := [scope for scope in needed if scope not in granted]:
        raise shopify_words.lacks(missing, signs_in=signs_in)


def _of(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _size(places: int) -> int:
    """Variants that are asked for at a time, with a level for each place."""
    return max(1, min(MOST_ON_A_PAGE, MOST_POINTS // (4 + 3 * min(MOST_LEVELS, places + 1))))


def _nodes(page: Any) -> list[Mapping[str, Any]]:
    nodes = page.get("nodes") if isinstance(page, Mapping) else None
    if not isinstance(nodes, list) or not all(isinstance(one, Mapping) for one in nodes):
        raise _unreadable()
    return nodes


def _next(page: Any) -> str | None:
    ends = page.get("pageInfo") if isinstance(page, Mapping) else None
    if not isinstance(ends, Mapping):
        raise _unreadable()
    if not ends.get("hasNextPage"):
        return None
    if not ends.get("endCursor"):
        raise problems.cut_pages()
    return str(ends["endCursor"])


def _unreadable() -> SupplierError:
    return problems.protocol_error("The answer cannot be read", "A list that we asked for is not in it. Nothing was used.")


def _joined(lines: Iterator[bytes]) -> Iterator[bytes]:
    waiting, size = [], 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= _CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
