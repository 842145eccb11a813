"""The ugly corpus: one small feed of every kind that suppliers send, each with the rows or the refusal it must give."""

# ruff: noqa: E501
from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.feeds.workbooks import xls, xlsx, xlsx_of_parts

HEADERS = ["sku", "title", "qty", "cost"]
ITEMS = [[f"NW-{n:04}", f"Größe {n} bolt", str(n * 3 % 17), f"{n}.25"] for n in range(1, 25)]
PLAIN = [[f"NW-{n:04}", f"Bolt {n}", str(n * 3 % 17), f"{n}.25"] for n in range(1, 25)]


@dataclass(frozen=True)
class Case:
    """A file and what it must give: the cells of all rows without a fatal problem, or the code of a refusal.

    `change` overrides what was detected, as a merchant would; `format` is part of what must be detected.
    """

    name: str
    content: bytes
    rows: Sequence[Sequence[str]] | None = None
    code: str = ""
    headers: Sequence[str] | None = None
    aside: int = 0
    change: dict[str, Any] = field(default_factory=dict)
    format: dict[str, Any] = field(default_factory=dict)
    warns: int = 0


def text_of(rows: Sequence[Sequence[str]], delimiter: str = ",", end: str = "\n", headers: Sequence[str] | None = HEADERS) -> str:
    """Rows without quoting."""
    return "".join(delimiter.join(row) + end for row in ([headers, *rows] if headers else rows))


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _encodings()
    yield from _layouts()
    yield from _rows()
    yield from _refused()
    yield from _packed()
    yield from _workbooks()
    yield from _fixed()
    yield from _json()
    yield from _xml()
    yield from _edi()
    yield from _damaged()
    yield from _warehouses()


def _encodings() -> Iterator[Case]:
    text = text_of(ITEMS)
    yield Case("utf8", text.encode(), ITEMS, headers=HEADERS)
    yield Case("utf8-bom", b"\xef\xbb\xbf" + text.encode(), ITEMS, headers=HEADERS)
    yield Case("utf16-le-bom", b"\xff\xfe" + text.encode("utf-16-le"), ITEMS, headers=HEADERS, format={"encoding": "utf-16-le"})
    yield Case("utf16-be-bom", b"\xfe\xff" + text.encode("utf-16-be"), ITEMS, headers=HEADERS, format={"encoding": "utf-16-be"})
    yield Case("utf16-le-bare", text.encode("utf-16-le"), ITEMS, headers=HEADERS, format={"encoding": "utf-16-le"})
    yield Case("cp1252", text.encode("cp1252"), ITEMS, headers=HEADERS, format={"encoding": "cp1252"})
    yield Case("latin1-with-odd-bytes", text.encode("latin-1").replace(b"bolt", b"b\x81lt"), [[r[0], r[1].replace("bolt", "b\x81lt"), *r[2:]] for r in ITEMS],
               format={"encoding": "iso-8859-1"})  # fmt: skip
    yield Case("cp850-as-set", text.encode("cp850"), ITEMS, change={"encoding": "cp850"})
    yield Case("nul-inside", text_of(PLAIN).replace("Bolt 7", "Bo\0lt 7").encode(), PLAIN)


