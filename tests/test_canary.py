"""S1: a planted secret in every credential field of every entry of the directory is found nowhere, whatever was done with it."""

from __future__ import annotations

import logging
import socket
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from portal import connection_checks, connections, directory, exchanges, runs, sources, suppliers, vault
from portal.config import Config
from portal.connectors import caller, ftp_session, network, sftp, shopify_graph, tls, web_line
from portal.errors import Invalid
from portal.models import Connection, Exchange, Integration, MappingVersion, Run, SealedSecret, Source, database
from portal.models.database import is_postgres
from portal.suppliers import Setting, Supplier
from tasks.work import HANDLERS
from tests import canary
from tests.connecting import fresh
from tests.connectors.json_server import JsonAnswers, serving
from tests.servers import LOOPBACK

pytest_plugins = ("tests.connected",)
RULES = {"fields": {"sku": {"columns": ["sku"]}, "quantity": {"columns": ["qty"]}}}
TOKEN = "canary-token-of-the-server"
ADDRESSES = ("url", "base", "token_url", "authorize_url", "wsdl", "endpoint")
TYPED = {"path": "/items", "items": "data", "login_path": "/login", "size": "3", "first": "1", "folder": "out", "user": "ana"}


@dataclass
class Echo:
    """A server that repeats in its answers, wherever it can, everything that it was sent. `status` of its answers."""

    port: int = 0
    status: int = 200
    heard: list[str] = field(default_factory=list)


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()

    class Answers(JsonAnswers):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            told = f"{self.path} {dict(self.headers)} {self.rfile.read(length).decode('utf-8', 'replace')}"
            made.heard.append(told)
            body = {"data": [{"sku": "A-1", "qty": 3}], "echo": told, "error": told}
            if self.command == "POST" and self.path in ("/", "/login"):
                body["access_token"] = TOKEN
            if self.path.endswith((".csv", ".wsdl")) and made.status == 200:
                body, told = {"data": "a file of the supplier's own"}, ""
            self.say(made.status, body, {"X-Echo": told.replace("\n", " ").encode("ascii", "replace").decode()[:400]})

        do_GET = do_POST = do_HEAD = answer  # noqa: N815

    assert issubclass(Answers, BaseHTTPRequestHandler)
    with serving(Answers) as made.port:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "wait", lambda *_: None)
    monkeypatch.setattr(shopify_graph, "wait", lambda *_: None)
    for module in (network, ftp_session, sftp, tls, web_line):
        monkeypatch.setattr(module, "IO_SECONDS", 0.3)


