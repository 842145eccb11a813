"""What was typed into a connect form, judged value by value: typed text ─▶ clean values, or a sentence for the field."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from portal.connectors import answers
from portal.connectors.google_sheets import csv_link
from portal.errors import Invalid
from portal.fields import LARGEST_QUANTITY
from portal.suppliers import Setting, Supplier, native_hosts

LONGEST_VALUE = 2_000
LONGEST_KEY_FILE = 20_000
LINKS = (
    "url", "base", "token_url", "authorize_url", "endpoint", "wsdl", "orders_endpoint", "orders_wsdl", "shipments_endpoint",
    "shipments_wsdl",
)  # fmt: skip
PATHS = ("path", "check_path", "login_path")
"""Paths under the base address; what stands behind their question mark may be a key, as that of a link."""
MOST_ON_A_PAGE = 10_000
LONGEST_REST = 60  # seconds; a pause is not interrupted
USUAL_PORTS = {"explicit": "21", "plain": "21", "implicit": "990"}

_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")  # RFC 9110, 5.6.2
_OURS = {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "accept-encoding", "cookie"}


@dataclass
class Typed:
    """A form as it was read: what may be stored, what to mend (field -> sentence), what would do instead, what we changed on our own."""

    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    proposals: dict[str, str] = field(default_factory=dict)


def read(supplier: Supplier, typed: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> Typed:
    """Judge every setting of `supplier` that is no secret and that belongs to the choices made. `known`: what was saved before."""
    form = Typed()
    for setting in supplier.settings:
        if setting.secret or not setting.applies(typed):
            continue
        _read_one(form, setting, typed.get(setting.key, setting.default))
        if supplier.native_host and supplier.native_host.setting == setting.key and setting.key not in form.errors:
            _make_native(form, supplier.native_host, str((known or {}).get(setting.key) or ""))
    _refuse_open_sign_in(form, supplier)
    if form.values.get("signs") == "time" and not form.values.get("timestamp_header") and "timestamp_header" not in form.errors:
        form.errors["timestamp_header"] = "Enter the header that holds the time, since the time is part of what is signed."
    return form


def _read_one(form: Typed, setting: Setting, value: Any) -> None:
    if setting.kind == "check":
        form.values[setting.key] = bool(value)
        if setting.required and not value:
            form.errors[setting.key] = "Tick this to go on, or choose another way."
        return
    if setting.kind == "picks":
        form.values[setting.key] = " ".join(dict.fromkeys(str(value or "").split()))
        if setting.required and not form.values[setting.key]:
            form.errors[setting.key] = "Choose at least one, or go back to all."
        return
    text = str(value or "").strip()
    try:
        form.values[setting.key] = _judged(setting, text, form.remarks)
    except Invalid as refused:
        form.values[setting.key] = text
        form.errors[setting.key] = refused.errors["value"]


def _make_native(form: Typed, native: native_hosts.NativeHost, known: str) -> None:
    typed = str(form.values[native.setting])
    try:
        found = native_hosts.turned(native, typed, known)
    except native_hosts.Foreign as foreign:
        form.errors[native.setting] = str(foreign)
        form.proposals |= {native.setting: foreign.proposal} if foreign.proposal else {}
        return
    if found != typed.lower():
        form.remarks.append(f"{typed[:80]} was turned into {found}.")
    form.values[native.setting] = found


def _judged(setting: Setting, text: str, remarks: list[str]) -> Any:
    if not text:
        if setting.required:
            raise _refusal(f"Enter the {setting.in_words}." if not setting.options else "Choose one.")
        return ""
    if len(text) > LONGEST_VALUE or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise _refusal(f"Use one line of up to {LONGEST_VALUE:,} ordinary characters.")
    if setting.options and text not in {option.value for option in setting.options}:
        raise _refusal("Choose one of the options.")
    judge = _JUDGES.get(setting.key) or _JUDGES.get(setting.kind)
    return judge(text, remarks) if judge else text


def _host(text: str, _remarks: list[str]) -> str:
    name = text.removeprefix("[").removesuffix("]").rstrip(".")
    if is_host(name):
        return name
    found = _split_or_nothing(text if "://" in text else f"//{text}")
    better = _host_of(found)
    if ":" in text and better and text == f"{better}:{text.rpartition(':')[2]}":
        raise _refusal(f"Enter only {better} here, and the port in its own field.")
    if better:
        raise _refusal(f"Enter only the name: {better}")
    raise _refusal("Enter only the server's name, such as sftp.example.com, without a scheme, user or path.")


def is_host(name: str) -> bool:
    """Whether `name` has the form of a host name or an IP address. Says nothing about where it leads."""
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        labels = name.split(".")
        return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()


def _split(text: str) -> SplitResult | None:
    """The parts of an address, None for one with brackets that hold no IPv6 address."""
    try:
        return urlsplit(text)
    except ValueError:
        return None


def _split_or_nothing(text: str) -> SplitResult:
    return _split(text) or urlsplit("")


def _host_of(parts: SplitResult) -> str:
    try:
        name = parts.hostname or ""
    except ValueError:
        return ""
    return name if name and is_host(name) else ""


def _port(text: str, _remarks: list[str]) -> int:
    digits = text if text.isascii() and text.isdigit() and len(text) < 6 else "0"
    if not 1 <= int(digits) <= 65535:
        raise _refusal("Enter a port from 1 to 65535.")
    return int(digits)


def _header_name(text: str, _remarks: list[str]) -> str:
    name = text.removesuffix(":").strip()
    if not _TOKEN.fullmatch(name):
        raise _refusal("Enter only the header's name, such as X-Api-Key: letters, digits and hyphens.")
    if name.lower() in _OURS:
        raise _refusal(f"We set {name} ourselves. Enter the header that carries the key.")
    return name


def _folder(text: str, _remarks: list[str]) -> str:
    if "://" in text:
        raise _refusal("Enter only the folder, such as /outbound, without the server's address.")
    path = text.replace("\\", "/")
    return path if path == "/" else path.rstrip("/")


def _url(text: str, remarks: list[str]) -> str:
    parts = _web_link(text)
    link = urlunsplit(parts)
    sheet = csv_link(link)
    if sheet != link:
        remarks.append("The share link of your Google Sheet was turned into its CSV link.")
        return sheet
    return urlunsplit(parts._replace(fragment=""))


def _web_link(text: str) -> SplitResult:
    if " " in text or "\\" in text:
        raise _refusal("A link has no spaces. Copy it again from the address bar.")
    if "://" not in text:
        raise _refusal(f"Begin with https://, such as https://{text[:60]}")
    parts = _split(text)
    if parts is None:
        raise _refusal("The link has no server name that can be reached. Copy it again.")
    if parts.scheme not in ("http", "https"):
        raise _refusal("Only http and https links can be read here. For a server of another kind, choose SFTP or FTP in the directory.")
    if parts.username is not None or parts.password is not None:
        raise _refusal("Take the user and password out of the link, and enter them under “Sign in with”.")
    try:
        right = _host_of(parts) and (parts.port is None or parts.port > 0)
    except ValueError:
        right = ""
    if not right:
        raise _refusal("The link has no server name that can be reached. Copy it again.")
    return parts


def _service(text: str, _remarks: list[str]) -> str:
    """An address whose query belongs to it, such as …/stock?wsdl."""
    return urlunsplit(_web_link(text)._replace(fragment=""))


def _base(text: str, _remarks: list[str]) -> str:
    parts = _web_link(text)
    if parts.query or parts.fragment:
        raise _refusal("Enter the address without what follows the question mark; parameters have their own fields.")
    return urlunsplit(parts).rstrip("/")


def _path(text: str, _remarks: list[str]) -> str:
    if "://" in text or text.startswith("//") or any(letter in text for letter in " \\#"):
        raise _refusal("Enter only the path under the base address, such as /v1/products.")
    return text if text.startswith("/") else f"/{text}"


def _whole_number(text: str, _remarks: list[str]) -> str:
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_ON_A_PAGE):
        raise _refusal(f"Enter a whole number up to {MOST_ON_A_PAGE:,}.")
    return text


def _units(text: str, _remarks: list[str]) -> str:
    if not (text.isascii() and text.isdigit() and int(text) <= LARGEST_QUANTITY):
        raise _refusal(f"Enter a whole number up to {LARGEST_QUANTITY:,}, or nothing.")
    return str(int(text))


def _seconds(text: str, _remarks: list[str]) -> str:
    if not re.fullmatch(r"\d{1,2}(\.\d{1,3})?", text) or float(text) > LONGEST_REST:
        raise _refusal(f"Enter seconds from 0 to {LONGEST_REST}, such as 0.5.")
    return text


def _bounded(text: str, least: int, most: int, unit: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most):
        raise _refusal(f"Enter whole {unit} from {least} to {most:,}.")
    return text


def _place(text: str, _remarks: list[str]) -> str:
    if words := answers.check_path(text):
        raise _refusal(words)
    return text


def _parameter(text: str, _remarks: list[str]) -> str:
    if not re.fullmatch(r"[\w.\-\[\]:$]{1,100}", text):
        raise _refusal("Enter the name as it stands in the address: letters, digits, dots, dashes and brackets.")
    return text


def _refuse_open_sign_in(form: Typed, supplier: Supplier) -> None:
    """A credential over http could be read by anyone on the path."""
    auth = supplier.whole(form.values).get("auth", "none")
    for key in LINKS:
        if key == "wsdl" and form.values.get("endpoint") and auth != "basic":
            continue  # nothing that proves who we are goes there
        link = str(form.values.get(key, ""))
        if link.startswith("http://") and auth != "none" and not form.values.get("plain_ok") and key not in form.errors:
            form.errors[key] = "Use an https link: over http anyone on the path could read what you sign in with."


def secret_problem(setting: Setting, text: str) -> str:
    """What is wrong with a typed secret, "" when nothing is. Never repeats any of it."""
    longest = LONGEST_KEY_FILE if setting.kind == "textarea" else LONGEST_VALUE
    if len(text) > longest:
        return f"This is longer than {longest:,} characters. Paste only the {setting.in_words}."
    if setting.kind != "textarea":
        odd = any(ord(letter) < 32 or ord(letter) == 127 for letter in text)
        return f"The {setting.in_words} holds a line break or another control character. Type it again." if odd else ""
    if "PuTTY-User-Key-File" in text:
        return "This is a PuTTY key. In PuTTYgen choose Conversions, Export OpenSSH key, and paste that file."
    if text.lstrip().startswith(("ssh-", "ecdsa-")) or "PUBLIC KEY-----" in text:
        return "This is the public half of a key. Paste the private one, from -----BEGIN to -----END."
    if "-----BEGIN" not in text or "-----END" not in text:
        return "Paste the whole key, from -----BEGIN to -----END."
    return ""


def tidy_secret(setting: Setting, text: str) -> str:
    """A pasted key with plain line ends; any other secret to the letter."""
    return "\n".join(line.strip() for line in text.strip().splitlines()) + "\n" if setting.kind == "textarea" else text


def server_of(values: Mapping[str, Any]) -> str:
    """The host that a connection with these settings talks to, folded for comparing; "" for an upload."""
    link = _main_link(values)
    host = str(values.get("host", "")) or (_host_of(_split_or_nothing(link)) if link else "")
    return host.rstrip(".").casefold()


def servers_of(values: Mapping[str, Any]) -> set[str]:
    """Every host that something of the connection is sent to, folded for comparing: where it reads, and where tokens come from."""
    links = {_host_of(_split_or_nothing(str(values[key]))).rstrip(".").casefold() for key in LINKS if values.get(key)}
    return {host for host in links | {server_of(values)} if host}


def endpoint_of(values: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a trusted key belongs to: host, port and kind of encryption."""
    link = _split_or_nothing(_main_link(values))
    port = str(values.get("port", "")) or (f"{link.scheme}:{link.port or ''}" if link.scheme else "")
    return server_of(values), port, str(values.get("security", ""))


