"""A supplier's file, proved: what its schema cannot show, and its sample documents played (the four questions of each operation).

TOML ─▶ schema ─▶ paths, mapping ─▶ samples: request built right? sent to the right place? answer read? error read?
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from portal import feeds, mapping, matching, order_mapping
from portal.connectors import answers, open_connector, paging
from portal.connectors.network import Guard
from portal.connectors.soap_files import Files, sort_uploads
from portal.connectors.taken import Taken
from portal.errors import Invalid, SupplierError
from portal.fields import INVENTORY_COLUMNS, INVENTORY_FIELDS
from portal.records import Secret
from portal.supplier_samples import LOOPBACK, Player, playing
from portal.suppliers import Supplier
from portal.suppliers.operations import Operation

QUESTIONS = ("request", "place", "answer", "error")
PLAYED = frozenset({"rest", "shopify", "soap"})
"""Protocols whose samples are requests and answers. Those of files are files; others bring tests of their own."""
FILES = frozenset({"sftp", "ftp", "http", "upload", "webhook"})
_PATHS = ("items", "error_at", "cursor", "total", "pages", "sent_id", "denied_at", "children_items", "join_items", "join_key", "join_on")
LARGEST = 50_000_000
_DAY = datetime(2026, 11, 27, tzinfo=UTC)


@dataclass
class Report:
    """What was found: `wrong` says what must be mended; `said` what was proved, by operation or file."""

    wrong: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)


def check(supplier: Supplier, samples: Path) -> Report:
    """Check the supplier and play its sample documents in the folder `samples`. Never raises for what it finds wrong."""
    report = Report([f"{name}: {words}" for name, operation in supplier.operations.items() for words in _plain_faults(operation)])
    if not samples.is_dir() or not any(samples.iterdir()):
        report.wrong.append(f"There are no sample documents in {samples}. Nothing proves this entry without them.")
        return report
    if supplier.protocol in FILES:
        _files(supplier, samples, report)
    if supplier.protocol not in PLAYED:
        return report
    for name in sorted(supplier.operations.keys() | ({"get_inventory"} if supplier.supports["inventory"] else set())):
        path = samples / f"{name}.json"
        if not path.is_file():
            report.wrong.append(f"{name}: {path.name} is missing")
            continue
        wrong, said = _played(supplier, name, {"wsdl": samples / f"{name}.wsdl", **json.loads(path.read_text("utf-8"))})
        report.wrong += [f"{name}: {words}" for words in wrong]
        report.said[name] = said
    return report


def _plain_faults(operation: Operation) -> Iterator[str]:
    """Paths that are none, a style of paging that is none, steps of the mapping that are none."""
    texts = operation.texts
    paths = {key: texts[key] for key in texts if key.removeprefix("join2_") in _PATHS or key in _PATHS or key.startswith("join2_")}
    paths = {key: text for key, text in paths.items() if not key.endswith(("_path", "_query", "_as"))}
    paths |= {f"witness.{key}": str(operation.witness[key]) for key in ("items", "field", "id") if key in operation.witness}
    yield from (f"{key}: {words}" for key, text in paths.items() if (words := answers.check_path(text)))
    if texts.get("paging", "none") not in paging.STYLES:
        yield f"paging {texts['paging']!r} is not one of {', '.join(paging.STYLES)}"
    if operation.layout:
        try:
            order_mapping.check_layout(operation.layout)
        except Invalid as refused:
            yield f"layout: {refused}"
    if operation.mapping:
        try:
            mapping.check_rules(operation.rules(operation.columns), operation.columns)
        except Invalid as refused:
            yield f"mapping: {refused}"


# requests and answers


def _played(supplier: Supplier, name: str, sample: Mapping[str, Any]) -> tuple[list[str], str]:
    """(what is wrong, what was proved) of one operation."""
    whole, wrong = supplier.whole(sample.get("settings", {}), name), []
    if (place := whole.get("base") or whole.get("endpoint")) != sample["base"]:
        wrong.append(f"place: it asks {place}, not {sample['base']}")
    parts = [_told_check(supplier, whole, sample), _told_list(supplier, name, whole, sample), _told_send(supplier, whole, sample)]
    parts += [_told_error(supplier, name, whole, sample, error) for error in sample.get("errors", [])]
    if not sample.get("errors"):
        wrong.append("error: no sample of an answer that is one")
    return wrong + [words for found in parts for words in found], f"request, place, answer and {len(sample.get('errors', []))} errors"


def _open(supplier: Supplier, whole: Mapping[str, Any], sample: Mapping[str, Any], player: Player) -> Any:
    """The connector, its base on the player's port and its path kept."""
    here = f"{LOOPBACK}:{player.port}"
    moved = {
        key: urlunsplit(urlsplit(str(whole[key]))._replace(scheme="http", netloc=here))
        for key in ("base", "token_url", "endpoint")
        if whole.get(key)
    }
    secrets = {key: Secret(text) for key, text in sample.get("secrets", {}).items()}
    guard = Guard.from_config("", [(LOOPBACK, player.port)])
    library = _Beside(sample["wsdl"]) if supplier.protocol == "soap" else None
    settings = {**whole, **moved, "plain_ok": "1"}
    return open_connector(supplier.protocol, settings, secrets, guard=guard, trusted_key=None, library=library)


