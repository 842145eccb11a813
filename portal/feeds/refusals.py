"""The ways a file cannot be read as a feed, each in the merchant's words."""

from __future__ import annotations

from portal.errors import Problem, SupplierError
from portal.feeds.encodings import name_of


def _refusal(code: str, headline: str, body: str, act: str = "Choose another file", act_at: str = "file") -> SupplierError:
    return SupplierError(Problem(code, headline, body, act, act_at), permanent=True)


def empty_file() -> SupplierError:
    """Nothing in it."""
    return _refusal("empty_file", "The file is empty", "It holds no text at all. We kept your stock as it was.")


def html_page(title: str) -> SupplierError:
    """A web page where a feed should be; `title` is the page's own."""
    seen = f"Its title is “{title}”. " if title else ""
    body = f"{seen}A sign-in or error page often comes this way when a link has ended. We kept your stock as it was."
    return _refusal("html_page", "The file is a web page, not a feed", body, "Check the address", "connection")


def unsupported(what: str, instead: str = "Ask for a CSV or text file") -> SupplierError:
    """A format we do not read. `what` such as "an Excel workbook"."""
    return _refusal("unsupported_format", f"The file is {what}", f"We read delimited text such as CSV. {instead}.")


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
    return _refusal("malformed_file", "Quotes are not closed", body, "Change how the file is read")


def long_line(line: int, limit: int) -> SupplierError:
    """A line or cell larger than `limit` characters."""
    body = f"Line {line:,} is longer than {limit // 1_000_000:,} million characters. Real feeds never are; check the delimiter and quote."
    return _refusal("malformed_file", "A line of the file never ends", body, "Change how the file is read")


def no_such_header(line: int) -> SupplierError:
    """The file ends before the header line that was set."""
    return _refusal("malformed_file", "The header line is not there", f"The file ends before line {line:,}.", "Change how the file is read")