def _layouts() -> Iterator[Case]:
    for name, delimiter in (("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|"), ("tilde", "~"), ("caret", "^")):
        yield Case(f"delimiter-{name}", text_of(PLAIN, delimiter).encode(), PLAIN, headers=HEADERS, format={"delimiter": delimiter})
    for name, end in (("crlf", "\r\n"), ("cr-only", "\r")):
        yield Case(f"line-end-{name}", text_of(PLAIN, end=end).encode(), PLAIN, headers=HEADERS)
    mixed = text_of(PLAIN).split("\n")
    yield Case("line-ends-mixed", "".join(line + ("\n", "\r\n", "\r")[n % 3] for n, line in enumerate(mixed) if line).encode(), PLAIN)
    yield Case(
        "no-header",
        text_of(PLAIN, "|", headers=None).encode(),
        PLAIN,
        headers=[f"Column {n}" for n in range(1, 5)],
        format={"header_row": 0},
    )
    yield Case("leading-zeros-no-header", "".join(f"{n:06}|01{n:010}|{n % 5}|499\n" for n in range(60)).encode(),
               [[f"{n:06}", f"01{n:010}", str(n % 5), "499"] for n in range(60)], format={"header_row": 0})  # fmt: skip
    doubled = [["sku", "qty", "qty", "", "sku"], *[[f"A{n}", "1", "2", "x", "B"] for n in range(9)]]
    yield Case("doubled-and-blank-headers", text_of(doubled[1:], headers=doubled[0]).encode(), doubled[1:],
               headers=["sku", "qty", "qty (2)", "Column 4", "sku (2)"])  # fmt: skip
    german = [[r[0], r[1], r[2], r[3].replace(".", ",")] for r in PLAIN]
    preamble = "Bestandsliste Müller GmbH;;;\r\nStand: 23.11.2026;;;\r\n\r\n"
    body = text_of(german, ";", "\r\n", ["Artikelnummer", "Bezeichnung", "Verfügbar", "Preis €"])
    yield Case("german-preamble-totals", (preamble + body + "Summe;;136;\r\n").encode("cp1252"), german, aside=1,
               format={"decimal_mark": ",", "delimiter": ";", "header_row": 4, "encoding": "cp1252"})  # fmt: skip
    yield Case("excel-sep-line", ("sep=;\r\n" + text_of(PLAIN, ";", "\r\n")).encode(), PLAIN, format={"delimiter": ";", "header_row": 2})
    yield Case("excel-unicode-text", b"\xff\xfe" + text_of(ITEMS, "\t", "\r\n").encode("utf-16-le"), ITEMS, format={"delimiter": "\t"})
    yield Case("one-column", b"sku\nA1\nA2\n", [["A1"], ["A2"]])
    yield Case("header-only", b"sku,qty\n", [])
    yield Case("trailing-delimiter", text_of([[*r, ""] for r in PLAIN], headers=[*HEADERS, ""]).encode(), [[*r, ""] for r in PLAIN])
    wide = [[f"A{n}", *[str(n + m) for m in range(400)]] for n in range(5)]
    yield Case("400-columns", text_of(wide, headers=["sku", *[f"wh{m}" for m in range(400)]]).encode(), wide)


def _rows() -> Iterator[Case]:
    quoted = "sku,title,qty\n" + "".join(f'A{n},"Lamp, ""large""\nwith a line {n}",5\n' for n in range(9))
    yield Case("quoted-lines-and-quotes", quoted.encode(), [[f"A{n}", f'Lamp, "large"\nwith a line {n}', "5"] for n in range(9)])
    single = "sku,title\n" + "".join(f"'A{n}','x, y'\n" for n in range(9))
    yield Case("single-quotes", single.encode(), [[f"A{n}", "x, y"] for n in range(9)], format={"quote": "'"})
    inches = "sku|size|qty\n" + "".join(f'A{n}|5" pipe|1\n' for n in range(9))
    yield Case("inches", inches.encode(), [[f"A{n}", '5" pipe', "1"] for n in range(9)])
    quoted_items = [[r[0], f'"{r[1]}"', *r[2:]] for r in PLAIN]
    opened = text_of([*quoted_items[:5], ["BAD", '"never closed', "5", "1"], *quoted_items[5:]])
    yield Case("open-quote", opened.encode(), PLAIN, aside=1)
    yield Case("ragged", text_of([*PLAIN, ["X", "one", "two", "3", "4", "5"], ["Y"]]).encode(), PLAIN, aside=2)
    yield Case("short-by-habit", ("sku,qty,note\n" + "A,1\nB,2,x\n" * 9).encode(), [["A", "1", ""], ["B", "2", "x"]] * 9)
    yield Case("blank-lines", text_of(PLAIN).replace("\n", "\n\n").encode(), PLAIN)
    yield Case("grand-total", (text_of(PLAIN) + "Grand Total,,300,\n").encode(), PLAIN, aside=1)
    yield Case(
        "html-in-cells",
        ("sku,text\n" + "".join(f'A{n},"<p>x</p>"\n' for n in range(5))).encode(),
        [[f"A{n}", "<p>x</p>"] for n in range(5)],
    )
    yield Case(
        "json-in-cells",
        ("sku\tattributes\n" + "".join(f'A{n}\t{{"a": {n}}}\n' for n in range(5))).encode(),
        [[f"A{n}", f'{{"a": {n}}}'] for n in range(5)],
    )
    yield Case("ten-megabyte-cell", b"sku,text\nA," + b"x" * 10_000_000 + b"\nB,y\n", [["A", "x" * 10_000_000], ["B", "y"]])
    yield Case("zero-width-header", "sku,\u200bqty\nA,1\n".encode(), [["A", "1"]])