class _Beside:
    """The WSDL that lies beside the samples of an operation, NAME.wsdl."""

    def __init__(self, path: Path) -> None:
        self._files = sort_uploads([(path.name, path.read_bytes())])

    def kept(self) -> Files:
        return self._files

    def uploads(self) -> dict[str, bytes]:
        return {}

    def keep(self, *_: Any) -> str:
        return ""


def _told_check(supplier: Supplier, whole: Mapping[str, Any], sample: Mapping[str, Any]) -> list[str]:
    if "check" not in sample:
        return []
    with playing(sample["check"]) as player, _open(supplier, whole, sample, player) as connector:
        try:
            connector.check(lambda _: None, "")
        except SupplierError as error:
            return [*player.missed(), f"check: {error.problem.headline}. {error.problem.body} {error.problem.server_said}"]
    return [f"check: {words}" for words in player.missed()]


def _told_list(supplier: Supplier, name: str, whole: Mapping[str, Any], sample: Mapping[str, Any]) -> list[str]:
    """Whether the list is asked for as the sample says, and becomes its items or rows."""
    if name == "send_orders":
        return []
    with tempfile.TemporaryDirectory() as folder, playing(sample["exchanges"]) as player:
        into = Path(folder) / "items.jsonl"
        try:
            with _open(supplier, whole, sample, player) as connector:
                connector.fetch("", "newest", "*", into, LARGEST, lambda *_: None)
        except SupplierError as error:
            return [*player.missed(), f"answer: {error.problem.headline}. {error.problem.body} {error.problem.server_said}"]
        wrong = [f"request: {words}" for words in player.missed()]
        return wrong + _items_wrong(into, supplier.operations.get(name), sample)


def _items_wrong(path: Path, operation: Operation | None, sample: Mapping[str, Any]) -> list[str]:
    if "rows" in sample:
        found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return [] if found == sample["rows"] else [f"answer: the rows are {json.dumps(found)}"]
    found = items_of(path, path.name, operation)
    return [] if found == sample["items"] else [f"answer: the items are {json.dumps(found)}"]


def _told_send(supplier: Supplier, whole: Mapping[str, Any], sample: Mapping[str, Any]) -> list[str]:
    """Whether order lines become the document, whether that is sent as the sample says, and found again by the witness."""
    wrong = []
    if "lines" in sample:
        (made,) = order_mapping.files(supplier.operations["send_orders"].layout, sample["lines"], at=_DAY, number="1")
        if (found := json.loads(made.content)) != sample["document"]:
            wrong.append(f"request: the document is {json.dumps(found)}")
    elif whole.get("operation") == "send_orders" and supplier.operations["send_orders"].layout:
        wrong.append("request: no sample of order lines that become the document")
    if "document" in sample:
        document = json.dumps(sample["document"]).encode()
        with playing(sample["exchanges"]) as player, _open(supplier, whole, sample, player) as connector:
            sent = connector.send("send_orders", document, sample["reference"])
        wrong += [f"request: {words}" for words in player.missed()]
        if {"outcome": sent.outcome, "their_id": sent.their_id} != sample["sent"]:
            wrong.append(f"answer: it ended as {sent.outcome} with {sent.their_id!r}")
    if "find" in sample:
        with playing(sample["find"]["exchanges"]) as player, _open(supplier, whole, sample, player) as connector:
            found = connector.find(sample["reference"], sample["find"].get("since", ""))
        wrong += [f"witness: {words}" for words in player.missed()]
        if (found.their_id if found else None) != sample["find"]["their_id"]:
            wrong.append(f"witness: it found {found}")
        wrong += _told_lines(supplier, whole, sample, "find", found.answer if found else None)
    if "document" in sample:
        wrong += _told_lines(supplier, whole, sample, "sent", sent.answer)
    return wrong + _told_cancel(supplier, whole, sample)


