"""Feeds, acts and their undoing, each carried out to its end."""

from __future__ import annotations

from typing import Any

from portal.bulk_acts import acts
from portal.models import BulkAct, Run
from tests.catalogue.stock import done
from tests.feed_of import Feed, rows_of

WHO = "ana@harbor.example"


def synced(feed: Feed, count: int) -> Run:
    run = feed.start(rows_of(count))
    done()
    return Run.get_by_id(run.id)


def acted(act: BulkAct, **options: Any) -> BulkAct:
    acts.confirm(act, WHO, **options)
    done()
    return BulkAct.get_by_id(act.id)


def undone(act: BulkAct) -> BulkAct:
    acts.undo(act, WHO)
    done()
    return BulkAct.get_by_id(act.id)
