"""Reads every template: nothing the content policy would block, nothing a person without a mouse or a script would miss."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "templates"
TEMPLATES = sorted(FOLDER.rglob("*.html"))
SCRIPT = (FOLDER.parent / "static" / "focus.js").read_text(encoding="utf-8")
TAG = re.compile(r"<(?!!)([a-z][a-z0-9-]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>", re.S)
JINJA = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.S)
BANNED = re.compile(
    r"\b(please|sorry|oops|valid|invalid|forbidden|success(?:ful)?(?:ly)?|are you sure|vendor|blacklist|whitelist|click here)\b", re.I
)
RULES = {
    "inline style": re.compile(r"<[^>]*\sstyle\s*=|<style\b", re.I),
    "inline script": re.compile(r"<script(?![^>]*\ssrc=)", re.I),
    "inline handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.I),
    "hx-on": re.compile(r"\bhx-on\b|data-hx-on", re.I),
    "js: values": re.compile(r"hx-(?:vals|headers)\s*=\s*['\"]\s*js:", re.I),
    "event filter": re.compile(r"hx-trigger\s*=\s*\"[^\"]*\[", re.I),
    "javascript: address": re.compile(r"javascript:", re.I),
    "unescaped": re.compile(r"\|\s*safe\b"),
    "address of another site": re.compile(r"(?:src|href|action)\s*=\s*[\"'](?:https?:)?//", re.I),
}


def name(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def plain(text: str) -> str:
    """The template with Jinja taken out, so that tags can be read. Quotes inside stay balanced."""
    return JINJA.sub("·", text)


def problems(text: str) -> list[str]:
    """Everything that is wrong with one template."""
    found = [what for what, pattern in RULES.items() if pattern.search(text)]
    found += _forms(text) + _controls(text) + _swaps(text) + _tables(text)
    words = re.sub(r"<[^>]*>", " ", plain(text))
    found += [f'banned word "{match[0]}"' for match in BANNED.finditer(words)]
    sentences = [quoted for quoted in re.findall(r'"([^"]*)"', text) if " " in quoted.strip()]
    found += [f'banned word "{match[0]}"' for sentence in sentences for match in BANNED.finditer(sentence)]
    return found


def _forms(text: str) -> list[str]:
    found = []
    for match in re.finditer(r"<form\b(.*?)</form>", text, re.S):
        head = TAG.match(plain("<form" + match[1]))
        posts = re.search(r'method="post"', match[0], re.I)
        if posts and not re.search(r"m\.(tokens|csrf)\(\)|{{\s*(tokens|csrf)\(\)", match[0]):
            found.append("a form that posts without m.tokens()")
        if head and "hx-" in head[2] and 'action="' not in head[2]:
            found.append("a form with htmx and no address of its own")
        if not re.search(r"<button|button_form|type=\"submit\"|\.submit", match[0]):
            found.append("a form without a button")
    return found


def _controls(text: str) -> list[str]:
    found = []
    bare = plain(text)
    labelled = set(re.findall(r'<label[^>]*\sfor="([^"]+)"', bare))
    for tag, attributes in TAG.findall(bare):
        if tag == "input" and re.search(r'type="(hidden|submit|checkbox|radio)"', attributes) and "placeholder" not in attributes:
            continue
        if tag in ("input", "select", "textarea"):
            own = re.search(r'\bid="([^"]+)"', attributes)
            if not re.search(r"aria-label|aria-hidden", attributes) and (not own or own[1] not in labelled):
                found.append(f"<{tag}> without a label")
        if tag == "button" and "type=" not in attributes:
            found.append("<button> without a type")
        if tag == "img" and "alt=" not in attributes:
            found.append("<img> without alt")
        if tag in ("a", "button", "input", "select") and re.search(r'tabindex="[1-9]', attributes):
            found.append("a tab order of its own")
    return found


def _swaps(text: str) -> list[str]:
    """htmx: target and swap on the element itself, and an address that also works without it."""
    found = []
    for tag, attributes in TAG.findall(plain(text)):
        request = re.search(r"\bhx-(get|post|put|patch|delete)=", attributes)
        if not request:
            continue
        if "hx-target=" not in attributes:
            found.append(f"<{tag} hx-{request[1]}> without hx-target")
        if "hx-swap=" not in attributes:
            found.append(f"<{tag} hx-{request[1]}> without hx-swap")
        if tag == "a" and "href=" not in attributes:
            found.append("<a> that goes nowhere without htmx")
        if tag in ("a", "button", "input", "select", "textarea", "summary") and "id=" not in attributes and "·" not in attributes[:2]:
            found.append(f"<{tag} hx-{request[1]}> without an id to keep the focus by")
        if tag == "button" and request[1] != "get" and "form" not in attributes and "<form" not in text:
            found.append("a button that does nothing without htmx")
    return found


def _tables(text: str) -> list[str]:
    found = []
    for table in re.findall(r"<table\b.*?</table>", text, re.S):
        if "<caption" not in table and "aria-label" not in table.split(">")[0]:
            found.append("a table without a caption")
        if re.search(r"<th(?![^>]*scope=)[\s>]", table):
            found.append("<th> without scope")
    return found


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_the_template_is_clean(path: Path) -> None:
    assert problems(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<p style="width:62%">', "inline style"),
        ("<script>alert(1)</script>", "inline script"),
        ('<a href="/" onclick="x()">', "inline handler"),
        ('<div hx-on:click="x()">', "hx-on"),
        ("<div hx-vals='js:{a: 1}'>", "js: values"),
        ('<a href="/" id="a" hx-get="/" hx-target="#x" hx-swap="outerHTML" hx-trigger="click[ctrlKey]">', "event filter"),
        ("{{ name|safe }}", "unescaped"),
        ('<script src="https://cdn.example/x.js"></script>', "address of another site"),
        ('<form method="post" action="/x"><button type="submit">Save</button></form>', "a form that posts without m.tokens()"),
        ('<form action="/x"></form>', "a form without a button"),
        ('<input name="q" placeholder="Search">', "<input> without a label"),
        ("<button>Go</button>", "<button> without a type"),
        ('<a href="/" id="a" hx-get="/" hx-swap="outerHTML">', "<a hx-get> without hx-target"),
        ('<a href="/" hx-get="/" hx-target="#x" hx-swap="outerHTML">', "<a hx-get> without an id to keep the focus by"),
        ("<table><tr><td>1</td></tr></table>", "a table without a caption"),
        ("<table><caption>A</caption><tr><th>1</th></tr></table>", "<th> without scope"),
        ("<p>Please try again</p>", 'banned word "Please"'),
        ('{{ m.notice("bad", "Oops, that was wrong") }}', 'banned word "Oops"'),
    ],
)
def test_the_lint_finds_each_fault(text: str, expected: str) -> None:
    assert expected in problems(text)


def test_our_script_stays_small_and_plain() -> None:
    assert len(SCRIPT.splitlines()) <= 60
    assert not re.search(r"\beval\b|innerHTML|insertAdjacent|document\.write|new Function", SCRIPT)


def test_every_icon_that_is_asked_for_exists(app: Any) -> None:
    sprite = (FOLDER.parent / "static" / "icons.svg").read_text(encoding="utf-8")
    known = set(re.findall(r'<symbol id="([a-z]+)"', sprite))
    asked = {match for path in TEMPLATES for match in re.findall(r'\bicon\("([a-z_-]+)"', path.read_text(encoding="utf-8"))}
    looks = app.jinja_env.get_template("_macros.html").module.STATES
    asked |= {look[1] for look in looks.values()}
    assert asked <= known, asked - known


def test_every_state_has_a_glyph_and_a_word(app: Any) -> None:
    states = app.jinja_env.get_template("_macros.html").module.STATES
    kinds = "draft ready ok syncing late held action paused queued running finished warnings no_change failed stopped"
    for kind in kinds.split():
        tone, glyph, word = states[kind]
        assert tone in ("ok", "run", "warn", "bad", "hold", "mute") and glyph and word
    assert [key for key, look in states.items() if look[0] == "hold"] == ["held"], "violet means Held and nothing else"
