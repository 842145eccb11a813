"""The colours of the theme can be read: contrast is computed from the tokens in theme.css."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

THEME = (Path(__file__).resolve().parents[2] / "static" / "theme.css").read_text(encoding="utf-8")
TEXT, EDGE = 4.5, 3.0  # WCAG 2.2 AA: 1.4.3 and 1.4.11

STATUS = ("ok", "run", "warn", "bad", "hold", "mute")
PAIRS = [
    *[(ink, ground, TEXT) for ink in ("ink", "ink-2", "ink-3") for ground in ("canvas", "surface", "sunken")],
    *[("accent", ground, TEXT) for ground in ("canvas", "surface", "sunken", "accent-soft")],
    *[("accent-hover", ground, TEXT) for ground in ("canvas", "surface")],
    ("on-accent", "accent", TEXT), ("on-accent", "accent-hover", TEXT), ("ink", "accent-soft", TEXT), ("ink-2", "accent-soft", TEXT),
    *[(name, f"{name}-bg", TEXT) for name in STATUS],
    *[(name, "surface", TEXT) for name in STATUS],
    ("bad", "canvas", TEXT),
    *[("line-strong", ground, EDGE) for ground in ("canvas", "surface", "sunken")],
    *[("focus", ground, EDGE) for ground in ("canvas", "surface", "sunken", "accent-soft")],
]  # fmt: skip


def tokens(selector: str) -> dict[str, str]:
    """The colours set by the first block of `selector`."""
    block = THEME[THEME.index(selector + "{") :]
    return dict(re.findall(r"--([a-z0-9-]+):(#[0-9A-F]{6})\b", block[: block.index("color-scheme")]))


LIGHT, DARK, SYSTEM_DARK = tokens(":root"), tokens("[data-bs-theme=dark]"), tokens(":root:not([data-bs-theme])")


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_pair_that_is_used_can_be_read(theme: dict[str, str], ink: str, ground: str, least: float) -> None:
    assert contrast(theme[ink], theme[ground]) >= least, f"{ink} on {ground}: {contrast(theme[ink], theme[ground]):.2f}"


def test_dark_is_the_same_when_chosen_and_when_the_system_asks() -> None:
    assert DARK == SYSTEM_DARK and set(DARK) == set(LIGHT) and len(DARK) > 20


def test_the_measure_is_right() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


def test_no_rule_uses_a_colour_outside_the_tokens() -> None:
    rules = THEME[THEME.index("/* type */") :]
    loose = re.findall(r"(?<!%23)(?<!&)#[0-9A-Fa-f]{3,8}\b", re.sub(r'url\("data:[^"]*"\)', "", rules))
    assert not loose