def _main_link(values: Mapping[str, Any]) -> str:
    """The address that is asked for the stock, "" where it is a host and a port."""
    return next((str(values[key]) for key in ("url", "base", "endpoint", "wsdl") if values.get(key)), "")


def place_of(values: Mapping[str, Any]) -> str:
    """The server behind these settings as "host:port", "" for an upload: what several sources may share."""
    host, port, _ = endpoint_of(values)
    scheme, _, told = port.partition(":")
    usual = {"https": "443", "http": "80"}.get(scheme, scheme)
    return f"{host}:{told or usual}"[-300:] if host else ""


def without_tail(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings for an audit line: links and paths (a second feed's `link` too) without their query, which may carry a key."""
    return {key: bare(str(value)) if value and key in (*LINKS, *PATHS, "link") else value for key, value in values.items()}


def bare(link: str) -> str:
    """A link or a path for whoever looks: without its query, which may carry a key."""
    parts = _split_or_nothing(link)
    return urlunsplit(parts._replace(query="…" if parts.query else "", fragment=""))


def _refusal(words: str) -> Invalid:
    return Invalid({"value": words})


_JUDGES: dict[str, Callable[[str, list[str]], Any]] = {
    "host": _host,
    "port": _port,
    "number": _port,
    "folder": _folder,
    "url": _url,
    "header_name": _header_name,
    "token_header": _header_name,
    "timestamp_header": _header_name,
    "id_header": _header_name,
    "base": _base,
    **dict.fromkeys(("wsdl", "endpoint"), _service),
    "token_url": _base,
    "authorize_url": _base,
    **dict.fromkeys(PATHS, _path),
    "size": _whole_number,
    "language": _whole_number,
    "first": _whole_number,
    "untracked": _units,
    "rest": _seconds,
    "since_overlap": lambda text, _: _bounded(text, 0, 1_440, "minutes"),
    "full_hours": lambda text, _: _bounded(text, 1, 168, "hours"),
    **dict.fromkeys(("items", "total", "pages", "cursor", "token_path"), _place),
    **dict.fromkeys(("size_name", "page_name", "since_name", "query_name", "login_user", "login_password"), _parameter),
}
