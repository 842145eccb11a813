"""Feeds made wrong in the ways that wires, editors and enemies do it; the same seed makes the same file."""

# ruff: noqa: E501
from __future__ import annotations

import gzip
import io
import random
import zipfile
import zlib
from collections.abc import Callable

from tests.feeds import corpus

SEEDS = [(case.name, case.content) for case in corpus.cases() if case.content and len(case.content) < 200_000]
Change = Callable[[random.Random, bytes], bytes]


def mutated(seed: int) -> tuple[str, bytes]:
    """(what was done, the file) of one seed."""
    rnd = random.Random(seed)
    name, content = rnd.choice(SEEDS)
    done = [name]
    for _ in range(rnd.choice((1, 1, 1, 2, 3))):
        change = rnd.choice(CHANGES)
        content = change(rnd, content)[:40_000_000]
        done.append(change.__name__.strip("_"))
    return " ".join(done), content


def _flip_bits(rnd: random.Random, content: bytes) -> bytes:
    out = bytearray(content or b"x")
    for _ in range(rnd.choice((1, 1, 3, 30))):
        out[rnd.randrange(len(out))] ^= 1 << rnd.randrange(8)
    return bytes(out)


def _cut(rnd: random.Random, content: bytes) -> bytes:
    return content[: rnd.randrange(len(content) + 1)]


def _cut_inside(rnd: random.Random, content: bytes) -> bytes:
    start = rnd.randrange(len(content) + 1)
    return content[:start] + content[start + rnd.choice((1, 2, 7, 100)) :]


def _join(rnd: random.Random, content: bytes) -> bytes:
    return content + rnd.choice((b"", b"\n", b"\0")) + rnd.choice(SEEDS)[1]


def _double(rnd: random.Random, content: bytes) -> bytes:
    start = rnd.randrange(len(content) + 1)
    piece = content[start : start + rnd.choice((1, 10, 200))]
    return content[:start] + piece * rnd.choice((2, 3, 100)) + content[start:]


def _swap_signs(rnd: random.Random, content: bytes) -> bytes:
    one, other = rnd.sample([b'"', b"'", b",", b";", b"<", b">", b"{", b"[", b"}", b"]", b"\n", b"\r", b"~", b"*", b":", b"&", b"/"], 2)
    return content.replace(one, other, rnd.choice((-1, 1, 3)))


def _reencode(rnd: random.Random, content: bytes) -> bytes:
    text = content.decode(rnd.choice(("utf-8", "cp1252", "latin-1", "utf-16-le")), "replace")
    return text.encode(rnd.choice(("utf-8", "utf-16", "utf-16-be", "cp1252", "utf-8-sig")), "replace")


def _sprinkle(rnd: random.Random, content: bytes) -> bytes:
    odd = (
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\x1a",
        b"\x0b",
        b"\xc3",
        b"&amp;",
        b"&x;",
        b"<!--",
        b"<![CDATA[",
        b"\\u0000",
        b"\\ud800",
        b"1e999",
        b"NaN",
    )
    for _ in range(rnd.choice((1, 5))):
        at = rnd.randrange(len(content) + 1)
        content = content[:at] + rnd.choice(odd) + content[at:]
    return content


def _huge_cell(rnd: random.Random, content: bytes) -> bytes:
    at = rnd.randrange(len(content) + 1)
    return content[:at] + rnd.choice((b"x", b'"', b"1", b"<a>", b"[", b" ")) * rnd.choice((1_000, 100_000, 10_000_000)) + content[at:]


def _many_columns(rnd: random.Random, content: bytes) -> bytes:
    at = content.find(b"\n", rnd.randrange(len(content) + 1))
    return content[:at] + rnd.choice((b",", b";", b"\t", b"*")) * 10_000 + content[at:]


def _pack(rnd: random.Random, content: bytes) -> bytes:
    if rnd.random() < 0.5:
        return gzip.compress(content, 1, mtime=0)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(rnd.choice(("feed.csv", "feed", "a/b.json", "x.xlsx"))), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _inside_packed(rnd: random.Random, content: bytes) -> bytes:
    """Change a part of a zip and pack it again with right check sums, so that the parsers behind it meet it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {one.filename: archive.read(one) for one in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, NotImplementedError, zlib.error):
        return _flip_bits(rnd, content)
    victim = rnd.choice(sorted(parts)) if parts else "x"
    parts[victim] = rnd.choice((_flip_bits, _cut, _cut_inside, _double, _swap_signs, _sprinkle))(rnd, parts.get(victim, b"x"))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return out.getvalue()


CHANGES: tuple[Change, ...] = (
    _flip_bits, _flip_bits, _cut, _cut_inside, _join, _double, _swap_signs, _swap_signs, _reencode, _sprinkle, _sprinkle, _huge_cell,
    _many_columns, _pack, _inside_packed, _inside_packed,
)  # fmt: skip
