"""Where an order goes: typed or sent as people do, brought to one form, with what is wrong said in words.

Countries and their parts are ISO 3166-1 and 3166-2, by pycountry.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Any

FIELDS: dict[str, tuple[str, int]] = {
    "name": ("Name", 120),
    "first_name": ("First name", 60),
    "last_name": ("Last name", 60),
    "company": ("Company", 120),
    "address_1": ("Address line 1", 120),
    "address_2": ("Address line 2", 120),
    "city": ("City", 80),
    "state": ("State or province", 80),
    "state_code": ("State code", 10),
    "postal": ("Postal code", 20),
    "country": ("Country", 60),
    "country_code": ("Country code", 2),
    "email": ("Email", 254),
    "phone": ("Phone", 40),
}
"""key -> (label, longest)."""

NEEDED = ("name", "address_1", "city", "country_code")
STATES_NEEDED = ("US", "CA", "AU", "MX", "BR", "IN", "CN", "MY", "IT", "ES")
"""Countries whose carriers need the state (UPU S42, the templates' administrative area)."""
WITHOUT_POSTAL = frozenset(
    {
        "AE", "AG", "AN", "AO", "AW", "BF", "BI", "BJ", "BO", "BS", "BW", "BZ", "CD", "CF", "CG", "CI", "CK", "CM", "DJ", "DM",
        "ER", "FJ", "GA", "GD", "GH", "GM", "GN", "GQ", "GY", "HK", "IE", "JM", "KE", "KI", "KM", "KN", "KP", "LC", "ML", "MO",
        "MR", "MS", "MW", "NR", "NU", "PA", "QA", "RW", "SB", "SC", "SL", "SR", "ST", "SY", "TF", "TG", "TK", "TL", "TO", "TT",
        "TV", "TZ", "UG", "VU", "YE", "ZA", "ZW",
    }
)  # fmt: skip
"""Countries where mail needs no postal code, or none exists (UPU)."""

_ALIASES = {
    "usa": "US", "u.s.": "US", "u.s.a.": "US", "america": "US", "uk": "GB", "u.k.": "GB", "great britain": "GB", "england": "GB",
    "scotland": "GB", "wales": "GB", "northern ireland": "GB", "holland": "NL", "the netherlands": "NL", "deutschland": "DE",
    "espana": "ES", "italia": "IT", "osterreich": "AT", "schweiz": "CH", "suisse": "CH", "brasil": "BR", "mexico": "MX", "turkey": "TR",
    "russia": "RU", "south korea": "KR", "korea": "KR", "vietnam": "VN", "taiwan": "TW", "czech republic": "CZ", "ivory coast": "CI",
}  # fmt: skip
_MILITARY = {"AA": "Armed Forces Americas", "AE": "Armed Forces Europe", "AP": "Armed Forces Pacific"}  # USPS Publication 28, no ISO code
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_POSTAL = {
    "US": (re.compile(r"\d{5}(-\d{4})?"), "A US ZIP code has 5 digits, or 5 and 4, such as 04101 or 04101-2213"),
    "CA": (re.compile(r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d"), "A Canadian postal code is such as K1A 0B1"),
    "GB": (re.compile(r"[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|GIR 0AA"), "A UK postcode is such as SW1A 1AA"),
    "AU": (re.compile(r"\d{4}"), "An Australian postcode has 4 digits"),
    "DE": (re.compile(r"\d{5}"), "A German postal code has 5 digits"),
}

Address = dict[str, str]
Problems = list[dict[str, str]]
"""[{"field": a key of FIELDS, "words": what is wrong and what to do}]."""


def normalise(given: Mapping[str, Any]) -> tuple[Address, Problems]:
    """(the address with what can be worked out filled in, what a person should mend). Unknown keys are left out; nothing typed is lost.

    Name and first and last name, state and its code, country and its code give each other. Postal codes get their usual spelling.
    """
    kept: Address = {}
    problems: Problems = []
    for key, (_, longest) in FIELDS.items():
        if text := _plain(given.get(key)):
            kept[key] = text[: max(longest * 4, 500)]
    _names(kept)
    if _country(kept, problems):
        _state(kept, problems)
        _postal(kept, problems)
    problems += _too_long(kept, {problem["field"] for problem in problems})
    problems += [_problem(key, f"{FIELDS[key][0].removesuffix(' code')} is missing.") for key in NEEDED if not _has(kept, key, problems)]
    return kept, problems


def _too_long(kept: Address, said: set[str]) -> Problems:
    """Judged once codes and names are brought to one form: USA is no country code that is too long."""
    return [
        _problem(key, f"{label} has {len(kept[key])} characters; {longest} at most. Shorten it.")
        for key, (label, longest) in FIELDS.items()
        if len(kept.get(key, "")) > longest and key.removesuffix("_code") not in said
    ]


def in_lines(address: Mapping[str, str]) -> list[str]:
    """The address as on a label, without empty lines."""
    place = " ".join(filter(None, (address.get("city"), address.get("state_code") or address.get("state"), address.get("postal"))))
    parts = (address.get("name"), address.get("company"), address.get("address_1"), address.get("address_2"), place, address.get("country"))
    return [part for part in parts if part]


def _has(kept: Address, key: str, problems: Problems) -> bool:
    said = {problem["field"] for problem in problems}
    return (
        bool(kept.get(key)) or key in said or (key == "country_code" and "country" in said) or (key == "name" and bool(kept.get("company")))
    )


def _plain(value: Any) -> str:
    """One line without control characters or runs of blanks."""
    text = unicodedata.normalize("NFC", "" if value is None else str(value))
    return " ".join(_CONTROL.sub(" ", text).split())


def _problem(field: str, words: str) -> dict[str, str]:
    return {"field": field, "words": words}


def _names(kept: Address) -> None:
    first, last = kept.get("first_name", ""), kept.get("last_name", "")
    if not kept.get("name") and (first or last):
        kept["name"] = f"{first} {last}".strip()
    elif kept.get("name") and not first and not last:
        first, _, last = kept["name"].rpartition(" ")
        kept |= {key: text for key, text in (("first_name", first), ("last_name", last)) if text}


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(letter for letter in plain if not unicodedata.combining(letter)).split())


@cache
def _countries() -> Mapping[str, tuple[str, str]]:
    """{folded code or name: (two letters, name)}."""
    import pycountry  # its lists are read when the first address comes

    known: dict[str, tuple[str, str]] = {}
    for one in pycountry.countries:
        name = getattr(one, "common_name", one.name)
        names = (one.alpha_2, one.alpha_3, one.name, getattr(one, "official_name", ""), getattr(one, "common_name", ""), one.numeric)
        known |= {_fold(text): (one.alpha_2, name) for text in names if text}
    return known | {alias: known[code.lower()] for alias, code in _ALIASES.items()}


@cache
def _parts_of(country: str) -> Mapping[str, tuple[str, str]]:
    """{folded code or name: (code without the country, name)} of its states and provinces."""
    import pycountry

    known: dict[str, tuple[str, str]] = {}
    parts: Any = pycountry.subdivisions
    for one in parts.get(country_code=country) or ():
        short = one.code.partition("-")[2]
        for text in (one.code, short, one.name):
            known.setdefault(_fold(text), (short, one.name))
    if country == "US":
        known |= {_fold(text): (code, name) for code, name in _MILITARY.items() for text in (code, name)}
    return known


def _country(kept: Address, problems: Problems) -> bool:
    """Whether what else depends on the country can be judged."""
    code, name = kept.get("country_code", ""), kept.get("country", "")
    by_code, by_name = (_countries().get(_fold(text)) if text else None for text in (code, name))
    if by_code and by_name and by_code != by_name:
        problems.append(_problem("country", f"Country is {by_name[1]}, but the code {code} is {by_code[1]}. Correct one of them."))
        return False
    found = by_code or by_name
    if found:
        kept["country_code"], kept["country"] = found
    elif code or name:
        problems.append(_problem("country", f"“{name or code}” is no country we know. Use its English name or two letters, such as US."))
    return bool(found)


def _state(kept: Address, problems: Problems) -> None:
    country = kept.get("country_code", "")
    code, name = kept.get("state_code", ""), kept.get("state", "")
    known = _parts_of(country) if len(country) == 2 and country.isalpha() else {}
    by_code, by_name = (known.get(_fold(text)) if text else None for text in (code, name))
    if by_code and by_name and by_code != by_name:
        problems.append(_problem("state", f"State is {by_name[1]}, but the code {code} is {by_code[1]}. Correct one of them."))
    elif found := by_code or by_name:
        kept["state_code"], kept["state"] = found
    elif country in STATES_NEEDED:
        where = kept.get("country", country)
        words = f"“{name or code}” is no state of {where} we know." if name or code else f"State is missing: mail in {where} needs it."
        problems.append(_problem("state", f"{words} Use its name or code."))


def _postal(kept: Address, problems: Problems) -> None:
    country, text = kept.get("country_code", ""), kept.get("postal", "").upper()
    if not text:
        if country and country not in WITHOUT_POSTAL:
            problems.append(_problem("postal", "Postal code is missing."))
        return
    if country == "US" and re.fullmatch(r"\d{9}", text):
        text = f"{text[:5]}-{text[5:]}"
    if country in ("CA", "GB"):
        plain = text.replace(" ", "").replace("-", "")
        text = f"{plain[:-3]} {plain[-3:]}"
    kept["postal"] = text
    form, words = _POSTAL.get(country, (None, ""))
    if form and not form.fullmatch(text):
        if country in ("US", "DE") and re.fullmatch(r"\d{3,4}", text):
            words = f"{words}. This one has {len(text)}: a spreadsheet may have dropped the zero in front"
        problems.append(_problem("postal", f"“{kept['postal']}” is no postal code of {kept.get('country')}. {words}."))
