"""Rules and headers ─▶ Python source ─▶ one function that maps a feed batch by batch, a few µs a row.

The source holds code and numbers of ours only: every text of a rule or header goes in through the table of constants. Each field has
a quick way for what nearly all its texts look like; for any other text it calls the reading that `compiling` made. A row with a
problem is left to the caller, who reads it by `compile_rules`. So both give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from json.encoder import encode_basestring
from typing import Any

from xxhash import xxh3_64_intdigest

from portal.fields import INVENTORY_BY_KEY, INVENTORY_COLUMNS, Field
from portal.mapping.compiling import BETWEEN, Read, content_hash, readings_of, unit_of_field
from portal.mapping.kinds import GTIN_LENGTHS, gtin_weight
from portal.mapping.rules import Rules, constant
from portal.mapping.transforms import TRANSFORMS
from portal.records import Row

Take = Callable[[Iterable[tuple[int, Row]], list[Any], list[tuple[int, int, str]], list[tuple[int, Row]]], None]

MOST_REMEMBERED, LONGEST_REMEMBERED = 20_000, 100
_UNREAD = object()
_WORDS = {"text", "identifier", "gtin", "unit", "images"}  # kinds whose value is a text, and never an empty one
_SLOW_STEPS = {"number", "convert", "table"}
_QUICK_STEPS = {"trim": "' '.join(t.split())", "upper": "t.upper()", "lower": "t.lower()"}
_AT = {key: position for position, key in enumerate(INVENTORY_COLUMNS)}
_PLACES = range(len(INVENTORY_COLUMNS))
_PLAIN = "len(t) <= {} and t.isascii() and t.isprintable() and '+' not in t and t[0] not in '=#'"  # as `kinds` looks at identifiers
_CENTS = "t[-3:-2] == {} and len(t) < 10 and (w := t[:-3] + t[-2:]).isdecimal()"
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})


def compile_batches(rules: Rules, headers: Sequence[str], decimal_mark: str = ".", stamp: int | None = None) -> Take:
    """One function for a whole feed: take(rows, staged, entered, troubled). `rows` are (hash of the record, row).

    It adds to `staged` (row number, 1, content hash, *values) of each row without a problem, or with `stamp` the same after the stamp
    as a line for Postgres (see `copy_line`); to `entered` its (hash of the record, number, SKU); to `troubled` the rows with a problem.
    Expects rules that `check_rules` accepted. Raises SupplierError(columns_missing).
    """
    source = _Source(rules, headers, decimal_mark)
    names: dict[str, Any] = source.constants
    exec(compile(source.text(stamp), "<mapping>", "exec"), names)
    take: Take = names["take"]
    return take


def copy_line(values: Sequence[Any]) -> str:
    """Values as a line of COPY … WITH (DELIMITER U+001F, NULL ''), without its end."""
    told = ("" if value is None else str(value).translate(_ESCAPES).replace(BETWEEN, f"\\{BETWEEN}") for value in values)
    return BETWEEN.join(told)


@cache
def _tails() -> dict[str, int]:
    """What the last four digits of a GTIN add to its check sum."""
    return {f"{n:04}": gtin_weight(f"{n:04}") for n in range(10_000)}


class _Remembered(dict[str, Any]):
    """Text -> what the field's reading makes of it, `_UNREAD` where it sees a problem; so a text of few kinds is read once."""

    def __init__(self, read: Read, column: int) -> None:
        super().__init__()
        self._read, self._before = read, [""] * column

    def __missing__(self, text: str) -> Any:
        problems: list[Any] = []
        value = self._read([*self._before, text], problems)
        found = _UNREAD if problems else value
        if len(self) < MOST_REMEMBERED and len(text) < LONGEST_REMEMBERED:
            self[text] = found
        return found


