"""How a source reaches its supplier: settings in the open, credentials sealed, the server's key trusted by a person.

typed ─▶ judged ─▶ Connection + SealedSecret ─▶ open_for ─▶ Connector
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from portal import audit, circuit, clock, connection_values, exchanges, refused_sign_ins, runs, setup_steps, turns, vault, webhooks
from portal.connection_parts import UNTESTED, opened_secrets
from portal.connection_parts import guard as guard
from portal.connection_parts import supplier_of as supplier_of
from portal.connection_values import endpoint_of, place_of, server_of, servers_of, without_tail
from portal.connectors import Connector, open_connector
from portal.connectors.google_sheets import csv_link
from portal.connectors.ssh_keys import new_key_pair
from portal.errors import Forbidden, Invalid, NotFound, Problem, Refused, Stale, SupplierError
from portal.models import Connection, Run, SealedSecret, Source, database
from portal.records import Secret
from portal.suppliers import Setting, Supplier

ENDING_SHOWN_FROM = 16  # characters; the end of a shorter secret would give too much of it away
SAMPLE_PAGES = 4
REMOVED = "app_removed"
"""The setting that says that the app was removed in the store, until a key comes or the connection is saved."""
OWN_FIELDS = "orders "  # sealed fields of ours that belong to no connection begin so
READS = 10  # of settings and secrets, until both are of one save


@dataclass(frozen=True)
class Saved:
    """A saved connection, and sentences about what we changed on our own."""

    connection: Connection
    remarks: tuple[str, ...] = ()


def find(source: Source) -> Connection:
    """The connection of the source. Raises NotFound before a supplier was chosen."""
    row = Connection.get_or_none(Connection.source == source)
    if row is None:
        raise NotFound("connection")
    row.source = source
    return row


def secrets_of(source: Source) -> dict[str, SealedSecret]:
    """The sealed credentials by field: who saved each, when, and its hint. Nothing here can be read as the secret."""
    mine = (SealedSecret.source == source) & ~SealedSecret.field.startswith(OWN_FIELDS)
    return {row.field: row for row in SealedSecret.select().where(mine)}


def save(source: Source, typed: Mapping[str, Any], secrets: Mapping[str, str], version: int, who: str) -> Saved:
    """Keep what was typed; an empty secret keeps the saved one. The connection is untested afterwards.

    Raises Invalid (by setting key, plus typed secrets that must be typed again), Stale, NotFound.
    """
    supplier, before = supplier_of(source), find(source)
    form = connection_values.read(supplier, typed, before.settings)
    wanted = [one for one in supplier.settings if one.secret and one.applies(form.values)]
    given = _given(supplier, wanted, secrets)
    known, meant = servers_of(supplier.whole(before.settings)), servers_of(supplier.whole(form.values))
    moved = bool(known) and not meant <= known
    forgets = moved and bool(supplier.fixed.get("approval"))  # the new store gives a key of its own
    kept = {} if forgets else secrets_of(source)
    errors = (
        form.errors
        | _pick_errors(supplier, form.values, before)
        | _secret_errors(supplier, kept, wanted, given, moved and "host" not in form.errors)
    )
    if errors:
        raise Invalid(errors, form.proposals)
    values = form.values | _public_halves(wanted, before)
    elsewhere = endpoint_of(supplier.whole(before.settings)) != endpoint_of(supplier.whole(values))
    with database.atomic():
        saved = _write(source, before, values, version, who, elsewhere)
        changed = _seal_all(source, wanted, given, who, forgets)
        _log(source, who, "connection.save", without_tail(before.settings), {**without_tail(values), "secrets changed": changed})
        if elsewhere:
            setup_steps.reopen(source, "connection")
        if moved or before.settings.get("client_id") != values.get("client_id"):
            _oauth().forget(source)
        if supplier.protocol == webhooks.PROTOCOL:
            form.remarks += webhooks.saved(source, before.settings, values, who)
    return Saved(saved, tuple(form.remarks))


def make_key_pair(source: Source, key: str, who: str) -> str:
    """A new key pair under the setting `key`: its private half sealed, its public line kept and returned. Raises NotFound."""
    supplier, connection = supplier_of(source), find(source)
    if key not in {one.key for one in supplier.settings if one.kind == "key_pair"}:
        raise NotFound("key pair")
    private, public = new_key_pair()
    with database.atomic():
        _seal(source, key, private, "Ed25519", who)
        columns = {"settings": {**connection.settings, key: public}, "version": Connection.version + 1}
        Connection.update(_stamped(who, **columns)).where(Connection.id == connection.id).execute()
        _log(source, who, "connection.key_pair", None, {"public": public})
    return public


def keep_keys(source: Source, given: Mapping[str, str], who: str) -> None:
    """Seal keys that a store gave us by itself. The connection is untested afterwards. Raises NotFound."""
    connection, settings = find(source), {one.key: one for one in supplier_of(source).settings if one.secret}
    with database.atomic():
        for key, text in given.items():
            _seal(source, key, text, hint_of(settings[key], text), who)
        settings_now = {key: value for key, value in connection.settings.items() if key != REMOVED}
        columns = _stamped(who, **UNTESTED, version=Connection.version + 1, settings=settings_now)
        Connection.update(columns).where(Connection.id == connection.id).execute()
        _log(source, who, "connection.key_given", None, {"secrets changed": sorted(given)})


def drop_key(source: Source, key: str, who: str) -> None:
    """Erase a credential that ended when the store removed the app. Raises NotFound."""
    connection = find(source)
    with database.atomic():
        SealedSecret.delete().where(SealedSecret.source == source, SealedSecret.field == key).execute()
        settings = {**connection.settings, REMOVED: clock.now().isoformat()}
        columns = _stamped(who, **UNTESTED, version=Connection.version + 1, settings=settings)
        Connection.update(columns).where(Connection.id == connection.id).execute()
        _log(source, who, "connection.key_ended", None, {"secrets changed": [key]})


def trust_key(source: Source, fingerprint: str, how: str, who: str, *, as_owner: bool = False) -> None:
    """Trust the key that the server offered. `how`: compared, or first_use ("I can't check now").

    Replacing a key that is trusted already takes somebody with the right to it (`as_owner`) who compared it.
    Raises Refused when the server offered another key meanwhile, Forbidden, NotFound.
    """
    connection = find(source)
    offered, trusted = connection.offered_key, connection.trusted_key
    if not offered or offered["fingerprint"] != fingerprint or how not in ("compared", "first_use"):
        raise Refused("The server showed another key meanwhile, or none. Test the connection again, then compare.")
    if trusted and not (as_owner and how == "compared"):
        raise Forbidden("A key that is trusted is replaced only by an owner or an admin, on its own page, after comparing it.")
    key = {"key_type": offered["key_type"], "fingerprint": fingerprint, "how": how, "by": who, "at": clock.now().isoformat()}
    with database.atomic():
        columns = {"trusted_key": key, "offered_key": None, "version": Connection.version + 1}
        unchanged = (Connection.id == connection.id) & (Connection.version == connection.version)
        if not Connection.update(_stamped(who, **columns)).where(unchanged).execute():
            raise Stale(connection.changed_by, connection.changed_at)
        _log(source, who, "connection.replace_key" if trusted else "connection.trust_key", trusted, key)


def is_same_key(connection: Connection, typed: str) -> bool:
    """Whether `typed` is the fingerprint of the key that was offered, in any of the ways it is usually written."""
    facts: Mapping[str, Any] = next((one["facts"] for one in connection.checks if one["name"] == "identity"), {})
    known = {str(facts.get(key) or "") for key in ("fingerprint", "fingerprint_pairs")} | {
        (connection.offered_key or {}).get("fingerprint", "")
    }
    return _bare(typed) in {_bare(one) for one in known if one}


def trusted_at(connection: Connection) -> datetime | None:
    """When the present key was trusted."""
    return datetime.fromisoformat(connection.trusted_key["at"]) if connection.trusted_key else None


@contextmanager
def open_for(
    source: Source,
    run_id: int | None = None,
    *,
    sample: bool = False,
    link: str = "",
    operation: str = "get_inventory",
    since: str = "",
    over: Mapping[str, Any] | None = None,
) -> Iterator[Connector]:
    """A connector to the source's supplier, its credentials opened. Opens no socket by itself.

    `run_id`: for whom it asks. `sample`: a list that comes page by page is left after some pages. `operation`: get_inventory,
    send_orders or get_shipments. `since`: only what changed since then, in the supplier's form. `link`: of another file or, behind
    an API, the path of another list. `over`: settings of another list of the same server, laid over the connection's.

    Refused sign-ins inside the block are counted, and after three within an hour the block is not entered.
    Raises SupplierError not_set_up or sign_in_paused, and Later while the server has no room for us, or is left alone. What is
    uploaded or sent to us has no connector: see `is_given`.
    """
    connection, secrets = _read(source)
    if connection is None or not source.supplier:
        raise _not_set_up()
    supplier = supplier_of(source)
    is_path = supplier.protocol == "rest" and link.startswith("/") and not link.startswith("//")
    if link and not is_path and not same_server(connection, link):  # credentials go nowhere else
        raise SupplierError(_OTHER_SERVER, permanent=True)
    settings = supplier.whole(connection.settings, operation)
    settings |= ({"most_pages": SAMPLE_PAGES} if sample else {}) | ({"path" if is_path else "url": link} if link else {})
    settings |= {**(over or {}), **({"since": since} if since else {})}
    host = server_of(settings)
    refused_sign_ins.check(source.merchant, host, str(settings.get("user", "")))
    told, tokens = exchanges.recorder(source, run_id), _oauth().TokenStore(source, settings) if settings.get("auth") == "code" else None
    soap = import_module("portal.service_calls") if supplier.protocol == "soap" else None  # with its libraries, where they are needed
    settings |= _of_operation(source, operation)
    library = soap.service_descriptions.Shelf(source, operation) if soap else None
    key, reach = connection.trusted_key, guard()
    run = None if run_id is None else Run.get_by_id(run_id)
    with (
        turns.taken(run_id, place_of(settings)),
        circuit.watched(source, run is not None and runs.is_by_hand(run)),
        open_connector(
            supplier.protocol, settings, secrets, guard=reach, trusted_key=key, record=told, tokens=tokens, library=library
        ) as connector,
    ):
        try:
            yield connector
        except SupplierError as error:
            refused_sign_ins.note(connection, host, error)
            raise


def place_for(source: Source, operation: str) -> str:
    """The server that is asked for an operation, as "host:port"."""
    return place_of(supplier_of(source).whole(find(source).settings, operation) | _of_operation(source, operation))


def _of_operation(source: Source, operation: str) -> dict[str, Any]:
    """What the operation takes beside the connection's own settings."""
    of_orders = import_module("portal.order_calls").settings_of(source) if operation == "send_orders" else {}
    soap = supplier_of(source).protocol == "soap"
    return of_orders | (import_module("portal.service_calls").settings_of(source, operation) if soap else {})


