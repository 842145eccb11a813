"""What else a server offers, looked at while its connection is tested: names in a list that it publishes.

`probe_path` ─▶ `probe_at` leads to names ─▶ is `probe_needs` among them? which of `probe_names`?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from portal.connectors import answers, problems, rest_list
from portal.connectors.caller import Answer, Asked
from portal.connectors.rest_list import Wanted


def probe(settings: Mapping[str, Any], address: str, ask: Callable[[Asked], Answer]) -> tuple[str, list[str]]:
    """(a sentence for the merchant, the offers that are there); ("", []) for a supplier that asks for no look.

    `probe_names` is "part of a name=what it is in words|…"; `probe_words` begins the sentence, `probe_none` is it where none is there.
    Raises SupplierError when `probe_needs` is missing, with `probe_needs_words`, and when the list does not come.
    """
    if not settings.get("probe_path"):
        return "", []
    wanted = Wanted(address)
    there_are = names(rest_list.read(ask(Asked("GET", address)), wanted), str(settings.get("probe_at") or ""))
    needs = str(settings.get("probe_needs") or "")
    if needs and needs not in there_are:
        raise problems.protocol_error("Something needed is not there", str(settings.get("probe_needs_words") or ""), permanent=True)
    offers = [one.partition("=") for one in str(settings.get("probe_names") or "").split("|") if one]
    there = [words for part, _, words in offers if any(part in name for name in there_are)]
    said = f"{settings.get('probe_words') or 'It has'} {', '.join(there)}" if there else str(settings.get("probe_none") or "")
    return said, there


def names(published: Any, at: str) -> list[str]:
    """The names in a list that a server publishes."""
    found = answers.at(published, at)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