def _refused() -> Iterator[Case]:
    yield Case("empty", b"", code="empty_file")
    yield Case("blank", b" \r\n\r\n", code="empty_file")
    yield Case("sign-in-page", b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>", code="html_page")
    yield Case("pdf", b"%PDF-1.7\n%\xe2\xe3", code="unsupported_format")
    yield Case("html-table-named-xls", b"<table><tr><td>sku</td></tr></table>", code="html_page")
    yield Case(
        "excel-2003-xml",
        b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
        code="unsupported_format",
    )
    yield Case("edifact", b"UNB+UNOC:3+A+B'UNH+1+INVRPT:D:96A'", code="unsupported_format")
    yield Case("broken-letters", b"sku,title\n" + b"A,Gr\xf6\xdfe\n" * 99, code="wrong_encoding", change={"encoding": "utf-8"})
    yield Case("noise", bytes(range(7, 256)) * 40 + b"\0" * 9_000, code="unreadable_text")


def _zip(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", ".")), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _packed() -> Iterator[Case]:
    text = text_of(PLAIN).encode()
    yield Case("gz", gzip.compress(text, mtime=0), PLAIN)
    yield Case("zip", _zip(stock__csv=text), PLAIN)
    yield Case("zip-of-xlsx", _zip(stock__xlsx=xlsx({"S": [HEADERS, *PLAIN]})), PLAIN)
    yield Case("zip-of-json", _zip(stock__json=json.dumps([dict(zip(HEADERS, row, strict=True)) for row in PLAIN]).encode()), PLAIN)
    yield Case("zip-with-readme", _zip(readme__txt=b"read me", stock__csv=text), PLAIN)
    yield Case("gz-cut", gzip.compress(text, mtime=0)[:-20], code="file_cut")
    yield Case("zip-cut", _zip(stock__csv=text)[:-30], code="file_cut")
    yield Case("zip-in-zip", _zip(stock__zip=_zip(stock__csv=text)), code="unsafe_archive")
    yield Case("gz-bomb", gzip.compress(b"\0" * 30_000_000, mtime=0), code="unsafe_archive")


def _workbooks() -> Iterator[Case]:
    typed = [[r[0], r[1], int(r[2]), float(r[3])] for r in PLAIN]
    yield Case("xlsx", xlsx({"Stock": [HEADERS, *typed]}), PLAIN, headers=HEADERS)
    yield Case("xls", xls([HEADERS, *typed]), PLAIN, headers=HEADERS)
    title = [["Stock on 2026-11-25"], [], HEADERS]
    content = xlsx({"S": [*title, *typed, ["Total", "", 9]]}, lambda _, sheets: sheets["S"].merge_range(0, 0, 0, 3, title[0][0]))
    yield Case("xlsx-merged-title-totals", content, PLAIN, aside=1, format={"header_row": 3})
    mixed = [["sku", "qty", "date"], ["007", 5, "soon"], [8, "n/a", ""], ["9", 1.5, "2026-11-25"]]
    yield Case("xlsx-mixed-types", xlsx({"S": mixed}), [["007", "5", "soon"], ["8", "n/a", ""], ["9", "1.5", "2026-11-25"]])
    yield Case("xlsx-second-sheet", xlsx({"Cover": [["Hello"]], "Stock": [HEADERS, *typed]}), PLAIN, format={"sheet": "Stock"})
    yield Case("xlsx-long-numbers", xlsx({"S": [["sku", "upc"], ["A", 4006381333931], ["B", 12345678901231]]}),
               [["A", "4006381333931"], ["B", "12345678901231"]])  # fmt: skip
    yield Case("xlsx-cut", xlsx({"S": [HEADERS, *typed]})[:-100], code="file_cut")
    far = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    yield Case("xlsx-far-cell", xlsx_of_parts(far), code="too_large")
    yield Case("xlsx-encrypted", b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), code="encrypted_file")
    yield Case("xlsx-sheet-gone", xlsx({"Stock": [HEADERS, *typed]}), code="sheet_missing", change={"sheet": "Old"})


def _fixed() -> Iterator[Case]:
    widths = (10, 30, 8, 10)
    lines = ["".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [HEADERS, *PLAIN]]
    yield Case("fixed-width", "\n".join(lines).encode(), PLAIN, headers=HEADERS, format={"kind": "fixed_width", "cuts": "1,11,41,49"})
    right = [f"{r[0]:<10}{r[1]:<20}{r[2]:>6}{r[3]:>10}" for r in PLAIN]
    yield Case("fixed-width-right-no-header", "\r\n".join(right).encode(), PLAIN, format={"kind": "fixed_width", "header_row": 0})
    tight = "".join(f"{r[0]:<8}{r[2]:>3}\n" for r in PLAIN)
    yield Case("fixed-width-tight-as-set", tight.encode(), [[r[0], r[2]] for r in PLAIN],
               change={"kind": "fixed_width", "cuts": "1-8,9-11", "header_row": 0})  # fmt: skip


def _json() -> Iterator[Case]:
    items = [{"sku": r[0], "title": r[1], "qty": int(r[2]), "cost": float(r[3])} for r in PLAIN]
    yield Case("json-root-array", json.dumps(items).encode(), PLAIN, headers=HEADERS, format={"row_path": "$"})
    yield Case("json-nested-array", json.dumps({"ok": True, "data": {"items": items, "pages": [1, 2, 3]}}).encode(), PLAIN,
               format={"row_path": "$.data.items"})  # fmt: skip
    yield Case("json-pretty-utf16", b"\xff\xfe" + json.dumps(items, indent=2).encode("utf-16-le"), PLAIN)
    keyed = {r[0]: {"title": r[1], "qty": int(r[2]), "cost": float(r[3])} for r in PLAIN}
    yield Case("json-keyed", json.dumps(keyed).encode(), PLAIN, headers=["@key", *HEADERS[1:]], format={"row_path": "$.*"})
    yield Case("json-rows-of-lists", json.dumps([HEADERS, *PLAIN]).encode(), PLAIN, headers=HEADERS)
    yield Case("json-single", b'{"sku": "A", "qty": 5}', [["A", "5"]])
    deep = [
        {
            "sku": "A",
            "price": {"eur": 5, "tax": {"rate": 0.19}},
            "tags": ["x", "y"],
            "img": [{"src": "1"}, {"src": "2"}],
            "n": None,
            "b": True,
        }
    ]
    yield Case("json-flattened", json.dumps(deep).encode(), [["A", "5", "0.19", "x | y", "1", "2", "", "true"]],
               headers=["sku", "price.eur", "price.tax.rate", "tags", "img.src", "img 2.src", "n", "b"])  # fmt: skip
    shirts = [{"title": f"Shirt {n}", "brand": "K", "variants": [{"sku": f"S{n}-{size}", "qty": n} for size in "ML"]} for n in range(1, 4)]
    yield Case("json-variants", json.dumps({"products": shirts}).encode(),
               [[f"Shirt {n}", "K", f"S{n}-{size}", str(n)] for n in range(1, 4) for size in "ML"],
               headers=["title", "brand", "variants.sku", "variants.qty"], format={"row_path": "$.products", "variants": "variants"})  # fmt: skip
    numbers = b'[{"sku": 12345678901234567890123, "cost": 1.10, "big": 1e3, "small": 1e-7}, {"sku": 2, "cost": 2.50, "big": 1, "small": 0}]'
    yield Case("json-exact-numbers", numbers, [["12345678901234567890123", "1.10", "1000", "0.0000001"], ["2", "2.50", "1", "0"]])
    late = [{"sku": f"A{n}", "qty": n} for n in range(1_500)] + [{"sku": "Z", "qty": 1, "sale": 9}]
    yield Case("json-late-column", json.dumps(late).encode(), [[f"A{n}", str(n), ""] for n in range(1_500)] + [["Z", "1", "9"]])
    yield Case("json-cut", json.dumps(items).encode()[:-20], code="file_cut")
    yield Case("json-broken", b'[{"sku": "A"},, {"sku": "B"}]', code="malformed_file")
    yield Case("json-endless-number", b'[{"sku": ' + b"1" * 10_000 + b"}]", code="malformed_file")
    endless = b'{"sku": ' + b"1" * 5_000 + b'}\n{"sku": {"a": 12345678901234567890}}\n'
    yield Case("jsonl-endless-number", endless, [["12345678901234567890"]], aside=1)
    far = b'{"sku": "A", "upc": "12345678901234567", "n": 1e99999999999999999999}\n{"sku": "B"}\n'
    yield Case("jsonl-far-exponent", far, [["B"]], aside=1)
    yield Case("json-far-exponent", b'[{"sku": "A", "n": 1e99999999999999999999}]', code="malformed_file")
    yield Case("json-deep", b"[" * 100_000, code="unsafe_file")
    yield Case("json-path-gone", json.dumps({"items": items}).encode(), code="row_path_missing", change={"row_path": "$.products"})
    yield Case("json-empty-list", json.dumps({"items": []}).encode(), [], change={"row_path": "$.items"})
    lines = [json.dumps(one) for one in items]
    yield Case("jsonl", "\n".join(lines).encode(), PLAIN, headers=HEADERS, format={"kind": "jsonl"})
    yield Case("jsonl-bad-line", "\n".join([*lines[:5], '{"sku": "cut', *lines[5:]]).encode(), PLAIN, aside=1)
    yield Case("jsonl-long-number", b'{"sku": 12345678901234567890123}\n{"sku": 2}\n', [["12345678901234567890123"], ["2"]])


def _xml() -> Iterator[Case]:
    def element(row: Sequence[str]) -> str:
        return "<item>" + "".join(f"<{name}>{cell}</{name}>" for name, cell in zip(HEADERS, row, strict=True)) + "</item>"

    body = "".join(map(element, ITEMS))
    yield Case("xml", f'<?xml version="1.0"?><feed><made>today</made><items>{body}</items></feed>'.encode(), ITEMS, headers=HEADERS,
               format={"kind": "xml", "row_path": "/feed/items/item"})  # fmt: skip
    yield Case("xml-cp1252", f'<?xml version="1.0" encoding="windows-1252"?><f>{body}</f>'.encode("cp1252"), ITEMS)
    yield Case("xml-undeclared-cp1252", f"<f>{body}</f>".encode("cp1252"), ITEMS)
    yield Case("xml-utf16", b"\xff\xfe" + f'<?xml version="1.0" encoding="utf-16"?><f>{body}</f>'.encode("utf-16-le"), ITEMS)
    flat = "".join(f'<item sku="{r[0]}" title="{r[1]}" qty="{r[2]}" cost="{r[3]}"/>' for r in PLAIN)
    yield Case("xml-attributes", f"<f>{flat}</f>".encode(), PLAIN, headers=[f"@{name}" for name in HEADERS])
    google = "".join(f"<item><g:id>{r[0]}</g:id><title>{r[1]}</title><g:price>{r[3]} EUR</g:price></item>" for r in PLAIN)
    yield Case("xml-namespaces", f'<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{google}</channel></rss>'.encode(),
               [[r[0], r[1], f"{r[3]} EUR"] for r in PLAIN], headers=["g:id", "title", "g:price"])  # fmt: skip
    default = f'<f xmlns="urn:x">{body}</f>'
    yield Case("xml-default-namespace", default.encode(), ITEMS, headers=HEADERS)
    repeated = "<f>" + "<item><sku>A</sku><image>1</image><image>2</image><price cur='EUR'>5</price></item>" * 3 + "</f>"
    yield Case("xml-repeated-and-attributes", repeated.encode(), [["A", "1", "2", "EUR", "5"]] * 3,
               headers=["sku", "image", "image 2", "price.@cur", "price"])  # fmt: skip
    shirts = "".join(
        f"<product><title>Shirt {n}</title><brand>K</brand><variants>"
        + "".join(f"<variant><sku>S{n}-{size}</sku><qty>{n}</qty></variant>" for size in "ML")
        + "</variants></product>"
        for n in range(1, 4)
    )
    yield Case("xml-variants", f"<f>{shirts}</f>".encode(), [[f"Shirt {n}", "K", f"S{n}-{size}", str(n)] for n in range(1, 4) for size in "ML"],
               headers=["title", "brand", "variants.variant.sku", "variants.variant.qty"],
               format={"row_path": "/f/product", "variants": "variants/variant"})  # fmt: skip
    mixed = "<f>" + "<item><sku>A</sku><text>Some <b>bold</b> words</text><c><![CDATA[<p>x</p>]]></c></item>" * 2 + "</f>"
    yield Case("xml-mixed-and-cdata", mixed.encode(), [["A", "Some bold words", "<p>x</p>"]] * 2)
    yield Case("xml-cut", f"<f>{body}".encode(), code="file_cut")
    yield Case("xml-cut-in-a-tag", f"<f>{body}</f>".encode()[:-9], code="file_cut")
    yield Case("xml-broken", f"<f>{body}</g></f>".encode(), code="malformed_file")
    yield Case("xml-undeclared-entity", b"<f><item><sku>caf&eacute;</sku></item></f>", code="malformed_file")
    laughs = '<!DOCTYPE f [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    yield Case("xml-laughs", f'<?xml version="1.0"?>{laughs}<f><item><sku>&b;</sku></item></f>'.encode(), code="unsafe_file")
    yield Case("xml-external", b'<!DOCTYPE f SYSTEM "http://127.0.0.1:9/x.dtd"><f><item><sku>A</sku></item></f>', code="unsafe_file")
    yield Case("xml-deep", b"<a>" * 100_000 + b"</a>" * 100_000, code="unsafe_file")
    yield Case("xml-path-gone", f"<f>{body}</f>".encode(), code="row_path_missing", change={"row_path": "/f/product/x"})
    yield Case("xml-became-csv", text_of(PLAIN).encode(), code="other_format", change={"kind": "xml", "row_path": "/f/item"})


ISA = "ISA*00*          *00*          *ZZ*ACME           *ZZ*SHOP           *261123*1200*U*00401*000000007*0*P*>"


def edi(kind: str = "846", sign: str = "*", end: str = "~", line: str = "\n", count: int | None = None, trailer: bool = True) -> bytes:
    """An interchange of three items with prices and two quantities."""
    body = [f"ST*{kind}*0001", "BIA*00*SI*REF1*20261123"]
    for n in range(1, 4):
        body += [
            f"LIN*{n}*VP*W-{n}*UP*07612340000{n}",
            f"PID*F****Widget {n}, blue",
            f"CTP**UCP*{n}.50",
            f"QTY*33*{n * 4}*EA",
            f"QTY*17*{n * 5}*EA",
        ]
    body += ["CTT*3"]
    body += [f"SE*{len(body) + 1 if count is None else count}*0001"]
    envelope = [ISA, "GS*IB*ACME*SHOP*20261123*1200*7*X*004010", *body, "GE*1*7", "IEA*1*000000007"]
    return "".join(segment.replace("*", sign) + end + line for segment in (envelope if trailer else envelope[:-2])).encode()


def _edi() -> Iterator[Case]:
    rows = [[f"W-{n}", f"07612340000{n}", f"Widget {n}, blue", f"{n}.50", str(n * 4), "EA", str(n * 5), "EA"] for n in range(1, 4)]
    headers = ["Vendor part", "UPC", "Description", "Unit cost", "Quantity available", "Quantity available unit", "Quantity on hand",
               "Quantity on hand unit"]  # fmt: skip
    yield Case("edi-846", edi(), rows, headers=headers, format={"kind": "x12"})
    yield Case("edi-846-one-line", edi(line=""), rows)
    yield Case("edi-846-other-signs", edi(sign="|", end="'", line="\r\n"), rows)
    yield Case("edi-846-ends-of-line", edi(end="\n", line=""), rows)
    yield Case("edi-855", edi("855"), code="wrong_document")
    yield Case("edi-cut", edi(trailer=False), code="file_cut")
    yield Case("edi-segment-missing", edi(count=30), code="file_cut")


def _damaged() -> Iterator[Case]:
    codes = ["036000291452", "012345678905", "042100005264", "076123400003"]
    lost = [[f"A{n}", code.lstrip("0")] for n, code in enumerate(codes * 4)]
    yield Case("excel-lost-zeros", text_of(lost, headers=["sku", "upc"]).encode(), lost, warns=1)
    cut = [[f"A{n}", "4.00638E+12" if n % 2 else "4006381333931"] for n in range(8)]
    yield Case("excel-scientific", text_of(cut, headers=["sku", "ean"]).encode(), cut, warns=1)
    dates = [["2-Jan" if n == 3 else f"{n}-X", "5"] for n in range(8)]
    yield Case("excel-dates-in-sku", text_of(dates, headers=["sku", "qty"]).encode(), dates, warns=1)
    errors = [[f"A{n}", "#N/A" if n == 3 else "5"] for n in range(8)]
    yield Case("excel-errors", text_of(errors, headers=["sku", "qty"]).encode(), errors, warns=1)


def _warehouses() -> Iterator[Case]:
    columns = [[r[0], r[1], str(n), str(n * 2)] for n, r in enumerate(PLAIN)]
    yield Case("warehouse-columns", text_of(columns, headers=["sku", "title", "qty_east", "qty_west"]).encode(), columns)
    rows = [[r[0], place, str(n)] for n, r in enumerate(PLAIN) for place in ("East", "West")]
    yield Case("warehouse-rows", text_of(rows, headers=["sku", "warehouse", "qty"]).encode(), rows)
    places = [{"code": place, "stock": 4} for place in ("E", "W")]
    shirts = [
        {"title": f"Shirt {n}", "brand": "K", "variants": [{"sku": f"S{n}{size}", "stores": places} for size in "ML"]} for n in range(1, 4)
    ]
    deep = [[f"Shirt {n}", "K", f"S{n}{size}", "E", "4", "W", "4"] for n in range(1, 4) for size in "ML"]
    yield Case("json-variants-with-stores", json.dumps({"products": shirts}).encode(), deep,
               change={"row_path": "$.products", "variants": "variants"},
               headers=["title", "brand", "variants.sku", "variants.stores.code", "variants.stores.stock", "variants.stores 2.code",
                        "variants.stores 2.stock"])  # fmt: skip
