"""A digest that was begun early counts only for the very file that it was taken of."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from portal import early_digest


def sha(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "feed.csv"
    path.write_bytes(b"old" * 1_000)
    return path


def digested(path):
    """Begin, and wait until it is done."""
    early_digest.begin(str(path))
    early_digest._begun[path.absolute()].join()


def test_the_digest_is_the_files_and_is_taken_once(file, monkeypatch):
    digested(file)
    monkeypatch.setattr(early_digest, "_digested", lambda _path: pytest.fail("read twice"))
    assert early_digest.of(file) == sha(b"old" * 1_000)


def test_without_a_beginning_it_is_taken_then(file):
    assert early_digest.of(file) == sha(b"old" * 1_000)


def test_a_file_written_to_or_replaced_since_is_read_again(file):
    digested(file)
    file.write_bytes(b"new" * 1_000)
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 5_000_000))
    assert early_digest.of(file) == sha(b"new" * 1_000)
    digested(file)
    other = file.with_name("other")
    other.write_bytes(b"two" * 1_000)
    os.utime(other, ns=(file.stat().st_mtime_ns, file.stat().st_mtime_ns))
    other.replace(file)
    assert early_digest.of(file) == sha(b"two" * 1_000)


def test_a_file_that_grows_while_it_is_read_does_not_count_as_read(file, monkeypatch):
    grown = []

    class Growing:
        """Each look at the file finds another time."""

        def __call__(self, of):
            grown.append(of)
            return (1, 1, 1, len(grown))

    monkeypatch.setattr(early_digest, "_seen", Growing())
    assert early_digest._digested(file)[0] == early_digest.NEVER


def test_what_is_no_file_or_cannot_be_read_is_left_to_whoever_wants_it(tmp_path, file):
    early_digest.begin(str(tmp_path))
    early_digest.begin("--json")
    assert not early_digest._begun
    digested(file)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        early_digest.of(file)
