"""The Supplier Directory: one TOML file per supplier, read strictly.

A TOML file holds values and names only. An unknown or missing key is a `ValueError` that names the
file and the key, so a typo cannot hide.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from portal.errors import NotFound
from portal.suppliers import channels, native_hosts, operations
from portal.suppliers.channels import ChannelFace
from portal.suppliers.native_hosts import NativeHost
from portal.suppliers.operations import Operation
from portal.suppliers.schema import (
    ACCOUNT_KEYS,
    CHOICE_KEYS,
    NEED_KEYS,
    OPERATIONS,
    PROTOCOLS,
    SETTING_KEYS,
    SETTING_KINDS,
    SUPPLIER_KEYS,
    Keys,
    check_keys,
)

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Choice:
    """One option of a choice setting: what is stored, what is shown, and a line of help."""

    value: str
    label: str
    hint: str = ""


@dataclass(frozen=True)
class Setting:
    """One field of the connect form.

    `kind`: text, number, password, textarea, choice, check, folder or key_pair. A key_pair is drawn as
    our public key to copy; its private half is a secret under the setting's key. `secret` values are
    sealed and write-only. `shown_when` is "" or "key=value" of a choice setting of the same supplier, or
    "key=value|other": the field belongs to the form, and is required, only while such a choice is made.
    """

    key: str
    label: str
    kind: str = "text"
    secret: bool = False
    required: bool = False
    default: str = ""
    hint: str = ""
    options: tuple[Choice, ...] = ()
    shown_when: str = ""

    @property
    def in_words(self) -> str:
        """Its label inside a sentence: "address of the WSDL", "API key"."""
        return self.label[:1].lower() + self.label[1:] if self.label[1:2].islower() else self.label

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether the field belongs to a form that holds `values`."""
        if not self.shown_when:
            return True
        key, _, wanted = self.shown_when.partition("=")
        return str(values.get(key, "")) in wanted.split("|")


@dataclass(frozen=True)
class Need:
    """One thing to gather before connecting, and who has it."""

    what: str
    who: str


@dataclass(frozen=True)
class Supplier:
    """One entry of the directory.

    `supports` has the keys inventory, orders and shipments; `cannot` holds a sentence for each that is
    False. `minutes` is how long connecting takes. `letter` is an email to copy. `download_hosts` maps a
    host to the one host it may send a download to, without credentials. `fixed` are settings of the protocol
    that are the same for everybody; {key} in one stands for what was typed in the setting `key`. `operations`: what is different in
    one operation, by get_inventory, send_orders and get_shipments. `native_host`: see NativeHost. `channel`: its store as a channel.
    """

    slug: str
    name: str
    region: str
    categories: tuple[str, ...]
    protocol: str
    methods: tuple[str, ...]
    summary: str
    needs: tuple[Need, ...]
    steps: tuple[str, ...]
    letter: str
    minutes: int
    limits: tuple[str, ...]
    supports: Mapping[str, bool]
    cannot: Mapping[str, str]
    settings: tuple[Setting, ...]
    place: int
    needs_demo: bool = False
    download_hosts: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    native_host: NativeHost | None = None
    operations: Mapping[str, Operation] = field(default_factory=dict)
    channel: ChannelFace | None = None

    def whole(self, settings: Mapping[str, Any], operation: str = "get_inventory") -> dict[str, Any]:
        """What the protocol's connector takes: the fixed settings and those of the operation, filled in, under the connection's.

        With "operation" (only where this supplier describes it), "columns" of its mapping, its "witness", and "taken" and "stock".
        """
        typed = {key: str(value) for key, value in settings.items() if key in self.setting_keys}
        one = self.operations.get(operation)
        texts = {key: _put(text, typed) for key, text in {**self.fixed, **(one.texts if one else {})}.items()}
        told: dict[str, Any] = {"operation": operation, "columns": one.columns, "witness": one.witness} if one else {}
        told |= {"taken": one.taken, "stock": one.stock} if one and operation == "send_orders" else {}
        return {**texts, **told, **settings}

    def setting(self, key: str) -> Setting:
        """The setting named `key`. Raises KeyError."""
        return {one.key: one for one in self.settings}[key]

    @property
    def setting_keys(self) -> frozenset[str]:
        """The keys of all settings."""
        return frozenset(one.key for one in self.settings)

    @property
    def secret_keys(self) -> frozenset[str]:
        """The keys of the settings that are sealed."""
        return frozenset(one.key for one in self.settings if one.secret)


