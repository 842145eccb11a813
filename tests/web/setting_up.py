"""A source on its way through set-up, by the forms a person uses: no JavaScript, no shortcut into the database."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from portal.models import Integration, Source

STOCK = (
    b"item_no,title,upc,qty_avail,cost,wh_note,colour\n"
    b'NW-10442,"Tarp, 3 x 4 m",036000291452,14,9.95,A,green\n'
    b"NW-10443,Tent peg,4006381333931,0,12.00,B,steel\n"
    b"NW-10444,Work lamp,036000291453,10+,1.10,C,black\n"
    b",No number,,3,2.00,D,red\n"
)


def path(source: Source, rest: str = "") -> str:
    """An address of the source."""
    return f"/sources/{source.public_id}{rest}"


def fresh(source: Source) -> Source:
    """The source as it is saved now."""
    found = Source.get_by_id(source.id)
    found.merchant = source.merchant
    return found


def integration(source: Source, kind: str = "get_inventory_primary") -> Integration:
    """One of its integrations as it is saved now."""
    return Integration.get(Integration.source == source, Integration.kind == kind)


def select(client: Any, source: Source, slug: str = "file-upload") -> None:
    """Choose the supplier."""
    there = path(source, f"/suppliers/{slug}")
    answer = client.send_form(there, {"confirmed": "y"})
    assert answer.status_code == 303, answer.text


def upload(client: Any, source: Source, run_work: Callable[[], None], content: bytes = STOCK, name: str = "stock.csv") -> None:
    """Select File upload, send the file, let it be looked at, and accept how it is read: the mapping is next."""
    select(client, source)
    files = {"file": (io.BytesIO(content), name)}
    answer = client.send_form(path(source, "/connection/file"), files, page=path(source, "/connection"), content_type="multipart/form-data")
    assert answer.status_code == 303, answer.text
    run_work()
    answer = client.send_form(path(source, "/file"))
    assert answer.status_code == 303 and answer.headers["Location"] == path(source, "/mapping/inventory"), answer.headers
