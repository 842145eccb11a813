"""Whose tracking number it is, by its form and check digit, and where a person follows it. Pure.

Forms and check digits: UPS 1Z (UPS "Tracking number check digit"), USPS IMpb (USPS Publication 199, mod 10), S10 (UPU S10-12, mod 11),
FedEx Express 12 and Ground 15/20/22 digits, DHL Express (mod 7), Canada Post (mod 10), OnTrac (mod 10), DPD (ISO 7064 mod 37,36).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

CARRIERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "ups": ("UPS", "https://www.ups.com/track?tracknum={}", ("ups", "unitedparcelservice", "upsn", "upgf", "upss")),
    "usps": ("USPS", "https://tools.usps.com/go/TrackConfirmAction?tLabels={}", ("usps", "uspostalservice", "unitedstatespostalservice")),
    "fedex": ("FedEx", "https://www.fedex.com/fedextrack/?trknbr={}", ("fedex", "federalexpress", "fdx", "fdeg", "fdxg", "fedexground")),
    "dhl": ("DHL Express", "https://www.dhl.com/global-en/home/tracking.html?tracking-id={}", ("dhl", "dhlexpress")),
    "dhl_ecommerce": (
        "DHL eCommerce", "https://www.dhl.com/us-en/home/tracking/tracking-ecommerce.html?tracking-id={}",
        ("dhlecommerce", "dhlglobalmail"),
    ),
    "canada_post": (
        "Canada Post", "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor={}", ("canadapost", "postescanada"),
    ),
    "purolator": ("Purolator", "https://www.purolator.com/en/shipping/tracker?pin={}", ("purolator",)),
    "royal_mail": ("Royal Mail", "https://www.royalmail.com/track-your-item#/tracking-results/{}", ("royalmail",)),
    "australia_post": ("Australia Post", "https://auspost.com.au/mypost/track/details/{}", ("australiapost", "auspost")),
    "dpd": ("DPD", "https://tracking.dpd.de/status/en_US/parcel/{}", ("dpd",)),
    "gls": ("GLS", "https://gls-group.com/track/{}", ("gls",)),
    "ontrac": ("OnTrac", "https://www.ontrac.com/tracking/?number={}", ("ontrac", "lasership")),
    "amazon": ("Amazon Logistics", "https://track.amazon.com/tracking/{}", ("amazon", "amazonlogistics", "amzl", "amzlus")),
}  # fmt: skip
"""key -> (name, address of a number, what else it is called, folded)."""

POSTS = {"US": "usps", "CA": "canada_post", "GB": "royal_mail", "AU": "australia_post"}
LONGEST = 80

Check = Callable[[str], bool]


@dataclass(frozen=True)
class Recognised:
    """`key`: of CARRIERS, "" unknown. `sure`: the form is this carrier's alone. `doubt`: in words, "" where nothing is odd."""

    key: str
    sure: bool = False
    doubt: str = ""


def plain(number: str) -> str:
    """The number as it is compared: without blanks and signs, in capitals."""
    return "".join(letter for letter in number.upper() if letter.isalnum())[:LONGEST]


def recognise(number: str, told: str = "") -> Recognised:
    """Whose number it is. What the supplier told counts where we know the carrier; a number that its check digit denies is doubted."""
    forms = _forms(plain(number))
    named = by_name(told)
    passed = [(key, sure) for key, sure, good in forms if good]
    if named:
        own = [good for key, _, good in forms if key == named]
        other = next((key for key, sure in passed if sure and key != named), "")
        if other and not any(own):
            return Recognised(named, False, f"{name_of(named)} was told, but the number is one of {name_of(other)}.")
        if own and not any(own):
            return Recognised(named, False, f"The number's check digit does not fit {name_of(named)}: a digit may be wrong.")
        return Recognised(named, any(own))
    if passed:
        key, sure = max(passed, key=lambda one: one[1])
        return Recognised(key, sure)
    sure_forms = [key for key, sure, good in forms if sure and not good]
    if sure_forms:
        return Recognised(sure_forms[0], False, f"It looks like {name_of(sure_forms[0])}, but its check digit is wrong.")
    return Recognised("")


