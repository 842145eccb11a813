"""A SOAP service's answer, of one call or of one call for each product, as a JSON-lines document, which is a feed like any other.

WSDL ─▶ operation ─▶ arguments ─▶ call … ─▶ items ─▶ one line each ─▶ `.part` ─ fsync ─ rename
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from portal.connectors import answers, problems, rest_send, sending, soap_answers, soap_arguments, soap_parcels, soap_send
from portal.connectors.api_auth import refused
from portal.connectors.caller import MOST_TRIES, Answer, Asked, Caller, without_query
from portal.connectors.lists import ListReader
from portal.connectors.network import Guard
from portal.connectors.sending import Found, Sent, Witness
from portal.connectors.soap_auth import SoapAuth
from portal.connectors.soap_files import origin
from portal.connectors.soap_reading import XML, Library, WsdlReader
from portal.connectors.soap_schema import shaped
from portal.connectors.soap_wsdl import Contract, Operation
from portal.connectors.spool import Progress, Spool
from portal.connectors.steps import Finding, Steps
from portal.connectors.store_tracking import Placed
from portal.errors import SupplierError
from portal.records import Check, Exchange, Fetched, FileEntry, Secret

NAME = "items.jsonl"
SIGN_INS = {"sign_in_refused", "permission_denied", "user_locked"}
_CHUNK = 200_000
MOST_FAILED = 5
"""Orders that fail one after the other from the first on, after which none is asked for any more."""


class SoapConnector(ListReader):
    """A SOAP service. Settings: `wsdl_from` (address or upload), `wsdl`, `endpoint`, `auth` (none, wsse_text, wsse_digest, basic or
    arguments), `user`, `wsdl_operation` (key or name), `arguments` (see soap_arguments; a text as in a TOML), `items` (path in the answer),
    `errors_at`, `errors_good`, `errors_nothing` (texts, separated by commas), `orders` (see store_tracking.Placed) for each of which the
    arguments ask where they name one, `ask` (of `arguments_…`, added to the others), `since`, `tracking` (its parcels are read by
    soap_parcels), `products`, or `products_operation` with `products_arguments` and
    `products_path` that tells them, `rest` seconds between calls, `most_pages` calls to make.

    Secrets: `password`, `key`. A message says for itself who asks (arguments), or its header does (WS-Security), or HTTP does (Basic).
    """

    called = "call"

    def __init__(
        self, settings: Mapping[str, Any], secrets: Mapping[str, Secret], *, guard: Guard, trusted_key: Mapping[str, Any] | None,
        library: Library, record: Callable[[Exchange], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.settings, self.secrets = settings, dict(secrets)
        self.auth = SoapAuth(settings, self.secrets)
        ticked = settings.get("plain_ok") in (True, "true", "on", "1")
        open_to_all = self.auth.kind == "none" and not any(self.secrets.values())
        rest = float(self._text("rest") or 0)
        self.caller = Caller(guard, secrets=self.secrets, record=record, trusted_key=trusted_key, plain_ok=ticked or open_to_all, rest=rest)
        reading = Caller(guard, secrets=self.secrets, record=record, trusted_key=trusted_key, plain_ok=True)
        elsewhere = Caller(guard, secrets=self.secrets, record=record, plain_ok=True)
        self.reader = WsdlReader(settings, library, self.caller if self.auth.headers() else reading, elsewhere, self.auth)
        self.arguments = {**_placed(settings.get("arguments")), **_placed(settings.get(f"arguments_{self._text('ask')}"))}
        self.orders = [Placed.read(one) for one in settings.get("orders") or []]
        self.each_order = soap_arguments.names_an_order(self.arguments)
        self.products = [str(one) for one in settings.get("products") or []]
        self.most_calls = int(float(self._text("most_pages") or 0))

    def check(self, report: Callable[[Check], None], folder: str) -> list[FileEntry]:
        """Checks 1 to 5: the WSDL is read anew, and the operation is called once, for the first product where it takes one."""
        steps = Steps(report)
        with _at_the_endpoint(steps, "protocol_error", "http_status", "too_large"):
            contract, changed, unused = self.reader.anew(steps)
        with _at_the_endpoint(steps, "not_set_up", "protocol_error"):
            operation = self.reader.chosen(contract)
            address = self.reader.endpoint(operation)
        with _at_the_endpoint(steps, "not_set_up"):
            left = self._list_products(contract, lambda *_: None, 1, unused)
            values = next(self._calls())[1]
        with _at_the_endpoint(steps, "not_set_up"):
            answer = self._post(contract, operation, values, address, lambda *_: None, 1, left)
        error, message = self._judged(answer, operation)
        with steps.step("sign_in") as found:
            if isinstance(error, SupplierError) and error.problem.code in SIGN_INS:
                raise error
            found.detail = self.auth.words()
        with steps.step("folder") as found:
            if isinstance(error, SupplierError):
                raise error
            self._tell(found, operation, error or "", 0 if error else len(self._rows(message, operation)), changed)
        return self.listing(folder)

    def listing(self, folder: str) -> list[FileEntry]:
        """The one list, as a file."""
        return [FileEntry(NAME, None, None)]

    def fetch(
        self, folder: str, match: str, pattern: str, into: Path, limit_bytes: int, progress: Progress, settle_seconds: float = 5.0
    ) -> Fetched:
        """Make every call, and write the items of each answer into `into`, one a line. A call that fails ends all: half a list is none."""
        contract = self.reader.contract()
        operation = self.reader.chosen(contract)
        address = self.reader.endpoint(operation)
        tell = self.follow(progress)
        self.caller.say = self.say
        self._list_products(contract, tell, MOST_TRIES)
        each = self.orders if self.each_order else self.products if soap_arguments.asks_for_each(self.arguments) else [None]
        calls = min(len(each), self.most_calls or len(each))
        nothing, failed = list[str](), list[str]()
        with Spool(into, limit_bytes, None, tell) as spool:
            for number, (product, values) in enumerate(self._calls(), 1):
                if self.most_calls and number > self.most_calls:
                    break
                answer = self._post(contract, operation, values, address, tell, MOST_TRIES)
                error, message = self._judged(answer, operation)
                if isinstance(error, SupplierError) and self._of_one_order(error, answer, len(failed), number):
                    failed.append(product)
                    told = error.problem
                    self.say(f"{product}: {told.headline}. {told.server_said} It is asked for again at the next read.", "warning")
                elif isinstance(error, SupplierError):
                    raise self._with_changes(self._of_product(error, product))
                found = [] if error else self._rows(message, operation)
                nothing += [product] if error and product and product not in failed[-1:] else []
                self.turn(len(found), None, calls)
                asked = {"asked_for": product} if product and not self._text("tracking") else {}
                lines = b"".join(orjson.dumps(one | asked, option=orjson.OPT_APPEND_NEWLINE) for one in found)
                for start in range(0, len(lines), _CHUNK):
                    spool.write(lines[start : start + _CHUNK])
            size, digest = spool.size, spool.finish()
        if nothing and self.each_order:
            self.say(f"The service tells no parcel yet of {len(nothing):,} of {calls:,} orders: {problems.some(nothing)}.")
        elif nothing:
            self.say(f"The service knows nothing of {len(nothing):,} of {calls:,} products: {problems.some(nothing)}. They are left out.")
        return Fetched(str(into), NAME, size, digest, None, f"{without_query(address)} {operation.name}")

    # sending

    @property
    def witness(self) -> Witness:
        """How a document is found again: `path` is an operation of this WSDL, `query` its arguments."""
        return Witness.of(self.settings)

    def send(self, operation: str, document: bytes, reference: str) -> Sent:
        """Put the document (JSON in the schema's shape) into one call of the operation; see sending.Sends and soap_send.ended."""
        if self._text("operation") != operation or not self._text("wsdl_operation"):
            raise sending.cannot("send", "SOAP")
        contract = self.reader.contract()
        chosen = self.reader.chosen(contract)
        address = self.reader.endpoint(chosen)
        asked = self._asked(contract, chosen, next(self._calls())[1], address, soap_send.parts_of(document))
        host = origin(address)[1]

        def ended(answer: Answer) -> Sent:
            return soap_send.ended(answer, lambda: self._message(answer, chosen), self.settings, self.secrets.values(), reference, host)

        return sending.once(lambda steps: self.caller.ask(asked, steps=steps), ended, reference, host)

    def find(self, reference: str, since: str = "") -> Found | None:
        """The document with our reference, as the witness's operation tells it; see sending.Sends."""
        values = soap_send.search(self.witness, self._known(), reference, since)
        contract = self.reader.contract()
        asked_of = contract.operation(self.witness.path)
        if asked_of is None:
            raise sending.cannot("find", "SOAP")
        answer = self._post(contract, asked_of, values, self.reader.endpoint(asked_of), lambda *_: None, MOST_TRIES)
        error, message = self._judged(answer, asked_of)
        if isinstance(error, SupplierError):
            raise error
        return rest_send.found(self.witness, [] if error else soap_answers.rows(message, self.witness.items) or [], reference)

    # calls

    def _list_products(self, contract: Contract, progress: Progress, tries: int, steps: Steps | None = None) -> Steps | None:
        """Ask the operation that tells the product ids, where one does; the steps that are left to report."""
        name = self._text("products_operation")
        if not name or not soap_arguments.asks_for_each(self.arguments):
            return steps
        operation = contract.operation(name)
        if operation is None:
            body = f"The WSDL has no {name.rpartition(':')[2][:40]} any more, which told the product ids."
            raise problems.question("The listing operation is gone", body, "Choose where they come from", "operation")
        values = soap_arguments.resolved(_placed(self.settings.get("products_arguments")), self._known())
        answer = self._post(contract, operation, values, self.reader.endpoint(operation), progress, tries, steps)
        error, message = self._judged(answer, operation)
        if isinstance(error, SupplierError):
            raise error
        self.products = [] if error else soap_answers.ids(message, self._text("products_path"))
        if not self.products:
            place = self._text("products_path")[:60]
            raise problems.protocol_error("The service told no product ids", f"{operation.name} has none at {place}. {error or ''}".strip())
        return Steps()

    def _calls(self) -> Iterator[tuple[str, dict[str, list[str]]]]:
        """Each call to make: the product that it is for ("" for none), and its arguments."""
        if self.each_order:
            for order in self.orders:
                values = {"reference": order.reference, "their_number": order.id}
                yield order.reference, soap_arguments.resolved(soap_arguments.put(self.arguments, values), self._known())
            return
        if not soap_arguments.asks_for_each(self.arguments):
            asked = soap_arguments.put(self.arguments, {"since": self._text("since")})
            yield "", soap_arguments.resolved(asked, self._known())
            return
        if not self.products:
            body = "The service is asked for one product at a time. Enter the supplier's product ids."
            raise problems.question("Which products do we ask for?", body, "Enter the product ids", "operation")
        for product in self.products:
            yield product, soap_arguments.resolved(self.arguments, {**self._known(), "product": product})

    def _known(self) -> dict[str, str]:
        secrets = {name: one.reveal() for name, one in self.secrets.items() if name in ("password", "key")}
        return {"user": self.auth.user, "since": self._text("since"), **secrets}

    def _asked(
        self,
        contract: Contract,
        operation: Operation,
        values: Mapping[str, list[str]],
        address: str,
        document: Mapping[str, Any] | None = None,
    ) -> Asked:
        body, headers = contract.message(operation, values, address, self.auth.token(), document)
        self.auth.hide(body)
        return Asked("POST", address, headers={**XML, **headers, **self.auth.headers()}, body=body)

    def _post(
        self, contract: Contract, operation: Operation, values: Mapping[str, list[str]], address: str, progress: Progress, tries: int,
        steps: Steps | None = None,
    ) -> Answer:  # fmt: skip
        asked = self._asked(contract, operation, values, address)
        if steps is not None:
            return self.caller.ask(asked, steps=steps)
        return self.caller.read(asked, progress, most=tries, settled=soap_answers.is_fault)

    def _judged(self, answer: Answer, operation: Operation) -> tuple[SupplierError | str | None, Any]:
        """What the answer says of itself, and its message in the schema's shape."""
        hidden = self.secrets.values()
        if not answer.good and not soap_answers.is_fault(answer):
            return refused(answer, self.caller, self.auth.user), None
        try:
            message = self._message(answer, operation)
            good, nothing = ([one.strip() for one in self._text(name).split(",")] for name in ("errors_good", "errors_nothing"))
            return soap_answers.business_error(message, self._text("errors_at"), good, hidden, nothing), message
        except SupplierError as error:
            return error, None
        except answers.Unreadable as error:
            return problems.protocol_error("The answer cannot be read", f"{error}. Nothing was used."), None

    def _message(self, answer: Answer, operation: Operation) -> Any:
        return shaped(soap_answers.opened(answer, self.secrets.values()), operation.gives)

    def _rows(self, message: Any, operation: Operation) -> list[dict[str, Any]]:
        if self._text("tracking") == soap_parcels.SHAPE:
            return soap_parcels.rows(message, self.orders, self.each_order, self.say)
        path = self._text("items")
        instead = soap_answers.leads_nowhere(message, path)
        if instead and path.split(".")[0] not in {one.name for one in operation.gives.parts}:
            raise problems.protocol_error(
                "The answer holds no items where we look", f"We look at “{path[:80]}”; it holds {instead}.", permanent=True
            )
        found = soap_answers.rows(message, path)
        if found is None:
            raise problems.protocol_error(
                "The answer holds no items where we look", f"At {path[:80] or 'its top'} is no list.", permanent=True
            )
        return found

    # in words

    def _tell(self, found: Finding, operation: Operation, nothing: str, items: int, changed: str) -> None:
        counted = f"{operation.name} answered: {items:,} items"
        if self.products and soap_arguments.asks_for_each(self.arguments):
            counted = (
                f"{operation.name} answered for {self.products[0][:40]}: {items:,} items. {len(self.products):,} products, a call for each"
            )
        found.detail = f"{counted}. It said: {nothing}" if nothing else counted
        if changed:
            found.detail += f". {changed}"
        found.facts["folder"] = operation.name

    def _of_one_order(self, error: SupplierError, answer: Answer, failed: int, calls: int) -> bool:
        """Whether it is the fault of one order, after which others can be asked for: the service answered, and not always so."""
        answered = answer.good or soap_answers.is_fault(answer)
        last = calls == len(self.orders) or calls >= MOST_FAILED
        return self.each_order and answered and error.problem.code not in SIGN_INS and not (last and failed == calls - 1)

    def _of_product(self, error: SupplierError, product: str) -> SupplierError:
        if not product or error.problem.code in SIGN_INS:
            return error
        told = error.problem
        return problems.protocol_error(
            told.headline, f"We asked for product {product[:40]}. {told.body}", told.server_said, permanent=error.permanent
        )

    def _with_changes(self, error: SupplierError) -> SupplierError:
        """A refusal; where the WSDL is another than the kept one, that is said, as it may be why."""
        if self.reader.uploaded or error.problem.code not in ("protocol_error", "http_status"):
            return error
        try:
            changed = self.reader.anew(Steps())[1]
        except SupplierError:  # the refusal is what the merchant must hear about
            return error
        if not changed:
            return error
        told = replace(error.problem, body=f"{error.problem.body} {changed}.", act="Look at the arguments", act_at="operation")
        return SupplierError(told, error.permanent, error.status)

    def _text(self, key: str) -> str:
        return str(self.settings.get(key) or "").strip()

    def close(self) -> None:
        """Nothing stays open between calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _placed(told: Any) -> Mapping[str, Mapping[str, Any]]:
    """Arguments from the connection's settings, or from the text of a supplier's file."""
    return soap_arguments.written(told) if isinstance(told, str) else told or {}


@contextmanager
def _at_the_endpoint(steps: Steps, *codes: str) -> Iterator[None]:
    """A failure with one of these codes stands at the check of the endpoint, whatever was not tried before it."""
    try:
        yield
    except SupplierError as error:
        if error.problem.code not in codes:
            raise
        with steps.step("folder"):
            raise
