"""Raw files in an S3-compatible bucket: two machines without a folder in common, an S3 server of others' making, and one that is away."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from portal import clock, documents, raw_files
from portal import config as settings
from portal.connectors import bucket
from portal.errors import SupplierError
from portal.models import Document
from portal.operation import backup, restoring
from tests.feed_of import Feed, rows_of

SECRET = "bucket-secret-canary"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """moto's S3 server on loopback, with a bucket."""
    from minio import Minio

    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"127.0.0.1:{server.server_port}"
    Minio(address, access_key="key", secret_key=SECRET, secure=False, region="us-east-1").make_bucket("quayside-raw")
    yield f"http://{address}"
    server.shutdown()
    thread.join(10)


@pytest.fixture
def machine(config: Any, s3: str, tmp_path: Any) -> Any:
    """machine("a"): the settings of that machine are in use from then on; its folder is its own, the bucket everybody's."""
    (tmp_path / "s3.secret").write_text(SECRET + "\n")

    def use(name: str) -> Any:
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        return settings.use(
            replace(
                config, data_dir=place, raw_files=f"s3://quayside-raw/{tmp_path.name}", s3_endpoint=s3, s3_region="us-east-1",
                s3_access_key="key", s3_secret_key_file=tmp_path / "s3.secret",
            )
        )  # fmt: skip

    return use


@pytest.mark.one_database
def test_what_one_machine_took_in_another_reads_and_the_bucket_forgets(machine, make_source, run_work, config, tmp_path):
    a = machine("a")
    feed = Feed(make_source())
    run = feed.start(rows_of(400))
    (document,) = Document.select()
    b = machine("b")
    assert not (b.spool_dir / document.stored_name).exists()
    run_work()  # on b, which has never seen the file
    assert type(run).get_by_id(run.id).state == "finished" and len(feed.items()) == 400
    assert (b.spool_dir / document.stored_name).read_bytes() == (a.spool_dir / document.stored_name).read_bytes()
    shutil.rmtree(b.spool_dir)
    made = backup.make(tmp_path / "backups")  # a backup holds them whichever machine makes it
    assert made.raw_files == 1 and made.missing == 0 and restoring.check(made.folder).good
    old = (clock.now() - timedelta(hours=30)).timestamp()
    copy = b.spool_dir / document.stored_name
    os.utime(copy, (old, old))
    assert documents._erase_orphans() == 1 and documents.path_of(document).exists()  # a copy goes, and comes back when it is asked for
    document.erase_at = clock.now() - timedelta(days=1)
    document.save()
    type(feed.integration).update(last_accepted_run_id=None).execute()
    assert documents.erase_old() == 1
    shutil.rmtree(a.spool_dir)
    machine("a")
    assert not raw_files.found(document.stored_name).exists()


@pytest.mark.one_database
def test_a_store_that_is_away_fails_in_words_and_keeps_nothing_half(machine, make_source):
    here = machine("a")
    away = replace(here, s3_endpoint="http://127.0.0.1:1")
    settings.use(away)
    bucket._made.cache_clear()
    with pytest.raises(SupplierError) as told:
        documents.store_upload(make_source(), io.BytesIO(b"sku,qty\nA,1\n"), "stock.csv")
    assert told.value.problem.headline == "The store of files did not answer" and not told.value.permanent
    assert Document.select().count() == 0 and SECRET not in str(told.value.problem)


@pytest.mark.parametrize("text", ["quayside", "s3://", "s3://UPPER/x", "https://bucket", "s3://a/b c"])
def test_a_bucket_is_named_in_one_form(text):
    with pytest.raises(ValueError, match="RAW_FILES"):
        settings.read({"RAW_FILES": text})
