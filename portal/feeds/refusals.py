"""The ways a file cannot be read as a feed, each in the merchant's words."""

from __future__ import annotations

from dataclasses import replace

from portal.errors import Problem, SupplierError
from portal.feeds.encodings import name_of


def _refusal(code: str, headline: str, body: str, act: str = "Choose another file", act_at: str = "file") -> SupplierError:
    return SupplierError(Problem(code, headline, body, act, act_at), permanent=True)


_READ = "Change how the file is read"


def empty_file() -> SupplierError:
    """Nothing in it."""
    return _refusal("empty_file", "The file is empty", "It holds no text at all. We kept your stock as it was.")


def html_page(title: str) -> SupplierError:
    """A web page where a feed should be; `title` is the page's own."""
    seen = f"Its title is “{title}”. " if title else ""
    body = f"{seen}A sign-in or error page often comes this way, when a link or a session has ended. We kept your stock as it was."
    return _refusal("html_page", "The file is a web page, not a feed", body, "Check the address", "connection")


def unsupported(what: str, instead: str = "Ask for a CSV or text file") -> SupplierError:
    """A format we do not read. `what` such as "a PDF"."""
    body = f"We read delimited and fixed-width text, Excel, XML, JSON and EDI 846. {instead}."
    return _refusal("unsupported_format", f"The file is {what}", body)


def other_format(what: str, expected: str) -> SupplierError:
    """A format we read, but not the one that was set: `what` came where `expected` should be."""
    body = f"It is set to be read as {expected}. Choose how it is read, or ask the supplier what changed."
    return _refusal("other_format", f"The file is {what}", body, _READ)


def not_text() -> SupplierError:
    """Binary content."""
    return _refusal("unreadable_text", "The file is not text", "It holds binary content that no encoding of ours can read.")


def wrong_encoding(bad: int, rows: int, used: str, better: str | None) -> SupplierError:
    """`bad` of `rows` rows hold broken characters when read as `used`; `better` is what the file looks like."""
    row = "row contains" if bad == 1 else "rows contain"
    guess = f"the file looks like {name_of(better)}, not {name_of(used)}" if better else f"it was read as {name_of(used)}"
    act = f"Read as {name_of(better)}" if better else "Choose the encoding"
    return _refusal("wrong_encoding", "Some letters cannot be read", f"{bad:,} of {rows:,} {row} broken characters; {guess}.", act)


def open_quotes(bad: int, rows: int) -> SupplierError:
    """Too many rows whose quote is never closed."""
    body = f"{bad:,} of {rows:,} rows open a quote that is never closed, so rows run into each other. Check the quote setting."
    return _refusal("malformed_file", "Quotes are not closed", body, _READ)


def long_line(line: int, limit: int) -> SupplierError:
    """A line or cell larger than `limit` characters."""
    body = f"Line {line:,} is longer than {limit // 1_000_000:,} million characters. Real feeds never are; check the delimiter and quote."
    return _refusal("malformed_file", "A line of the file never ends", body, _READ)


def no_such_header(line: int) -> SupplierError:
    """The file ends before the header line that was set."""
    return _refusal("malformed_file", "The header line is not there", f"The file ends before line {line:,}.", _READ)


def cut(what: str) -> SupplierError:
    """The file ends before its own end mark. `what` such as "the closing tag of the XML"."""
    body = f"It ends before {what}, so part of it is missing. We kept your stock as it was."
    return _refusal("file_cut", "The file is shorter than it says", body, "Read again")


def cut_archive(name: str) -> SupplierError:
    """A packed file that ends early, or whose check sum tells that bytes are missing."""
    return cut(f"the end of {_short(name)}" if name else "the end of the archive")


def broken_archive(packing: str) -> SupplierError:
    """Bytes that are no archive although they begin like one."""
    body = f"It begins like a {packing} file but does not hold together. Ask the supplier to send it again."
    return _refusal("malformed_file", f"The {packing} file is damaged", body, "Read again")


def bomb(grows: str) -> SupplierError:
    """A packed file that unpacks to far too much."""
    body = f"Unpacked it grows to {grows}. We stopped unpacking and used nothing of it."
    return _refusal("unsafe_archive", "The archive unpacks to too much", body)


def unsafe_archive(holds: str) -> SupplierError:
    """An archive that we do not unpack because of something in it."""
    body = f"It holds {holds}. Ask the supplier for an archive with the feed alone in it. We used nothing of it."
    return _refusal("unsafe_archive", "We do not unpack this archive", body)