def _read(source: Source) -> tuple[Connection | None, dict[str, Secret]]:
    """The connection and its opened credentials as they were saved together, never the one of before with the other of now."""
    connection = Connection.get_or_none(Connection.source == source)
    for _ in range(READS):
        if connection is None or not source.supplier:
            return None, {}
        secrets, before = opened_secrets(source), connection
        connection = Connection.get_or_none(Connection.source == source)
        if connection is not None and connection.version == before.version:
            return connection, secrets
    raise Stale(before.changed_by, before.changed_at)


def _oauth() -> Any:
    """Loaded only where a supplier signs in so: it brings the libraries of the web along."""
    return import_module("portal.oauth")


def same_server(connection: Connection, link: str) -> bool:
    """Whether a link leads to the server that the connection was made for, in the same way (https, port)."""
    mine, other = (urlsplit(csv_link(text)) for text in (str(connection.settings.get("url", "")), link))
    return other.scheme in ("http", "https") and (mine.scheme, mine.netloc.lower()) == (other.scheme, other.netloc.lower())


def asks_path(source: Source) -> bool:
    """Whether the source reads lists of an API whose paths the merchant types."""
    supplier = supplier_of(source)
    return supplier.protocol == "rest" and "path" in supplier.setting_keys


def no_second(source: Source) -> str:
    """Why the supplier gives no second file, "" when it does."""
    supplier = supplier_of(source)
    if supplier.protocol in ("sftp", "ftp", "http", "upload") or asks_path(source):
        return ""
    return f"{supplier.name} gives one list, which Get Inventory Primary reads already. A second one would read the same again."


