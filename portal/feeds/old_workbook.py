"""Reads an old binary workbook (XLS) in a process of its own: `python old_workbook.py PATH` writes its sheets as lines of JSON.

A damaged or hostile one can make its parser take all memory and abort, which must end only this process. It imports nothing of ours.
"""

from __future__ import annotations

import datetime
import json
import resource
import sys
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

MEMORY, SECONDS, OUTPUT = 1 << 30, 20, 1 << 30
DAMAGED, ENCRYPTED = 3, 4


def main() -> int:
    """{"names", "visible"}, then for each visible sheet {"sheet", "rows", "width"} and its rows."""
    limits = {resource.RLIMIT_AS: MEMORY, resource.RLIMIT_CPU: SECONDS, resource.RLIMIT_FSIZE: OUTPUT, resource.RLIMIT_CORE: 0}
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))
    try:
        _write(CalamineWorkbook.from_path(sys.argv[1]))
    except PasswordError:
        return ENCRYPTED
    except (CalamineError, OSError, ValueError):
        return DAMAGED
    return 0


def _write(book: CalamineWorkbook) -> None:
    sheets = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
    visible = [one.name for one in sheets if one.visible == SheetVisibleEnum.Visible]
    _line({"names": [one.name for one in sheets], "visible": visible})
    for name in visible:
        sheet = book.get_sheet_by_name(name)
        _line({"sheet": name, "rows": sheet.end[0] + 1 if sheet.end else 0, "width": sheet.width})
        for row in sheet.iter_rows():
            _line(row)


def _line(value: Any) -> None:
    sys.stdout.write(json.dumps(value, default=_text) + "\n")


def _text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "seconds")
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
