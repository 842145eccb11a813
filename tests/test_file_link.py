"""A file link is asked whether its file changed: the server's 304 ends the run as No change, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from portal import documents, runs
from portal.models import Document, Integration, InventoryItem, MappingVersion, Run, Source
from tests.connecting import STOCK, check, save
from tests.connectors.web_server import Web, answer, web
from tests.test_delivery import synced

pytest_plugins = ("tests.connected",)
OLD = "Wed, 25 Nov 2026 08:00:00 GMT"


@pytest.fixture
def server() -> Iterator[Web]:
    with web(answer(STOCK, ETag='"v1"', Last_Modified=OLD)) as made:
        yield made


@pytest.fixture
def source(chosen: Any, server: Web, run_work: Callable[[], None]) -> Source:
    made: Source = chosen("http-file")
    save(made, {"url": server.link("/stock.csv?key=1"), "auth": "none"})
    check(made, run_work)
    assert synced(made, run_work).state == "finished"
    Source.update(state="live").where(Source.id == made.id).execute()
    return made


def again(source: Source, run_work: Callable[[], None]) -> Run:
    run = runs.start_sync(Integration.get(Integration.source == source, Integration.kind == "get_inventory_primary"))
    run_work()
    return Run.get_by_id(run.id)


def test_the_file_that_we_have_is_not_fetched_again(source: Source, server: Web, run_work: Callable[[], None]) -> None:
    server.says[:] = [answer(status="304 Not Modified", length=False, ETag='"v1"')]
    before = Document.select().count()
    run = again(source, run_work)
    assert (run.state, run.accepted) == ("no_change", True) and Document.select().count() == before
    asked = server.heard[-1]
    assert 'If-None-Match: "v1"\r\n' in asked and f"If-Modified-Since: {OLD}\r\n" in asked


def test_another_file_is_read(source: Source, server: Web, run_work: Callable[[], None]) -> None:
    server.says[:] = [answer(STOCK.replace(b"14", b"15"), ETag='"v2"', Last_Modified="Wed, 25 Nov 2026 09:00:00 GMT")]
    assert again(source, run_work).state == "finished"
    assert InventoryItem.get(InventoryItem.sku == "NW-10442").quantity == 15


def test_another_link_or_a_file_that_was_erased_is_asked_for_without_conditions(
    source: Source, server: Web, run_work: Callable[[], None]
) -> None:
    document = Document.get(Document.id == Run.select().order_by(Run.id.desc()).get().document_id)
    documents.path_of(document).unlink()
    again(source, run_work)
    assert "If-None-Match" not in server.heard[-1] and "If-None-Match" not in server.heard[-2]
    save(source, {"url": server.link("/stock.csv?key=2"), "auth": "none"})
    again(source, run_work)
    assert "If-" not in server.heard[-1] + server.heard[-2]


def test_a_304_that_nobody_asked_for_is_refused(chosen: Any, server: Web, run_work: Callable[[], None]) -> None:
    server.says[:] = [answer(status="304 Not Modified", length=False)]
    made = chosen("http-file")
    save(made, {"url": server.link(), "auth": "none"})
    assert check(made, run_work).problem["code"] == "redirected"


def test_a_new_mapping_reads_the_kept_file_anew(source: Source, server: Web, run_work: Callable[[], None]) -> None:
    server.says[:] = [answer(status="304 Not Modified", length=False, ETag='"v1"')]
    integration = Integration.get(Integration.source == source, Integration.kind == "get_inventory_primary")
    old = MappingVersion.get(MappingVersion.integration == integration)
    rules = {**old.rules, "fields": {**old.rules["fields"], "title": {"columns": ["item_no"]}}}
    MappingVersion.create(integration=integration, number=2, rules=rules, headers=old.headers)
    Integration.update(mapping_version=2).where(Integration.id == integration.id).execute()
    assert again(source, run_work).state == "finished"
    assert InventoryItem.get(InventoryItem.sku == "NW-10442").title == "NW-10442"