@pytest.fixture
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is looked up: a platform's own address is as if it were away."""
    real = socket.getaddrinfo

    def look_up(host: Any, *more: Any, **named: Any) -> Any:
        if host not in (LOOPBACK, "localhost", None):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return real(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


class Everything:
    """All that came out: pages, headers, logs, letters, exports."""

    def __init__(self, client: Any, log: pytest.LogCaptureFixture) -> None:
        self.client, self.log, self.texts = client, log, dict[str, str]()

    def get(self, address: str) -> None:
        answer = self.client.get(address)
        self.texts[address] = f"{answer.status_code} {answer.headers} {answer.text}"

    def pages_of(self, source: Source, of_runs: int) -> None:
        """Every page of the source that needs no other name, and those of its runs."""
        for rule in self.client.application.url_map.iter_rules():
            if "GET" not in (rule.methods or ()) or rule.endpoint in ("signing_in.leave",):
                continue
            if rule.arguments == {"source_id"}:
                self.get(rule.rule.replace("<source_id>", source.public_id))
            elif rule.arguments == {"run_id"}:
                for run in Run.select().where(Run.source == source).order_by(Run.id.desc()).limit(of_runs):
                    self.get(rule.rule.replace("<run_id>", run.public_id))
        for one in exchanges.latest(source):
            self.texts[f"letter {one.id}"] = exchanges.letter(one)

    def hits(self, secrets: list[str], config: Config) -> list[canary.Hit]:
        """Everything that holds one of the secrets: what came out, the logs, the database, and every file of the installation."""
        found = [hit for where, text in self.texts.items() for hit in canary.seek(where, text.encode(), secrets)]
        found += canary.seek(
            "the log", "\n".join(map(str, (r.__dict__ for r in self.log.records))).encode() + self.log.text.encode(), secrets
        )
        found += canary.seek_database(secrets)
        if not is_postgres():
            database.execute_sql("PRAGMA wal_checkpoint(PASSIVE)")
        files, read = canary.seek_files(Path(config.data_dir), secrets)
        assert read > (0 if is_postgres() else 1)
        return found + files


def typed_for(supplier: Supplier, secret: Setting, echo: Echo) -> dict[str, Any]:
    """Values of the connect form with which that secret belongs to it."""
    values: dict[str, Any] = {}
    for one in supplier.settings:
        if one.secret:
            continue
        values[one.key] = _value(one, echo)
    for wanted in (secret, *supplier.settings):
        key, _, choices = wanted.shown_when.partition("=")
        if wanted.shown_when and (wanted is secret or (key != secret.shown_when.partition("=")[0] and not values.get(key))):
            values[key] = choices.split("|")[0]
    return values


def _value(one: Setting, echo: Echo) -> Any:
    if one.kind == "check":
        return True
    if one.key in ADDRESSES:
        return f"http://{LOOPBACK}:{echo.port}" + ("/stock.csv" if one.key == "url" else "/a.wsdl" if one.key == "wsdl" else "")
    if one.key in ("host", "port"):
        return LOOPBACK if one.key == "host" else str(echo.port)
    return one.default or TYPED.get(one.key, "kestrel" if one.required and one.kind != "choice" else "")


def planted(one: Setting, number: int) -> str:
    """A secret that no other text is like; a key is a whole one in form, with the canary inside."""
    text = f'canary-{number:03}-{one.key}-Zq9/+"&x'
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n" if one.kind == "textarea" else text


def kept_as(text: str) -> str:
    """What of a planted secret is looked for."""
    return text.splitlines()[1] if text.startswith("-----") else text


def make_live(source: Source) -> None:
    integration = sources.integration(source, "get_inventory_primary")
    MappingVersion.create(integration=integration, number=1, rules=RULES, headers=["sku", "qty"])
    settings = {"match": "newest", "pattern": "*", "format": {"kind": "jsonl"}}
    Integration.update(mapping_version=1, enabled=True, settings=settings).where(Integration.id == integration.id).execute()
    Source.update(state="live").where(Source.id == source.id).execute()


def refused_once(everything: Everything, source: Source, echo: Echo, run_work: Any) -> None:
    """Test it once, refused, and look at what is told of that: enough where another entry signs in by the same field."""
    echo.status = 401
    Connection.update(refused_sign_ins=[]).execute()
    connection_checks.start(source, "ana")
    run_work()
    for page in ("connection", "connection/checks", "exchanges"):
        everything.get(f"/sources/{source.public_id}/{page}")


def tried(everything: Everything, source: Source, echo: Echo, run_work: Any) -> None:
    """Test and sync it, while the server is well, refuses us, and fails."""
    for status in (200, 401, 500):
        echo.status = status
        Connection.update(refused_sign_ins=[]).execute()  # each may be refused three times an hour
        connection_checks.start(source, "ana")
        run_work()
    make_live(source)
    echo.status = 200
    for _ in range(2):
        Connection.update(refused_sign_ins=[]).execute()
        runs.start_sync(sources.integration(fresh(source), "get_inventory_primary"))
        runs.work_available(HANDLERS)
        echo.status = 500
    everything.pages_of(fresh(source), of_runs=1)


def planted_everywhere(everything: Everything, chosen: Any, echo: Echo, run_work: Any) -> Mapping[str, str]:
    """Each secret field of each entry, by "entry field" -> what was planted."""
    secrets: dict[str, str] = {}
    ways: set[tuple[str, str]] = set()
    for supplier in suppliers.listing():
        for one in (one for one in supplier.settings if one.secret):
            name = f"{supplier.slug} {one.key}"
            source = chosen(supplier.slug, name=f"Kestrel {len(secrets)}")
            if one.kind == "key_pair":
                connections.make_key_pair(source, one.key, "ana")
                sealed = SealedSecret.get(SealedSecret.source == source).sealed
                secrets[name] = vault.unseal(source.merchant, source.public_id, one.key, sealed).reveal().splitlines()[2]
                continue
            text = planted(one, len(secrets))
            secrets[name] = kept_as(text)
            values = typed_for(supplier, one, echo)
            others = {other.key: f"other-{other.key}-1234567890" for other in supplier.settings if other.secret and other is not one}
            _typed_on_screen(everything, source, {**values, **others, one.key: text})
            _saved(source, values, {**others, one.key: text})
            way = (supplier.protocol, one.key)
            (refused_once if way in ways and not directory.is_generic(supplier) else tried)(everything, source, echo, run_work)
            ways.add(way)
    return secrets


def _typed_on_screen(everything: Everything, source: Source, typed: dict[str, Any]) -> None:
    """Send the form with a mistake in it: the page that comes back repeats no secret."""
    page = f"/sources/{source.public_id}/connection"
    sent = {key: "1" if value is True else value for key, value in typed.items()} | {"version": "x", "base": "nonsense", "host": "a b"}
    answer = everything.client.send_form(page, sent)
    everything.texts[f"{page} refused"] = f"{answer.headers} {answer.text}"


def _saved(source: Source, values: dict[str, Any], secrets: dict[str, str]) -> None:
    """Keep it as the form would; where a platform has its own address, as if it had been that one."""
    try:
        connections.save(source, values, secrets, connections.find(source).version, "ana")
    except Invalid:
        Connection.update(settings=values).where(Connection.source == source).execute()
        for key, text in secrets.items():
            sealed = vault.seal(source.merchant, source.public_id, key, text)
            SealedSecret.create(source=source, field=key, sealed=sealed, saved_by="ana")


@pytest.mark.one_database(both_for_canaries=True)
def test_no_planted_secret_is_found_anywhere(
    client: Any, chosen: Any, echo: Echo, run_work: Any, no_names: None, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "peewee")  # its own lines are the database's, which is read below
    everything = Everything(client, caplog)
    secrets = planted_everywhere(everything, chosen, echo, run_work)
    assert len(secrets) >= 15 and len({name.split()[0] for name in secrets}) >= 5
    sent = [name for name, text in secrets.items() if canary.seek("", "\n".join(echo.heard).encode(), [text])]
    assert len(sent) >= 5, "the server was told enough of them to repeat them"
    looked_for = [*secrets.values(), TOKEN]
    assert TOKEN in "".join(echo.heard)
    hits = everything.hits(looked_for, config)
    assert not hits, "\n".join(map(str, hits[:20]))
    assert len(everything.texts) > 100 and Run.select().count() > 30 and Exchange.select().count() > 10
    print(f"{len(secrets)} secrets in {len({name.split()[0] for name in secrets})} entries, {len(everything.texts):,} pages and letters")


LEAKS = {
    "page": lambda everything, text, _: everything.texts.update({"/leak": f"<p>{text}</p>"}),
    "log": lambda _everything, text, _config: logging.getLogger("portal").warning("signing in with %s", text),
    "table": lambda _everything, text, _config: Exchange.update(answer=f"you said {text}").execute(),
    "base64": lambda _everything, text, _config: Exchange.update(answer=b64encode(f"ana:{text}".encode()).decode()).execute(),
    "address": lambda _everything, text, _config: Run.update(problem={"body": canary.quote(text, safe="")}).execute(),
    "file": lambda _everything, text, config: (Path(config.data_dir) / "left.part").write_bytes(canary.gzip.compress(text.encode())),
}  # fmt: skip


def test_a_planted_leak_is_found_wherever_it_is(
    client: Any, chosen: Any, echo: Echo, run_work: Any, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    text = 'canary-leak-Zq9/+"&x'
    source = chosen("rest-api")
    one = next(one for one in connections.supplier_of(source).settings if one.key == "key")
    _saved(source, typed_for(connections.supplier_of(source), one, echo), {"key": text})
    everything = Everything(client, caplog)
    tried(everything, source, echo, run_work)
    assert everything.hits([text], config) == [] and echo.heard, [run.problem for run in Run.select()]
    for name, leak in LEAKS.items():
        leak(everything, text, config)
        assert everything.hits([text], config), name
        everything.texts.pop("/leak", None)
        caplog.clear()
        Exchange.update(answer="").execute()
        Run.update(problem=None).execute()
        (Path(config.data_dir) / "left.part").unlink(missing_ok=True)


def test_what_a_whole_suite_left_is_looked_through(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()  # pytest's own name of the folder above is one of canary.MEANT
    (tmp_path / "deep" / "portal.db-wal").write_bytes(b"\x00" * 99 + b64encode(b"ana:canary-12-key") + b"\x00")
    (tmp_path / "portal.db").write_bytes(b"nothing here")
    found, read = canary.left_behind(tmp_path)
    assert read == 2 and len(found) == 1 and "portal.db-wal" in found[0]


@pytest.mark.parametrize("where", ["table", "log", "file"])
def test_a_secret_that_a_test_leaves_is_found(
    chosen: Any, echo: Echo, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    sealed, text = canary.Sealed(), "wren-over-the-harbour"
    monkeypatch.setattr(vault.Vault, "seal", sealed.watching(vault.Vault.seal))
    source = chosen("rest-api")
    supplier = connections.supplier_of(source)
    _saved(source, typed_for(supplier, next(one for one in supplier.settings if one.key == "key"), echo), {"key": text})
    assert sealed.secrets() == [text] and canary.left_by_a_test(tmp_path, "", [text]) == []
    if where == "table":
        Source.update(name=text.encode().hex()).execute()
    if where == "file":
        (tmp_path / "left.part").write_bytes(canary.gzip.compress(text.encode()))
    assert canary.left_by_a_test(tmp_path, f"signs in with {text}" if where == "log" else "", [text])


def test_a_servers_own_files_are_looked_through(tmp_path: Path) -> None:
    (tmp_path / "pg_wal").mkdir()
    (tmp_path / "pg_wal" / "1").write_bytes(b"\x00" * 99 + b"canary-leak-1 canary-7\x00")
    assert len(canary.left_in_server(tmp_path)) == 1