def too_many_entries(limit: int) -> SupplierError:
    """An archive with too long a list of files."""
    return _refusal("unsafe_archive", "The archive holds too many files", f"More than {limit:,} files. We used nothing of it.")


def packed_too_large(limit: int) -> SupplierError:
    """A packed file larger than `limit` bytes."""
    body = f"Packed files may have {limit // 1_000_000:,} MB. We used nothing of it."
    return _refusal("too_large", "The archive is too large", body)


def encrypted(what: str) -> SupplierError:
    """A file behind a password. `what` such as "zip archive"."""
    return _refusal("encrypted_file", f"The {what} needs a password", "We cannot open it. Ask the supplier to send it without one.")


def member_missing(pattern: str, seen: list[str]) -> SupplierError:
    """No file in the archive fits; `seen` are some that are there."""
    there = f"There is {', '.join(_short(one) for one in seen)}." if seen else "It is empty."
    if not pattern:
        return _refusal("member_missing", "The archive holds no feed", there, _READ)
    return _refusal("member_missing", "No file in the archive fits", f"We look for {_short(pattern)}. {there}", _READ)


def broken_workbook() -> SupplierError:
    """A workbook that does not open."""
    return _refusal("malformed_file", "The workbook does not open", "It is damaged. Open it in Excel, save it again, or ask for CSV.")


def workbook_too_large() -> SupplierError:
    """A workbook that would fill the memory."""
    body = "A sheet is read whole, and this one would fill the memory. Ask for CSV. We used nothing of it."
    return _refusal("too_large", "The workbook is too large", body)


def sheet_missing(name: str, there: list[str]) -> SupplierError:
    """The sheet that was set is gone; `there` are the ones that exist."""
    body = f"There is no sheet “{_short(name)}”. It has {', '.join(f'“{_short(one)}”' for one in there[:3])}."
    return _refusal("sheet_missing", "The sheet is not there", body, _READ)


def too_many_columns(seen: int, limit: int) -> SupplierError:
    """More columns than any feed has."""
    return _refusal("malformed_file", "The file has too many columns", f"{seen:,} columns; at most {limit:,} can be read.", _READ)


def too_deep(limit: int) -> SupplierError:
    """Nested deeper than any feed is."""
    return _refusal("unsafe_file", "The file is nested too deep", f"More than {limit} levels. Real feeds never are. We used nothing of it.")


def row_path_missing(path: str, what: str) -> SupplierError:
    """Nothing in the document is at the path of the rows; "" when none could be found."""
    if not path:
        return _refusal("row_path_missing", "No items were found", f"The {what} holds no list of items. Choose what repeats.", _READ)
    body = f"The {what} has nothing at {_short(path)}. Choose what repeats, or ask the supplier what changed."
    return _refusal("row_path_missing", "The items are not where they were", body, _READ)


def broken_document(what: str, words: str) -> SupplierError:
    """A document that breaks its format's rules; `words` are the parser's."""
    problem = _refusal("malformed_file", f"The {what} does not hold together", "The supplier must send it again.", "Read again").problem
    return SupplierError(replace(problem, server_said=_short(words)), permanent=True)


def no_columns() -> SupplierError:
    """Fixed-width text whose columns are not set and not to be seen."""
    return _refusal("malformed_file", "No columns can be seen", "Enter where each column begins, such as 1,11,41.", _READ)


def edi_count(trailer: str, told: str, counted: int) -> SupplierError:
    """A trailer that counts other segments, sets or groups than came."""
    body = f"{trailer} tells of {_short(told)}, and {counted:,} came, so part of it is missing. We kept your stock as it was."
    return _refusal("file_cut", "The file is shorter than it says", body, "Read again")


def wrong_document(what: str) -> SupplierError:
    """An EDI document of another kind than inventory."""
    return _refusal("wrong_document", "The file is not an EDI 846", f"It is {what}. Stock comes as 846, inventory advice.")


def has_dtd() -> SupplierError:
    """A document type definition, by which a document reaches for other files and grows without end."""
    body = "A DTD can reach for other files, so we read none. Ask the supplier for the same XML without it."
    return _refusal("unsafe_file", "The XML carries a DTD", body)


def endless_item(limit: int) -> SupplierError:
    """An item larger than `limit` bytes."""
    body = f"More than {limit // 1_000_000:,} MB without an item coming to its end. Choose what repeats."
    return _refusal("malformed_file", "An item of the file never ends", body, _READ)


def _short(name: str) -> str:
    shown = "".join(letter for letter in name if letter.isprintable())
    return shown if len(shown) <= 60 else shown[:59] + "…"