def is_upload(source: Source) -> bool:
    """Whether the source's files are uploaded by a person instead of fetched."""
    return supplier_of(source).protocol == "upload"


def is_webhook(source: Source) -> bool:
    """Whether the supplier sends to us instead of being asked."""
    return supplier_of(source).protocol == webhooks.PROTOCOL


def is_given(source: Source) -> bool:
    """Whether there is no server to ask: files are uploaded, or sent to us."""
    return supplier_of(source).protocol in ("upload", webhooks.PROTOCOL)


def hint_of(setting: Setting, text: str) -> str:
    """What may be shown of a secret: its last four characters when it is long, nothing of a short one."""
    if setting.kind != "password" or len(text) < ENDING_SHOWN_FROM:
        return ""
    return f"ends in ..{text[-4:]}"


def _bare(fingerprint: str) -> str:
    """The digest alone: no "SHA256:", padding, key type or file name around it; pairs of hex digits without colons."""
    found = re.search(r"SHA256[:\s]\s*(\S+)", fingerprint, re.IGNORECASE)
    text = (found[1] if found else fingerprint).strip().rstrip("=")
    pairs = re.sub(r"[:\s]", "", text)
    return pairs.lower() if re.fullmatch(r"[0-9a-fA-F]{64}", pairs) else text


