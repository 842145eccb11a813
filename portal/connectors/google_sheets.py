"""Turns the links that people copy from Google Sheets into links to the sheet as CSV."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlencode, urlsplit

_HOSTS = frozenset({"docs.google.com", "spreadsheets.google.com", "drive.google.com"})
_PUBLISHED = re.compile(r"/spreadsheets/(?:u/\d+/)?d/e/([\w-]+)(?:/.*)?")
_SHARED = re.compile(r"(?:/a/[\w.-]+)?/spreadsheets/(?:u/\d+/)?d/([\w-]+)(?:/(.*))?")
_MACHINE = frozenset({"csv", "tsv"})


def csv_link(link: str) -> str:
    """The link to the same sheet as CSV; any other link comes back unchanged.

    Known forms: /edit, /view, /copy, /preview, /htmlview and bare share links with `gid` in the query or
    after #, published sheets (/d/e/…/pubhtml), account (/u/0/) and domain (/a/example.com/) forms, and the
    old ccc?key=… Without a `gid` Google gives the first sheet. Links that already ask for csv or tsv stay.
    """
    try:
        parts = urlsplit(link.strip())
    except ValueError:
        return link
    if parts.scheme not in ("http", "https") or (parts.hostname or "") not in _HOSTS:
        return link
    asked = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    gid = _gid(asked, parts.fragment)
    if match := _PUBLISHED.fullmatch(parts.path):
        single = {"gid": gid, "single": "true"} if gid else {}
        return _built(f"/spreadsheets/d/e/{match[1]}/pub", {**single, "output": _kept(asked, "output")})
    match = _SHARED.fullmatch(parts.path)
    if match and match[2] and match[2].startswith("gviz/"):
        return link
    key = match[1] if match else asked.get("key", "") if parts.path in ("/ccc", "/spreadsheet/ccc", "/spreadsheets/ccc") else ""
    if not re.fullmatch(r"[\w-]{8,}", key):
        return link
    return _built(f"/spreadsheets/d/{key}/export", {"format": _kept(asked, "format"), **({"gid": gid} if gid else {})})


def is_sheet(link: str) -> bool:
    """Whether a link leads to a Google Sheet."""
    return urlsplit(link).hostname == "docs.google.com" and "/spreadsheets/" in urlsplit(link).path


def _gid(asked: dict[str, str], fragment: str) -> str:
    found = re.search(r"(?:^|&)gid=(\d+)", fragment)
    gid = found[1] if found else asked.get("gid", "")
    return gid if gid.isascii() and gid.isdigit() else ""


def _kept(asked: dict[str, str], key: str) -> str:
    return asked[key] if asked.get(key) in _MACHINE else "csv"


def _built(path: str, query: dict[str, str]) -> str:
    return f"https://docs.google.com{path}?{urlencode(query)}"
