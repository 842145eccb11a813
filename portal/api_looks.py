"""Looking at a list behind an API before it is read: the requests as they will be sent, and the first answer as a tree of paths.

first answer ─▶ tree ─▶ a click ─▶ where the items are ─▶ tested again
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from portal import connections
from portal.connectors import answers
from portal.connectors.shown import Shown, requests_of
from portal.errors import NotFound, SupplierError
from portal.feeds.branches import Tree
from portal.models import Run, Source
from portal.suppliers import Supplier

MOST_PLACES = 150
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Place:
    """One path of an answer: `depth` levels in, its last part, how often it was seen, some values.

    `items`: the setting that makes what is there the items, None where it cannot be them.
    """

    path: str
    name: str
    depth: int
    count: int
    samples: tuple[str, ...] = ()
    items: str | None = None


def has(supplier: Supplier) -> bool:
    """Whether the supplier is an API whose list the merchant describes."""
    return supplier.protocol == "rest" and "items" in supplier.setting_keys


def requests(supplier: Supplier, values: Mapping[str, Any]) -> list[Shown]:
    """What will be sent first with these values, secrets as ***; none while too little was typed."""
    if not has(supplier) or not values.get("base") or not values.get("path"):
        return []
    try:
        return requests_of(supplier.whole(values))
    except (SupplierError, ValueError):  # what is wrong is said at its field
        return []


def tree_of(body: Any) -> list[Place]:
    """The places of an answer (plain values), parents before what is in them."""
    tree = Tree(".")
    _walk(tree, "$", body)
    places = []
    for branch in sorted(tree.branches.values(), key=lambda one: one.path.split("."))[:MOST_PLACES]:
        names = branch.path.split(".")[1:]
        items = _items(body, names) if branch.holds else None
        name = names[-1] if names else "the whole answer"
        places.append(Place(branch.path, name, min(len(names), 8), branch.count, tuple(branch.samples[:2]), items))
    return places


def kept(run: Run | None) -> list[Place]:
    """The places of the answer that the connection test saw; none when it saw no answer."""
    told = (run.checkpoint if run is not None else {}).get("answer") or []
    return [Place(**{**one, "samples": tuple(one["samples"])}) for one in told]


def to_keep(body: Any) -> list[dict[str, Any]]:
    """What a run keeps of an answer."""
    return [{**asdict(one), "samples": list(one.samples)} for one in tree_of(body)]


def choose(source: Source, items: str, version: int, who: str) -> None:
    """Make the place the items of the source's list. Raises NotFound for another kind of source, Invalid, Stale."""
    supplier, connection = connections.supplier_of(source), connections.find(source)
    if not has(supplier):
        raise NotFound("items")
    connections.save(source, {**connection.settings, "items": items}, {}, version, who)


def _walk(tree: Tree, path: str, value: Any, depth: int = 0) -> None:
    if isinstance(value, list):
        for one in value:
            _walk(tree, path, one, depth + 1)
    elif isinstance(value, Mapping):
        tree.saw(path, True)
        for name, inside in value.items():
            if depth < answers.DEEPEST and "." not in str(name):
                _walk(tree, f"{path}.{name}", inside, depth + 1)
    else:
        tree.saw(path, False, "" if value is None else str(value))


def _items(body: Any, names: list[str]) -> str | None:
    """The path to the items as the setting has it: dotted where that leads there, else with [] for the lists on the way."""
    for text in (".".join(names), _through_lists(body, names)):
        try:
            if not answers.check_path(text) and answers.items(body, text):
                return text
        except answers.Unreadable:
            continue
    return None


def _through_lists(body: Any, names: list[str]) -> str:
    text, at = "", body
    for name in names:
        while isinstance(at, list):
            at, text = (at[0] if at else None), text + "[]"
        at = at.get(name) if isinstance(at, Mapping) else None
        quoted = name if _PLAIN.fullmatch(name) else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        text += f".{quoted}" if text else quoted
    return text + ("[]" if isinstance(at, list) else "")
