"""The address that a platform gives each of its stores: typed in any of its forms, and nothing else is ever asked.

typed ─▶ turned: the native address, or Foreign with what to do   (a credential would go to that server, so this comes before anything)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from portal.suppliers.schema import NATIVE_KEYS, check_keys

LONGEST = 2_000
RULE = "Avoid custom domains; use the platform's native URL"


@dataclass(frozen=True)
class NativeHost:
    """The address that a platform gives each store, which the setting `setting` must hold: a custom domain is refused.

    `address` and each form of `also` hold {name}, a text that `name` (a regular expression) fits whole: "{name}.myshopify.com",
    "admin.shopify.com/store/{name}". `where` says where a merchant finds the address.
    """

    setting: str
    address: str
    where: str
    name: str = "[a-z0-9][a-z0-9-]{0,61}"
    also: tuple[str, ...] = ()


def read(where: str, table: Mapping[str, Any]) -> NativeHost:
    """The table `native_host` of a supplier's TOML. Raises ValueError naming `where` and the key."""
    at = f"{where}: native_host"
    check_keys(at, table, NATIVE_KEYS)
    native = NativeHost(**{**table, "also": tuple(table.get("also", ()))})
    for form in (native.address, *native.also):
        if form.count("{name}") != 1:
            raise ValueError(f"{at}: {form!r} must hold {{name}} once")
    try:
        re.compile(native.name)
    except re.error as error:
        raise ValueError(f"{at}: name {native.name!r} is no pattern ({error})") from error
    return native


class Foreign(Exception):
    """What was typed is not the native address. `str(error)` is a sentence; `proposal` is the address where it can be worked out."""

    def __init__(self, words: str, proposal: str = "") -> None:
        super().__init__(words)
        self.proposal = proposal


def turned(native: NativeHost, typed: str, known: str = "") -> str:
    """The native address that `typed` says: itself, a page under it, one of the `also` forms, or the store's bare name.

    `known`: the address that was in use before. Raises Foreign for everything else, before anything is sent anywhere.
    """
    text = typed.strip(" ").lower()
    if not text.isascii() or not text.isprintable() or "\\" in text or " " in text or len(text) > LONGEST:
        raise Foreign(_words(native, ""), "")
    bare = re.sub(r"^https?://", "", text)
    host = re.split(r"[/?#]", bare, maxsplit=1)[0]
    if name := _named(native, bare):
        return native.address.replace("{name}", name)
    if is_native(native, host):
        return host
    if re.fullmatch(native.name, bare):
        return native.address.replace("{name}", bare)
    found = _worked_out(native, text, host) or (known if is_native(native, known) else "")
    raise Foreign(_words(native, found), found)


def is_native(native: NativeHost, host: str) -> bool:
    """Whether `host` is a native address to the letter: no port, user, path, line break or other letters around it."""
    return re.fullmatch(_pattern(native, native.address), host) is not None


def _named(native: NativeHost, bare: str) -> str:
    """The store's name in one of the other forms, "" when it is none of them."""
    for form in native.also:
        if found := re.fullmatch(rf"{_pattern(native, form)}(?:[/?#].*)?", bare):
            return found["name"]
    return ""


def _worked_out(native: NativeHost, text: str, host: str) -> str:
    """The native address where the text names it beside what makes it unusable: a user, a port, a last dot, a question's `shop`."""
    alone = re.sub(r":\d*$", "", host.rpartition("@")[2]).rstrip(".")
    if is_native(native, alone):
        return alone
    try:
        asked = dict(parse_qsl(urlsplit(text).query))
    except ValueError:
        return ""
    return next((value for value in asked.values() if is_native(native, value)), "")


def _pattern(native: NativeHost, form: str) -> str:
    before, _, after = form.partition("{name}")
    return rf"{re.escape(before)}(?P<name>{native.name}){re.escape(after)}"


def _words(native: NativeHost, found: str) -> str:
    such = native.address.replace("{name}", "your-store")
    if found:
        return f"{RULE}. We filled in {found}: check that it is yours, and save again. Nothing was sent."
    return f"{RULE}, such as {such}. {native.where} Nothing was sent."