class _Heads(dict[str, float]):
    """What the digits of a GTIN before its last four add to its check sum; not a number for texts that are no such digits."""

    def __missing__(self, text: str) -> float:
        right = text.isascii() and text.isdecimal() and len(text) + 4 in GTIN_LENGTHS and text.strip("0")
        weight = gtin_weight(text) if right else float("nan")
        if len(self) < MOST_REMEMBERED and len(text) < LONGEST_REMEMBERED:
            self[text] = weight
        return weight


class _Source:
    """The source of one mapping's function. Its names: c the cells, p the problems, t a text, v0 … the values, k… constants."""

    def __init__(self, rules: Rules, headers: Sequence[str], mark: str) -> None:
        self.rules, self.mark = rules, mark
        self.index = {header: n for n, header in reversed(list(enumerate(headers)))}
        self.blank, self.fields, self.stock, self.sums = readings_of(rules, headers, mark)
        self.read = {position for position, _ in self.fields}
        if self.stock:
            self.read |= {_AT["warehouses"], *([_AT["quantity"]] if self.sums else [])}
        self.constants: dict[str, Any] = {
            "digest_of": xxh3_64_intdigest, "content_hash": content_hash, "copy_line": copy_line, "quoted": encode_basestring,
            "unread": _UNREAD, "tails": _tails().get, "nan": float("nan"),
            "escapes": _ESCAPES, "schemes": ("https://", "http://"),
        }  # fmt: skip

    def text(self, stamp: int | None) -> str:
        """The source."""
        body = ["number, c, noted = row", "if noted: troubled.append((record, row)); continue"]
        for position, reading in self.fields:
            body += self._field(position, reading)
        body += [*self._stock(), *self._units(), "if p: troubled.append((record, row)); p = []; continue", *self._ending(stamp)]
        head = ["def take(rows, staged, entered, troubled):", "    p = []", "    for record, row in rows:"]
        return "\n".join([*head, *(f"        {line}" for line in body), ""])

    def _name(self, value: Any) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def _field(self, position: int, reading: Read) -> list[str]:
        """Statements that set v{position} to what the reading gives."""
        key, value, slow = INVENTORY_COLUMNS[position], f"v{position}", f"{self._name(reading)}(c, p)"
        rule = (self.rules.get("fields") or {}).get(key) or {}
        if key == "custom" or len(rule.get("columns") or ()) != 1:
            return [f"{value} = {slow}"]
        field, column, steps = INVENTORY_BY_KEY[key], self.index[rule["columns"][0]], rule.get("steps") or []
        if field.kind == "images":
            return self._images(value, column, slow, bool(steps or rule.get("separator")))
        if field.kind in ("text", "identifier", "gtin") and not any(step["do"] in _SLOW_STEPS for step in steps):
            return [*self._stepped(column, steps), *self._words(field, value, slow, rule)]
        return self._number(field, value, column, reading, slow, steps)

    def _stepped(self, column: int, steps: Sequence[Mapping[str, Any]]) -> list[str]:
        """Statements that set t to the cell's text after its steps."""
        lines = [f"t = c[{column}].strip()"]
        for step in steps:
            quick = _QUICK_STEPS.get(step["to"] if step["do"] == "case" else step["do"])
            lines.append(f"if t: t = {quick or self._name(TRANSFORMS[step['do']].build(step, self.mark)) + '(t)'}")
        return [*lines, "t = t.strip()"] if steps else lines

    def _words(self, field: Field, value: str, slow: str, rule: Mapping[str, Any]) -> list[str]:
        """Statements for a text, an identifier or a GTIN that stands in t."""
        if field.key == "sku":
            raw = f"'+' not in c[{self.index[rule['columns'][0]]}] and " if rule.get("steps") else ""
            return [f"{value} = t if {raw}t and {_PLAIN.format(field.longest)} else {slow}"]
        empty = constant(field, str(rule.get("fallback") or ""), unit_of_field(self.rules, field.key))
        instead = "None" if empty is None else self._name(empty)
        if field.kind == "text":
            return [f"{value} = (t or {instead}) if len(t) <= {field.longest} else {slow}"]
        fine = _PLAIN.format(field.longest)
        if field.kind == "gtin":
            fine = f"not ({self._name(_Heads())}[t[:-4]] + tails(t[-4:], nan)) % 10"
        return [f"{value} = {instead} if not t else t if {fine} else {slow}"]

    def _number(self, field: Field, value: str, column: int, read: Read, slow: str, steps: Sequence[Any]) -> list[str]:
        """Statements for a field whose texts are remembered, with a quick way for plain numbers."""
        memory = self._name(_Remembered(read, column))
        lines = [f"{value} = {memory}[t]", f"if {value} is unread: {value} = {slow}"]
        quick = {
            "quantity": ("len(t) < 8 and t.isdecimal()", "int(t)"),
            "money": (_CENTS.format(self._name(self.mark)), "int(w) * 100"),
            "measure": (_CENTS.format(self._name(self.mark)), "int(w) * 100"),
        }.get(field.kind)
        if quick is None or steps:
            return [f"t = c[{column}]", *lines]
        return [f"t = c[{column}]", f"if {quick[0]}: {value} = {quick[1]}", "else:", *(f"    {line}" for line in lines)]

    def _images(self, value: str, column: int, slow: str, worked: bool) -> list[str]:
        if worked:
            return [f"{value} = {slow}"]
        fine = "t.startswith(schemes) and len(t) <= 2000 and ' ' not in t"
        return [f"t = c[{column}].strip()", f"{value} = f'[{{quoted(t)}}]' if {fine} else {slow}"]

    def _stock(self) -> list[str]:
        if not self.stock:
            return []
        lines = [f"total, v{_AT['warehouses']} = {self._name(self.stock)}(c, p)"]
        return [*lines, f"v{_AT['quantity']} = total"] if self.sums else lines

    def _units(self) -> list[str]:
        """Statements that leave a unit out where there is nothing it measures."""
        lines = []
        for unit, sizes in (("weight_unit", ("weight",)), ("dimension_unit", ("length", "width", "height"))):
            place, told = _AT[unit], self._value(_AT[unit])
            absent = " and ".join(f"{self._value(_AT[name])} is None" for name in sizes)
            if told != "None":
                lines.append(f"v{place} = None if {absent} else {told}")
                self.read.add(place)
        return lines

    def _value(self, position: int) -> str:
        """How the source names a value: v…, a constant, or None."""
        if position in self.read:
            return f"v{position}"
        return "None" if self.blank[position] is None else self._name(self.blank[position])

    def _ending(self, stamp: int | None) -> list[str]:
        """Statements that hash the values and stage the row."""
        names = [self._value(position) for position in _PLACES]
        told = [self._told(position, name) for position, name in zip(_PLACES, names, strict=True)]
        values = ", ".join(names)
        lines = [
            f't = f"{BETWEEN.encode("unicode_escape").decode().join(told)}"',
            f"plain = t.count({self._name(BETWEEN)}) == {len(names) - 1}",
            f"h = digest_of(t.encode('utf-8', 'surrogatepass')) if plain else content_hash(({values}))",
            f"if h >= {1 << 63}: h -= {1 << 64}",
        ]
        if stamp is None:
            lines.append(f"staged.append((number, 1, h, {values}))")
        else:
            lines += [f"if not plain: t = copy_line(({values}))", r"elif '\\' in t or '\n' in t or '\r' in t: t = t.translate(escapes)"]
            lines.append(f"staged.append(f'{int(stamp)}\\x1f{{number}}\\x1f1\\x1f{{h}}\\x1f{{t}}')")
        return [*lines, "entered.append((record, number, v0))"]

    def _told(self, position: int, name: str) -> str:
        if name == "None":
            return ""
        field = INVENTORY_BY_KEY.get(INVENTORY_COLUMNS[position])
        return f"{{{name} or ''}}" if field is None or field.kind in _WORDS else f"{{'' if {name} is None else {name}}}"
