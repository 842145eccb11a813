"""What the stores behind REST share: their orders by the moment of change, things by path, and one request that changes something.

since ─▶ page ─▶ the last change of it ─▶ again from there, so that an order that moves while we read is met again, never jumped over
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import orjson

from portal.connectors import problems, rest_list, sending, stores
from portal.connectors.api_auth import address, refused
from portal.connectors.caller import Answer, Asked
from portal.connectors.rest import RestConnector
from portal.connectors.rest_list import Wanted
from portal.connectors.sending import Sent
from portal.connectors.stores import StoreOrder, moment
from portal.errors import SupplierError

MOST_PAGES = 2_000


class RestApi:
    """A store's API, reached by a RestConnector and its settings. `not_taken` as in rest_send."""

    def __init__(self, connector: RestConnector) -> None:
        self.connector, self.settings, self.caller = connector, connector.settings, connector.caller
        self.host = urlsplit(self.text("base")).hostname or "the store"

    def text(self, name: str) -> str:
        """One setting."""
        return str(self.settings.get(name) or "")

    def get(self, path: str, **query: str) -> Any:
        """What is there, as plain values; None for nothing (204). Raises SupplierError."""
        place = address(self.settings, path)
        asked = Asked("GET", place, query=query, headers={"Content-Type": "application/json"})  # of a GET, BigCommerce asks for it too
        return rest_list.read(self.connector.ask(asked), Wanted(place))

    def items(self, path: str, **query: str) -> list[Mapping[str, Any]]:
        """The items that are there. Raises SupplierError."""
        found = self.get(path, **query)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            raise problems.protocol_error("The answer cannot be read", f"There is no list at {path.partition('?')[0]}.")
        return found

    def every(self, path: str, size_name: str, size: int) -> list[Mapping[str, Any]]:
        """The items of all pages. Raises SupplierError."""
        found: list[Mapping[str, Any]] = []
        for page in range(1, MOST_PAGES):
            some = self.items(path, page=str(page), **{size_name: str(size)})
            fresh = [one for one in some if one not in found[-size:]]
            found += fresh
            if len(some) < size or not fresh:  # nothing fresh: a server that knows no pages
                break
        return found

    def once(self, method: str, path: str, body: Mapping[str, Any] | None, reference: str, id_at: str = "id") -> Sent:
        """One request that changes something, never repeated. An answer of success without its id is not known ("" = none is told)."""
        return self._once(method, path, body, reference, lambda answer: self._named(answer, reference, id_at))

    def tell(self, method: str, path: str, body: Any) -> Sent:
        """One request that changes something, never repeated. `answer` is what came with success, None where that cannot be read."""
        return self._once(method, path, body, "", lambda answer: Sent("sent", "", answer=_read(answer), status=answer.status))

    def _once(self, method: str, path: str, body: Any, reference: str, judge: Callable[[Answer], Sent]) -> Sent:
        told = orjson.dumps(body) if body is not None else b""
        headers = {"Content-Type": "application/json"} if told else {}
        asked = Asked(method, address(self.settings, path), headers=headers, body=told)
        caller, auth = self.connector.caller, self.connector.auth
        return sending.once(
            lambda steps: caller.ask(auth.sign(asked, caller), steps=steps),
            lambda answer: self._ended(answer, reference, judge), reference, self.host,
        )  # fmt: skip

    def _ended(self, answer: Answer, reference: str, judge: Callable[[Answer], Sent]) -> Sent:
        outcome = sending.outcome_of(answer.status, [int(one) for one in self.text("not_taken").split("|") if one])
        if outcome == "unknown":
            return stores.unknown(reference, self.host)
        if outcome != "sent":
            return Sent(outcome, reference, problem=refused(answer, self.connector.caller, "").problem, status=answer.status)
        return judge(answer)

    def _named(self, answer: Answer, reference: str, id_at: str) -> Sent:
        told = _read(answer) if id_at else {}
        their_id = told.get(id_at) if isinstance(told, Mapping) and id_at else ""
        if their_id is None or isinstance(their_id, bool | list | dict) or (id_at and told is None):
            return stores.unknown(reference, self.host)
        return Sent("sent", reference, str(their_id), answer=told)


def _read(answer: Answer) -> Any:
    """What came, None where it cannot be read: that says nothing of what was done."""
    try:
        return rest_list.read(answer, Wanted(answer.address))
    except SupplierError:
        return None


class RestStore(RestApi, ABC):
    """A store's orders. Settings beside those of RestConnector: `path` of its orders, `orders_query`, `since_name`, `modified` the field
    of the last change, `take` and `gone` the states in which orders are to be shipped or were canceled.
    """

    place = "the order's shipments"
    state_field: ClassVar[str] = "status"

    def changed(self, since: datetime) -> Iterator[list[StoreOrder]]:
        """See stores.Store."""
        field, usual, page = self.text("modified"), dict(parse_qsl(self.text("orders_query"))), 1
        size = int(usual.get("limit") or usual.get("per_page") or 100)
        for _ in range(MOST_PAGES):
            found = self.items(self.text("path"), **usual, **{self.text("since_name"): stores.iso(since), "page": str(page)})
            yield [self.read(one) for one in found]
            if len(found) < size:
                return
            times = [at for one in found if (at := moment(one.get(field))) is not None]
            last = times[-1] if times and times == sorted(times) else None  # else the store does not sort as it was asked to
            if last is not None and last - timedelta(seconds=1) > since:  # stores compare seconds, some beyond and some from it on
                since, page = last - timedelta(seconds=1), 1
            else:
                page += 1  # also where more orders changed in one moment than fit on a page
        raise problems.protocol_error("The list has no end", "The store tells ever more changed orders. What came is kept.")

    def state_of(self, order: Mapping[str, Any]) -> str:
        """take, wait or gone, by the state that the store tells."""
        told = str(order.get(self.state_field))
        return next((name for name in ("take", "gone") if told in self.text(name).split("|")), "wait")

    @abstractmethod
    def read(self, order: Mapping[str, Any]) -> StoreOrder:
        """One order of the list. Raises SupplierError."""
