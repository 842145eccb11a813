"""A large store in one go: Shopify reads it by itself and leaves a file of lines, children after and apart from their parents.

start (again while its places are taken) ─▶ look, seldomer each time ─▶ file, from the allowed host and without a token ─▶ Shelf
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from portal.connectors import problems, shopify_documents, shopify_words
from portal.connectors.caller import unwatched, without_query
from portal.connectors.http import HttpConnector
from portal.connectors.network import was_cut
from portal.connectors.shopify_graph import Graph
from portal.connectors.shopify_rows import Shelf
from portal.connectors.spool import Progress, wait
from portal.errors import SupplierError
from portal.records import Exchange

LONGEST = 4 * 3_600.0
"""Seconds that a run waits for Shopify to read the store; it then stops the reading over there."""
LONGEST_QUEUE = 900.0
"""Seconds that a run waits for a free place among the five readings that a store allows at a time."""
LOOKS = (1.0, 2.0, 3.0, 5.0, 10.0)
"""Seconds between two looks, the last again and again."""
LONGEST_LINE = 4_000_000
BUSY = frozenset({"LIMIT_REACHED", "OPERATION_IN_PROGRESS"})
_FAULTS = {"INTERNAL_SERVER_ERROR": "It had a fault of its own", "TIMEOUT": "It took Shopify too long"}


def read(
    graph: Graph, shelf: Shelf, beside: Path, limit_bytes: int, progress: Progress, count: Callable[[int], None], *, cost: bool
) -> None:
    """Put the whole store on the shelf. What `progress` raises stops the reading at Shopify too; `count` is told how far Shopify is.

    Raises SupplierError.
    """
    number = _start(graph, shopify_documents.all_variants(cost), progress)
    try:
        done = _finished(graph, number, progress, count)
    except BaseException:
        with suppress(SupplierError):  # it ends by itself; why we leave is what must be heard
            graph.once(shopify_documents.BULK_CANCEL, {"id": number}, unwatched)
        raise
    if done.get("url") is None:
        _expect(done, 0, 0)
        return
    into = beside.with_name(beside.name + ".bulk")
    try:
        _download(graph, str(done["url"]), into, limit_bytes, progress)
        lines = 0
        for line in _lines(into):
            _take(shelf, line)
            lines += 1
            if lines % 1_000 == 0:
                progress(0, None)
        _expect(done, lines, shelf.seen.variants)
    finally:
        into.unlink(missing_ok=True)


def _start(graph: Graph, query: str, progress: Progress) -> str:
    waited = 0.0
    while True:
        data = graph.whole(graph.once(shopify_documents.BULK_START, {"query": query}, progress)).get("bulkOperationRunQuery") or {}
        errors = shopify_words.user_errors(data)
        if not errors:
            return str((data.get("bulkOperation") or {}).get("id") or "")
        if not {str(one.get("code")) for one in errors} <= BUSY:
            raise shopify_words.of_user_errors(errors, graph.caller, "Shopify did not begin to read the store")
        if waited >= LONGEST_QUEUE:
            body = "All five readings that a store allows at a time are taken. We go on later by ourselves."
            raise problems.http_status(429, "Shopify is busy with this store", body, str(errors[0].get("message") or ""))
        wait(LOOKS[-1], progress, None)
        waited += LOOKS[-1]


def _finished(graph: Graph, number: str, progress: Progress, count: Callable[[int], None]) -> Mapping[str, Any]:
    """The operation once it is completed."""
    ends, looks = time.monotonic() + LONGEST, 0
    while True:
        wait(LOOKS[min(looks, len(LOOKS) - 1)], progress, None)
        looks += 1
        state = graph.whole(graph.read(shopify_documents.BULK_STATE, {"id": number}, progress)).get("bulkOperation")
        if not isinstance(state, Mapping):
            raise problems.protocol_error("Shopify lost the reading of the store", "It does not know it any more. Nothing was used.")
        count(int(state.get("rootObjectCount") or 0))
        if state.get("status") == "COMPLETED":
            return state
        if state.get("status") not in ("CREATED", "RUNNING"):
            raise _broken(state)
        if time.monotonic() > ends:
            raise problems.timed_out(str(graph.settings.get("shop")), LONGEST, "Shopify read the store")


def _broken(state: Mapping[str, Any]) -> SupplierError:
    status, code, read_so_far = str(state.get("status")), str(state.get("errorCode") or ""), f"{int(state.get('objectCount') or 0):,}"
    said = f"{status} {code}".strip()
    if code == "ACCESS_DENIED":
        return shopify_words.lacks([], said)
    if status in ("CANCELED", "CANCELING"):
        body = "Somebody stopped it over there, or another program of yours did. Nothing was used. We try again by ourselves."
        return problems.http_status(200, "The reading was stopped at Shopify", body, said)
    part = " A part could be had; we do not use it, as the rest would look gone." if state.get("partialDataUrl") else ""
    body = f"{_FAULTS.get(code, 'It gave no reason')}, after {read_so_far} objects. Nothing was used.{part}"
    return problems.http_status(200, "Shopify could not read the whole store", body, said)


def _download(graph: Graph, link: str, into: Path, limit_bytes: int, progress: Progress) -> None:
    """Bring the file, from no other host than the supplier's TOML allows, and with nothing that signs us in."""
    there, plain = urlsplit(link), graph.settings.get("plain_ok") in (True, "true", "on", "1")
    allowed = str(graph.settings.get("download_host") or "")
    if not allowed or there.hostname != allowed or there.username is not None or there.scheme != "https" and not plain:
        raise problems.redirected(there.hostname or "", f"Shopify's files lie at {allowed or 'no place'}; we fetch from nowhere else.")
    bare = HttpConnector({"url": link, "auth": "none"}, {}, guard=graph.caller.guard, trusted_key=None)
    began, at, problem = time.monotonic(), datetime.now(UTC).replace(tzinfo=None), "Broken off by us"
    try:
        bare.fetch("", "exact", "", into, limit_bytes, progress, settle_seconds=0.0)
        problem = ""
    except SupplierError as error:
        problem = problem if was_cut() else error.problem.headline
        raise
    finally:
        size, took = into.stat().st_size if into.exists() else 0, round((time.monotonic() - began) * 1_000)
        status = None if problem else 200
        told = Exchange(at, "GET", without_query(link), status, took, received=size, problem=problem)
        graph.caller.tell(lambda: told)


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE + 1):
            if line.isspace():
                continue
            try:
                found = orjson.loads(line) if len(line) <= LONGEST_LINE else None
            except orjson.JSONDecodeError:
                found = None
            if not isinstance(found, Mapping):
                raise problems.protocol_error("The file of the store cannot be read", "A line of it is not whole JSON. Nothing was used.")
            yield found


def _take(shelf: Shelf, line: Mapping[str, Any]) -> None:
    if "__parentId" in line:
        shelf.put_level(line["__parentId"], line)
    else:
        shelf.put(line)


def _expect(done: Mapping[str, Any], lines: int, variants: int) -> None:
    """Every variant that Shopify counted must have come: one that did not would look as if it were gone."""
    counted = int(done.get("rootObjectCount") or 0)
    if variants < counted:
        body = f"Shopify counted {counted:,} variants and {variants:,} came, in {lines:,} lines. Nothing was used."
        raise problems.protocol_error("The file of the store is not whole", body)