def _told_lines(supplier: Supplier, whole: Mapping[str, Any], sample: Mapping[str, Any], where: str, answer: Any) -> list[str]:
    """Whether the lines that they took, as the sample's answer or their list tells them, are those of its document."""
    taken, wrong = supplier.operations["send_orders"].taken if "send_orders" in supplier.operations else {}, []
    if not taken or answer is None:
        return []
    if taken.get("path"):
        if "taken" not in sample:
            return ["taken: no sample of the lines of an order"]
        with playing(sample["taken"]["exchanges"]) as player, _open(supplier, whole, sample, player) as connector:
            answer = connector.lines(sample["sent"]["their_id"])
        wrong = [f"taken: {words}" for words in player.missed()]
    told = Taken(**taken).differences(json.dumps(sample["document"]).encode(), answer)
    return wrong if told == [] else [*wrong, f"taken: the lines of {where} differ: {told}"]


def _told_cancel(supplier: Supplier, whole: Mapping[str, Any], sample: Mapping[str, Any]) -> list[str]:
    """Whether their order is canceled as the sample says."""
    taken = supplier.operations["send_orders"].taken if whole.get("operation") == "send_orders" else {}
    if not taken.get("cancel_path"):
        return []
    if "cancel" not in sample:
        return ["cancel: no sample of an order that is canceled"]
    with playing(sample["cancel"]["exchanges"]) as player, _open(supplier, whole, sample, player) as connector:
        try:
            connector.cancel(sample["sent"]["their_id"])
        except SupplierError as error:
            return [*player.missed(), f"cancel: {error.problem.headline}. {error.problem.body}"]
    return [f"cancel: {words}" for words in player.missed()]


def _told_error(supplier: Supplier, name: str, whole: Mapping[str, Any], sample: Mapping[str, Any], error: Mapping[str, Any]) -> list[str]:
    """Whether an answer that is an error is read as the sample says: a failure's `code` and a part of its words; a send's outcome."""
    asked = sample["exchanges"] if name == "send_orders" else (sample.get("check") or sample["exchanges"])[:1]
    at = error.get("at", len(asked) - 1)  # of several requests that belong to one send, the last one is the order itself
    found, words = "no failure", ""
    with playing([*asked[:at], {**asked[at], "answer": error["answer"]}]) as player, _open(supplier, whole, sample, player) as connector:
        if name == "send_orders":
            sent = connector.send(name, json.dumps(sample["document"]).encode(), sample["reference"])
            found, words = sent.outcome, f"{sent.problem}"
        else:
            try:
                if whole.get("tracking"):  # which asks for orders only, and nobody tests it alone
                    with tempfile.TemporaryDirectory() as folder:
                        connector.fetch("", "newest", "*", Path(folder) / "items.jsonl", LARGEST, lambda *_: None)
                connector.check(lambda _: None, "")
            except SupplierError as caught:
                found, words = caught.problem.code, f"{caught.problem}"
    wanted = error["outcome" if name == "send_orders" else "code"]
    right = found == wanted and error.get("says", "") in words and not player.wrong
    return [] if right else [f"error {error['answer'].get('status', 200)}: it is {found}, not {wanted}: {words} {player.wrong}"]


# files


def _files(supplier: Supplier, samples: Path, report: Report) -> None:
    """Each `NAME.items.json` says what the file NAME must become."""
    wanted = sorted(samples.glob("*.items.json"))
    if not wanted:
        report.wrong.append(f"{samples} has no NAME.items.json that says what a file must become.")
    for path in wanted:
        file = path.with_name(path.name.removesuffix(".items.json"))
        try:
            found = items_of(file, file.name, supplier.operations.get("get_inventory"))
        except (SupplierError, OSError) as error:
            report.wrong.append(f"{file.name}: {error}")
            continue
        if found != json.loads(path.read_text("utf-8")):
            report.wrong.append(f"{file.name}: the items are {json.dumps(found)}")
        report.said[file.name] = f"{len(found):,} items"


def items_of(path: Path, name: str, operation: Operation | None) -> list[dict[str, Any]]:
    """What the file's rows become by the supplier's own mapping, or by the one we would propose: a dict without empty fields each.

    A row that is set aside is {"set_aside": reasons}. Raises SupplierError.
    """
    form = feeds.detect(path, name).format
    headers, rows = feeds.preview(path, form, 1_000)
    cells = [row.cells for row in rows]
    rules = operation.rules(headers) if operation else {}
    if not rules:
        rules = matching.rules_from(matching.propose(INVENTORY_FIELDS, headers, cells), headers, cells, form.decimal_mark)
    mapper, found = mapping.compile_rules(rules, headers, form.decimal_mark), []
    for row in rows:
        values, problems = mapper(row)
        if values is None:
            found.append({"set_aside": [problem.reason for problem in problems if problem.fatal]})
        else:
            found.append({key: value for key, value in zip(INVENTORY_COLUMNS, values, strict=True) if value is not None})
    return found
