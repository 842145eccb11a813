"""Every setting is named once, explained, and refused in words when it cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from portal import config

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = [ROOT / "app.py", *(ROOT / "portal").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]


@pytest.mark.parametrize("variable", config.VARIABLES, ids=lambda variable: variable.name)
def test_the_readme_names_every_setting_with_its_default(variable):
    rows = [line for line in README.splitlines() if re.search(rf"`{variable.name}`", line)]
    assert rows, f"README.md does not name {variable.name}"
    assert not variable.default or any(variable.default in row for row in rows)


def test_the_readme_names_no_setting_that_does_not_exist():
    table = re.findall(r"^\| `([A-Z][A-Z_]+)` \|", README, re.MULTILINE)
    assert set(table) <= {variable.name for variable in config.VARIABLES}


def test_nothing_else_reads_the_environment():
    readers = [path for path in CODE if re.search(r"os\.environ|os\.getenv|\bgetenv\(", path.read_text(encoding="utf-8"))]
    assert {path.name for path in readers} <= {"config.py", "failpoints.py"}


def test_an_empty_environment_gives_the_documented_defaults(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = config.read({})
    assert (made.port, made.host, made.data_dir) == (8000, "127.0.0.1", tmp_path / "var")
    assert made.database_url == f"sqlite:///{tmp_path}/var/portal.db"
    assert made.secret_key_file == tmp_path / "var" / "secret.key"
    assert made.demo and not made.production


def test_production_never_starts_the_demo_supplier():
    assert config.read({"PRODUCTION": "1", "DEMO": "1"}).demo is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "x"),
        ("PORT", "0"),
        ("WORKERS", "-1"),
        ("DEMO", "maybe"),
        ("MAX_FEED_MB", "1.5"),
        *[
            ("PUBLIC_URL", text)
            for text in (
                "portal.example.com",
                "https://",
                "https://portal.example.com/quayside",
                "https://a@portal.example.com",
                "https://portal.example.com?x",
                "ftp://portal.example.com",
                "https://portal.example.com:0",
                "https://bücher.example",
            )
        ],
    ],
)
def test_a_value_that_cannot_be_used_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        config.read({name: value})


@pytest.mark.parametrize(("text", "kept"), [
    ("https://Portal.Example.com/", "https://portal.example.com"), ("https://portal.example.com:443", "https://portal.example.com"),
    ("http://10.0.0.4:8000", "http://10.0.0.4:8000"), ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"), ("", ""),
])  # fmt: skip
def test_the_public_address_is_kept_in_one_form(text, kept):
    assert config.read({"PUBLIC_URL": text}).public_url == kept


def test_in_production_the_public_address_is_https():
    with pytest.raises(ValueError, match="PUBLIC_URL must begin with https"):
        config.read({"PUBLIC_URL": "http://portal.example.com", "PRODUCTION": "1"})
