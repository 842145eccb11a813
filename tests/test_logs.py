"""What looks like a credential does not reach the log, whoever wrote the line."""

from __future__ import annotations

import logging

import pytest

from portal.logs import Blotting, blotted


@pytest.mark.parametrize(
    "line",
    [
        "cannot reach postgresql://quay:hunter2canary@db.example/quay",
        "ftp://:hunter2canary@host refused",
        "password=hunter2canary",
        'settings {"password": "hunter2canary more words"}',
        "{'passphrase': 'hunter2canary'}",
        "Authorization: Basic hunter2canary",
        "authorization: bearer hunter2canary",
        "API-Key = hunter2canary",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2canary\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2canary cut off",
    ],
)
def test_a_credential_is_blotted_out(line):
    assert "hunter2canary" not in blotted(line)
    assert "***" in blotted(line)


@pytest.mark.parametrize("line", ["run r4 read 48,210 rows", "GET http://127.0.0.1:8000/sign-in 200", "sent to mailto:a@b.example"])
def test_an_ordinary_line_stays_as_it_is(line):
    assert blotted(line) == line


def test_a_traceback_is_blotted_too():
    try:
        raise ValueError("https://acme:hunter2canary@files.example/feed.csv")
    except ValueError:
        import sys

        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    assert "hunter2canary" not in Blotting("%(message)s").format(record)