def by_name(told: str) -> str:
    """The carrier of a name as suppliers write it ("UPS Ground", "FEDEX", a SCAC), "" when none is meant."""
    words = re.findall(r"[a-z0-9]+", told.casefold())
    begins = ["".join(words[:n]) for n in range(len(words), 0, -1)]  # the longest first: "dhl ecommerce" before "dhl"
    return next((key for begin in begins for key, (_, _, names) in CARRIERS.items() if begin in names), "")


def name_of(key: str) -> str:
    """The carrier's name, "" of an unknown one."""
    return CARRIERS[key][0] if key in CARRIERS else ""


def carrier_of(shipment: Any) -> str:
    """The carrier of a shipment in words: its own name, or as it was told."""
    return name_of(shipment.carrier_key) or str(shipment.carrier)


def link(key: str, number: str) -> str:
    """Where a person follows the parcel, always https; "" for an unknown carrier."""
    return CARRIERS[key][1].format(quote(plain(number), safe="")) if key in CARRIERS and plain(number) else ""


def _forms(number: str) -> list[tuple[str, bool, bool]]:
    """(carrier, whether the form is its alone, whether the check digit fits) of each form that the number has."""
    found = [(key, sure, check(number)) for key, form, sure, check in _FORMS if form.fullmatch(number)]
    if (post := re.fullmatch(r"[A-Z]{2}\d{9}([A-Z]{2})", number)) and (key := POSTS.get(post[1])):
        found.append((key, True, _s10(number)))
    return found


def _digits(number: str) -> list[int]:
    return [int(one) for one in number]


def _mod_10(number: str) -> bool:
    """GS1: from the right, the check digit left out, weights 3 and 1."""
    *body, check = _digits(number)
    return (-sum(value * (3, 1)[n % 2] for n, value in enumerate(reversed(body)))) % 10 == check


def _ups(number: str) -> bool:
    values = [int(one) if one.isdigit() else (ord(one) - 63) % 10 for one in number[2:]]
    *body, check = values
    return (-sum(value * (1, 2)[n % 2] for n, value in enumerate(body))) % 10 == check


def _ontrac(number: str) -> bool:
    values = [(ord(number[0]) - 63) % 10, *_digits(number[1:])]
    *body, check = values
    return (-sum(value * (1, 2)[n % 2] for n, value in enumerate(body))) % 10 == check


def _s10(number: str) -> bool:
    total = sum(value * weight for value, weight in zip(_digits(number[2:10]), (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    return {10: 0, 11: 5}.get(11 - total % 11, 11 - total % 11) == int(number[10])


def _fedex_12(number: str) -> bool:
    weights = (3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1)
    return sum(value * weight for value, weight in zip(_digits(number[:11]), weights, strict=True)) % 11 % 10 == int(number[11])


def _dpd(number: str) -> bool:
    value = 36
    for letter in number[:14]:
        value = (value + int(letter, 36)) % 36 or 36
        value = value * 2 % 37
    return (37 - value) % 36 == int(number[14], 36)


def _usps(number: str) -> bool:
    return _mod_10(number[-22:] if number.startswith("420") else number)


def _always(_: str) -> bool:
    return True


_FORMS: tuple[tuple[str, re.Pattern[str], bool, Check], ...] = (
    ("ups", re.compile(r"1Z[0-9A-Z]{15}\d"), True, _ups),
    ("usps", re.compile(r"(?:420\d{5}(?:\d{4})?)?9[1-5]\d{20}"), True, _usps),
    ("fedex", re.compile(r"96\d{20}"), True, lambda number: _mod_10(number[-15:])),
    ("fedex", re.compile(r"\d{12}"), False, _fedex_12),
    ("fedex", re.compile(r"\d{15}"), False, _mod_10),
    ("fedex", re.compile(r"\d{20}"), False, _mod_10),
    ("dhl", re.compile(r"\d{10}"), False, lambda number: int(number[:9]) % 7 == int(number[9])),
    ("dhl", re.compile(r"J(?:J)?D\d{10,22}"), True, _always),
    ("dhl_ecommerce", re.compile(r"GM\d{10,22}"), True, _always),
    ("canada_post", re.compile(r"\d{16}"), False, _mod_10),
    ("ontrac", re.compile(r"[CD]\d{14}"), True, _ontrac),
    ("dpd", re.compile(r"\d{14}[0-9A-Z]"), False, _dpd),
    ("amazon", re.compile(r"TB[ACM]\d{12}"), True, _always),
)