def listing(demo_account: Path | None = None) -> list[Supplier]:
    """All suppliers in directory order. The demo supplier is among them only while it runs."""
    account = read_account(demo_account)
    known = sorted(_all().values(), key=lambda one: (one.place, one.name))
    return [_filled(one, account) for one in known if account or not one.needs_demo]


def find(slug: str, demo_account: Path | None = None) -> Supplier:
    """The supplier `slug`, whether or not the demo runs (its defaults are filled in while it does). Raises NotFound."""
    supplier = _all().get(slug)
    if supplier is None:
        raise NotFound(slug)
    return _filled(supplier, read_account(demo_account))


def read_account(demo_account: Path | None) -> Mapping[str, str]:
    """The running demo supplier's address and sign-in, as text; empty when it does not run."""
    if demo_account is None:
        return {}
    try:
        account = json.loads(demo_account.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    alive = isinstance(account, dict) and account.keys() >= ACCOUNT_KEYS and _alive(account["pid"])
    return {key: str(account[key]) for key in ACCOUNT_KEYS} if alive else {}


def _alive(pid: object) -> bool:
    if type(pid) is not int or pid <= 0:  # to the system 0 and less are groups of processes
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return False


def _filled(supplier: Supplier, account: Mapping[str, str]) -> Supplier:
    """Put the demo account's values where the TOML says `{sftp_host}` and so on."""
    if not supplier.needs_demo:
        return supplier
    values = {key: account.get(key, "") for key in ACCOUNT_KEYS}
    settings = tuple(replace(one, default=_put(one.default, values), hint=_put(one.hint, values)) for one in supplier.settings)
    steps = tuple(_put(step, values) for step in supplier.steps)
    return replace(supplier, settings=settings, steps=steps)


def _put(text: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    return text


@cache
def _all() -> Mapping[str, Supplier]:
    return {path.stem: load(path) for path in sorted(_FOLDER.glob("*.toml"))}


def load(path: Path) -> Supplier:
    """Read and check one TOML file. Raises ValueError naming the file and the key."""
    where = path.name
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{where}: {error}") from error
    check_keys(where, table, SUPPLIER_KEYS)
    settings = tuple(_setting(where, one) for one in table.get("settings", []))
    supplier = Supplier(
        slug=path.stem,
        settings=settings,
        needs=tuple(_need(where, one) for one in table["needs"]),
        supports=_operations(where, table["supports"]),
        cannot=_sentences(where, table.get("cannot", {})),
        download_hosts=_texts(where, "download_hosts", table.get("download_hosts", {})),
        fixed=_texts(where, "fixed", table.get("fixed", {})),
        native_host=native_hosts.read(where, table["native_host"]) if "native_host" in table else None,
        operations=operations.read(where, table["protocol"], table.get("operations", {})),
        channel=channels.read(where, table["channel"]) if "channel" in table else None,
        **{key: _frozen(table[key]) for key in _PLAIN if key in table},
    )
    _check_whole(where, supplier)
    return supplier


_PLAIN = ("name", "region", "categories", "protocol", "methods", "summary", "steps", "letter", "minutes", "limits", "place", "needs_demo")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _need(where: str, table: Mapping[str, Any]) -> Need:
    check_keys(f"{where}: needs", table, NEED_KEYS)
    return Need(**table)


def _operations(where: str, table: Mapping[str, Any]) -> Mapping[str, bool]:
    check_keys(f"{where}: supports", table, Keys(needed=dict.fromkeys(OPERATIONS, bool)))
    return dict(table)


def _sentences(where: str, table: Mapping[str, Any]) -> Mapping[str, str]:
    check_keys(f"{where}: cannot", table, Keys(optional=dict.fromkeys(OPERATIONS, str)))
    return dict(table)


def _texts(where: str, name: str, table: Mapping[str, Any]) -> Mapping[str, str]:
    check_keys(f"{where}: {name}", table, Keys(optional=dict.fromkeys(table, str)))
    return dict(table)


def _setting(where: str, table: Mapping[str, Any]) -> Setting:
    at = f"{where}: settings.{table.get('key', '?')}"
    check_keys(at, table, SETTING_KEYS)
    if table.get("kind", "text") not in SETTING_KINDS:
        raise ValueError(f"{at}: kind {table['kind']!r} is not one of {', '.join(sorted(SETTING_KINDS))}")
    for option in table.get("options", []):
        check_keys(f"{at}: options", option, CHOICE_KEYS)
    options = tuple(Choice(**option) for option in table.get("options", []))
    return Setting(**{**table, "options": options})


def _check_whole(where: str, supplier: Supplier) -> None:
    """What no single key can show: choices exist, sentences exist, defaults and conditions can be true."""
    if supplier.protocol not in PROTOCOLS:
        raise ValueError(f"{where}: protocol {supplier.protocol!r} is not one of {', '.join(sorted(PROTOCOLS))}")
    for name in OPERATIONS:
        if supplier.supports[name] == bool(supplier.cannot.get(name)):
            raise ValueError(f"{where}: cannot.{name} must hold a sentence exactly when supports.{name} is false")
    if len(supplier.setting_keys) != len(supplier.settings):
        raise ValueError(f"{where}: settings: a key is used twice")
    for one in supplier.settings:
        _check_setting(where, supplier, one)
    if supplier.native_host and supplier.native_host.setting not in supplier.setting_keys - supplier.secret_keys:
        raise ValueError(f"{where}: native_host: setting {supplier.native_host.setting!r} is no setting, or a secret one")
    texts = {f"fixed.{key}": text for key, text in supplier.fixed.items()}
    if supplier.channel is not None:
        channels.check(where, supplier.channel, supplier.setting_keys)
    for name, operation in supplier.operations.items():
        texts |= {f"operations.{name}.{key}": text for key, text in operation.texts.items()}
        if twice := operation.texts.keys() & supplier.setting_keys:
            raise ValueError(f"{where}: operations.{name}.{twice.pop()} is a setting too")
    for key, text in texts.items():
        if key.endswith(".children_path"):
            continue  # it names parts of an item
        if unknown := operations.unknown_names(text, supplier.setting_keys - supplier.secret_keys):
            raise ValueError(f"{where}: {key} names {min(unknown)!r}, which is no setting, or a secret one")


def _check_setting(where: str, supplier: Supplier, one: Setting) -> None:
    at = f"{where}: settings.{one.key}"
    if (one.kind == "choice") != bool(one.options):
        raise ValueError(f"{at}: options belong to a choice, and a choice needs options")
    if one.options and one.default not in {option.value for option in one.options}:
        raise ValueError(f"{at}: default {one.default!r} is not one of its options")
    if one.kind in ("password", "key_pair") and not one.secret:
        raise ValueError(f"{at}: a {one.kind} must be secret")
    if one.secret and one.default and not supplier.needs_demo:
        raise ValueError(f"{at}: a secret has no default")
    key, _, wanted = one.shown_when.partition("=")
    values = next(({option.value for option in other.options} for other in supplier.settings if other.key == key), set[str]())
    if one.shown_when and not set(wanted.split("|")) <= values:
        raise ValueError(f"{at}: shown_when {one.shown_when!r} names no choice of this supplier")