def _given(supplier: Supplier, wanted: list[Setting], secrets: Mapping[str, str]) -> dict[str, str]:
    """Typed secrets by key. The demo supplier's own password is public here, so it is filled in where nothing was typed."""
    given = {}
    for one in wanted:
        text = secrets.get(one.key) or (one.default if supplier.needs_demo else "")
        if text and one.kind != "key_pair":
            given[one.key] = connection_values.tidy_secret(one, text)
    return given


def _secret_errors(
    supplier: Supplier, kept: Collection[str], wanted: list[Setting], given: Mapping[str, str], moved: bool
) -> dict[str, str]:
    """What is wrong with the secrets. `kept`: those that are saved; `moved`: something would go to a server that it was not meant for."""
    errors = {}
    for one in wanted:
        sent = one.required or supplier.protocol in ("rest", "shopify", "soap")  # an SSH key's passphrase stays here
        if one.key in given:
            errors[one.key] = connection_values.secret_problem(one, given[one.key])
        elif one.key not in kept and one.required:
            errors[one.key] = _missing(one)
        elif one.key in kept and moved and sent and one.kind == "password":
            errors[one.key] = f"This is another server. Enter the {one.in_words} again: a saved one only goes where it was meant to."
    return {key: words for key, words in errors.items() if words}


def _pick_errors(supplier: Supplier, values: Mapping[str, Any], before: Connection) -> dict[str, str]:
    """What is wrong with choices among what the server offers: each must have been offered, or be chosen already."""
    errors = {}
    for one in supplier.settings:
        known = {choice["value"] for choice in before.choices.get(one.key, ())} | set(str(before.settings.get(one.key) or "").split())
        if one.kind == "picks" and not set(str(values.get(one.key) or "").split()) <= known:
            errors[one.key] = "Choose from the list. If it is an old one, test the connection: that reads it anew."
    return errors


def _missing(one: Setting) -> str:
    if one.kind == "key_pair":
        return "Make the key pair first, and send the public key to the supplier."
    return f"Enter the {one.in_words}."


def _public_halves(wanted: list[Setting], before: Connection) -> dict[str, Any]:
    return {one.key: before.settings[one.key] for one in wanted if one.kind == "key_pair" and one.key in before.settings}


def _write(source: Source, before: Connection, values: dict[str, Any], version: int, who: str, elsewhere: bool) -> Connection:
    columns: dict[str, Any] = {**UNTESTED, "settings": values, "version": Connection.version + 1}
    if elsewhere:
        columns |= {"trusted_key": None, "choices": {}}
    mine = (Connection.id == before.id) & (Connection.version == version)
    if not Connection.update(_stamped(who, **columns)).where(mine).execute():
        fresh = find(source)
        raise Stale(fresh.changed_by, fresh.changed_at)
    return find(source)


def _seal_all(source: Source, wanted: list[Setting], given: Mapping[str, str], who: str, forgets: bool) -> list[str]:
    """Seal typed secrets, and erase those that this way of signing in does not use; the fields that changed. `forgets`: all others."""
    settings = {one.key: one for one in wanted}
    replaced = {settings[key].shown_when for key in given if settings[key].shown_when}
    gone = [key for key in secrets_of(source) if key not in settings or (forgets and key not in given)]
    # A passphrase left empty beside a new private key belonged to the old one.
    gone += [one.key for one in wanted if not one.required and one.key not in given and one.shown_when in replaced]
    for key, text in given.items():
        _seal(source, key, text, hint_of(settings[key], text), who)
    if gone:
        SealedSecret.delete().where(SealedSecret.source == source, SealedSecret.field << gone).execute()
    return sorted({*given, *gone})


def _seal(source: Source, field: str, text: str, hint: str, who: str) -> None:
    sealed = vault.seal(source.merchant, source.public_id, field, text)
    row = {"sealed": sealed, "hint": hint, "saved_at": clock.now(), "saved_by": who}
    mine = (SealedSecret.source == source) & (SealedSecret.field == field)
    if not SealedSecret.update(row).where(mine).execute():
        SealedSecret.create(source=source, field=field, **row)


_OTHER_SERVER = Problem(
    "not_set_up", "The link of the second file leads to another server",
    "Its credentials are for the server of this source's connection, so we did not ask there. We kept your stock as it was.",
    "Edit file", "file",
)  # fmt: skip


def _not_set_up() -> SupplierError:
    words = Problem("not_set_up", "This source has no connection yet", "Choose its supplier and connect it first.", "Connect", "connection")
    return SupplierError(words, permanent=True)


def _stamped(who: str, **columns: Any) -> dict[str, Any]:
    return {**columns, "changed_at": clock.now(), "changed_by": who}


def _log(source: Source, who: str, action: str, before: Any, after: Any) -> None:
    audit.write(source.merchant, who, action, "source", source.public_id, before=before, after=after)
