"""What stands in deploy/ is written rightly, names only what there is, and the production verbs start and refuse as they should."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal import commands, config, parts, vault
from portal.commands import COMMANDS
from portal.errors import Refused
from tests.connectors.json_server import JsonAnswers, serving
from tests.servers import Authority, free_port

ROOT = Path(__file__).resolve().parents[2]
DEPLOY, BIN = ROOT / "deploy", Path(sys.executable).parent
UNITS = sorted((DEPLOY / "systemd").glob("quayside-*"))
KNOWN = {variable.name for variable in config.VARIABLES}
VERBS = {*commands.ELSEWHERE, *(one.name for one in COMMANDS)}
SAFE = {"PRODUCTION": "1", "PUBLIC_URL": "https://portal.example.com", "PROXIES": "1", "HOST": "127.0.0.1", "LOG_FORMAT": "json"}


def test_hadolint_finds_nothing_in_the_dockerfile():
    done = subprocess.run([BIN / "hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_is_tidy_and_each_name_in_it_is_there():
    rules = "{extends: default, rules: {line-length: {max: 140}, braces: disable}}"
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "-d", rules, DEPLOY / "compose.yaml"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in told["services"].items():
        assert set(service.get("depends_on", {})) <= set(told["services"]), name
        volumes = {interpolated(volume, {}).partition(":")[0] for volume in service.get("volumes", [])}
        assert {volume for volume in volumes if not volume.startswith("./")} <= set(told["volumes"]), name
        assert {one["source"] for one in service.get("secrets", [])} <= set(told["secrets"]), name
        if service["image"].startswith("quayside"):
            assert service["command"][0] in VERBS, name
            assert set(service["environment"]) <= KNOWN, name
    assert {"web", "worker", "scheduler", "postgres", "redis"} <= set(told["services"])


DEVELOPMENT = {"DEMO", "DEMO_SFTP_PORT", "DEMO_HTTP_PORT", "OWNER_EMAIL", "OWNER_PASSWORD", "PROMETHEUS_MULTIPROC_DIR"}
"""Settings that no production installation sets: the demo, the first owner (`create-user` makes people), and what the verb web sets."""
IN_IMAGE = {"HOST", "PORT"}
USED = re.compile(r"\$\{([A-Z0-9_]+)(?:(:?[-?])([^}]*))?\}")


def interpolated(told: Any, given: dict[str, str]) -> Any:
    """What compose makes of ${NAME}, ${NAME:-default} and ${NAME:?words} in values. Raises LookupError for a needed one that is missing."""
    if isinstance(told, dict):
        return {key: interpolated(value, given) for key, value in told.items()}
    if isinstance(told, list):
        return [interpolated(value, given) for value in told]

    def value(found: re.Match[str]) -> str:
        name, how, rest = found.groups()
        if given.get(name):
            return given[name]
        if how == ":?":
            raise LookupError(f"{name}: {rest}")
        return rest if how == ":-" else ""

    return USED.sub(value, told) if isinstance(told, str) else told


def test_compose_passes_every_setting_of_production_and_starts_with_what_it_makes_of_them(tmp_path):
    text = (DEPLOY / "compose.yaml").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for missing in ({}, {"PUBLIC_URL": "https://portal.example.com"}):
        with pytest.raises(LookupError, match="POSTGRES_PASSWORD"):
            interpolated(yaml.safe_load(text), missing)
    given = {"POSTGRES_PASSWORD": "e1" * 24, "PUBLIC_URL": "https://portal.example.com", "SMTP_HOST": "mail.example.com",
             "SMTP_PASSWORD_FILE": "/secrets/smtp", "RAW_FILES": "s3://files", "WORKERS": "5"}  # fmt: skip
    told = interpolated(yaml.safe_load(text), given)
    for name in ("migrate", "web", "worker", "scheduler", "backup"):
        service = told["services"][name]
        assert set(service["environment"]) >= KNOWN - DEVELOPMENT - IN_IMAGE, name
        assert "./secrets:/secrets:ro" in service["volumes"] and "data:/data" in service["volumes"], name
        made = config.read({**service["environment"], "DATA_DIR": str(tmp_path)})
        assert (made.smtp_host, made.workers, made.raw_files, made.production) == ("mail.example.com", 5, "s3://files", True)
        assert made.max_feed_bytes == 2048 * 1_000_000, "an empty setting is the default"
    assert "backups:/backups" in told["services"]["backup"]["volumes"]
    assert {one[0] for one in USED.findall(lines)} <= KNOWN | {"POSTGRES_PASSWORD", "BACKUPS"}


def test_the_example_of_settings_is_one_of_production_and_names_every_one():
    lines = (DEPLOY / "systemd" / "environment.example").read_text().splitlines()
    assert "PRODUCTION=1" in lines
    named = {line.removeprefix("#").partition("=")[0] for line in lines if re.match(r"#?[A-Z0-9_]+=", line)}
    assert named == KNOWN - DEVELOPMENT


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A real nginx with deploy/nginx.conf, its names and ports those of this machine; a backend that says what it was asked."""
    if not Path("/usr/sbin/nginx").exists():
        pytest.skip("nginx is not here: tests/system_packages.sh installs it")
    asked: list[tuple[str, dict[str, str]]] = []

    class Backend(JsonAnswers):
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.say(200, {})

    certificate = Authority(tmp_path).issue("portal.example.com")
    https, http = free_port(), free_port()
    with serving(Backend) as port:
        text = (DEPLOY / "nginx.conf").read_text()
        for old, new in (
            ("127.0.0.1:8000", f"127.0.0.1:{port}"), ("listen 443", f"listen 127.0.0.1:{https}"), ("listen 80", f"listen 127.0.0.1:{http}"),
            ("/etc/letsencrypt/live/portal.example.com/fullchain.pem", str(certificate)),
            ("/etc/letsencrypt/live/portal.example.com/privkey.pem", str(certificate)), ("/var/log/nginx", str(tmp_path)),
        ):  # fmt: skip
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "site.conf").write_text(text)
        temporary = "".join(f"{kind}_temp_path {tmp_path}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        site = f"events {{}} http {{ {temporary} include {tmp_path}/site.conf; }}"
        (tmp_path / "nginx.conf").write_text(f"user root; daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; {site}")
        command = ["/usr/sbin/nginx", "-e", str(tmp_path / "start.log"), "-c", str(tmp_path / "nginx.conf")]
        tried = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=30)
        assert tried.returncode == 0, tried.stderr
        process = subprocess.Popen(command)
        try:
            yield {"https": https, "http": http, "asked": asked, "log": tmp_path / "access.log"}
        finally:
            process.terminate()
            process.wait(10)


def test_a_real_nginx_takes_the_file_and_does_what_it_says(nginx):
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    def get(path: str, scheme: str = "https", **headers: str) -> tuple[int, str]:
        line: Any = http.client.HTTPSConnection("127.0.0.1", nginx["https"], timeout=10, context=trusting)
        if scheme == "http":
            line = http.client.HTTPConnection("127.0.0.1", nginx["http"], timeout=10)
        line.request("GET", path, headers={"Host": "portal.example.com", **headers})
        answer = line.getresponse()
        answer.read()
        return answer.status, answer.getheader("Location") or ""

    ends = time.monotonic() + 10
    while True:
        try:
            assert get("/sign-in", **{"X-Forwarded-For": "203.0.113.9"})[0] == 200
            break
        except ConnectionError:
            assert time.monotonic() < ends
            time.sleep(0.1)
    path, headers = nginx["asked"][-1]
    assert (path, headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("/sign-in", "127.0.0.1", "https")
    assert headers["host"] == "portal.example.com" and headers["x-request-id"]
    assert get("/listing-feeds/a-secret-token.csv")[0] == 200 and get("/metrics")[0] == 404
    assert get("/orders?q=1", "http") == (301, "https://portal.example.com/orders?q=1")
    told = nginx["log"].read_text()
    assert "/sign-in" in told and "a-secret-token" not in told
    assert [path for path, _ in nginx["asked"]] == ["/sign-in", "/listing-feeds/a-secret-token.csv"]


def test_nginx_writes_down_no_address_that_holds_a_token(app):
    told = (DEPLOY / "nginx.conf").read_text()
    found = re.search(r"location ~ (\S+) \{\s*access_log off;\s*error_log /dev/null crit;\s*proxy_pass http://127.0.0.1:8000;", told)
    assert found and "$http_referer" not in told and "proxy_set_header" in told.partition("location /")[0]
    addresses = [rule.rule for rule in app.url_map.iter_rules() if "token>" in rule.rule]
    assert len(addresses) >= 6
    assert [one for one in addresses if not re.match(found[1], one)] == []
    assert "access_log off" in told.partition("listen 80;")[2]


@pytest.mark.parametrize(("proxies", "seen"), [("1", "203.0.113.9"), ("0", "")])
def test_what_a_proxy_says_of_who_asks_counts_only_where_there_is_one(proxies, seen, tmp_path):
    def echo(environ, start):
        start("200 OK", [("Content-Type", "text/plain")])
        return [environ.get("HTTP_X_FORWARDED_FOR", "").encode()]

    told = config.read({"DATA_DIR": str(tmp_path), "PROXIES": proxies, "PORT": str(free_port()), "HOST": "127.0.0.1"})
    server = parts.web_server(told, echo)
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    try:
        asked = urllib.request.Request(f"http://127.0.0.1:{told.port}/", headers={"X-Forwarded-For": "203.0.113.9"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.read().decode() == seen
    finally:
        server.close()
        serving.join(10)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_each_unit(unit, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    for other in UNITS:
        text = other.read_text().replace("/opt/quayside/.venv/bin/flask", str(BIN / "flask"))
        (tmp_path / other.name.replace("@", "@1")).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name.replace("@", "@1")], capture_output=True, text=True, timeout=60
    )
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "quayside" in line]
    assert complaints == []
    assert set(re.findall(r"--app app (\S+)", unit.read_text())) <= VERBS


def test_the_example_of_settings_names_only_settings():
    lines = (DEPLOY / "systemd" / "environment.example").read_text().splitlines()
    assert {line.partition("=")[0] for line in lines if line and not line.startswith("#")} <= KNOWN


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Any]:
    """production(verb, **settings) -> a process of an installation that has a database and an owner."""
    started: list[subprocess.Popen[str]] = []
    port = free_port()
    place = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "PORT": str(port), **SAFE}
    for words in (["migrate"], ["create-merchant", "Harbor"]):
        subprocess.run([BIN / "flask", "--app", "app", *words], cwd=ROOT, env=place, check=True, timeout=60, capture_output=True)

    def start(*words: str, **settings: str) -> subprocess.Popen[str]:
        command = [BIN / "flask", "--app", "app", *words]
        process = subprocess.Popen(command, cwd=ROOT, env=place | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    start.port = port  # type: ignore[attr-defined]
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PUBLIC_URL": ""}, "PUBLIC_URL is empty"),
        ({"PROXIES": "0"}, "plain HTTP"),
        ({"OWNER_PASSWORD": "changeme"}, "OWNER_PASSWORD is too easily guessed"),
        ({"FLASK_DEBUG": "1"}, "Debugging is on"),
        ({}, "can be read by others"),
    ],
)
def test_what_would_let_others_in_keeps_it_from_starting(settings, words, tmp_path):
    from portal import create_app

    made = config.read({**SAFE, "DATA_DIR": str(tmp_path), **settings})
    vault.load(made.secret_key_file)
    if not settings:
        made.secret_key_file.chmod(0o640)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLASK_DEBUG", settings.get("FLASK_DEBUG", "0"))
        with pytest.raises(Exception, match=words):
            create_app(made)


def test_a_password_that_everybody_tries_is_refused_without_being_said(tmp_path):
    from portal.operation import secure

    made = config.read({**SAFE, "DATA_DIR": str(tmp_path), "DATABASE_URL": "postgresql://a:postgres@db/quayside"})
    (sentence,) = secure.refusals(made)
    assert "DATABASE_URL" in sentence and "postgres" not in sentence
    assert secure.refusals(config.read({**SAFE, "DATA_DIR": str(tmp_path)})) == []


@pytest.mark.parametrize("run", [parts.run_worker, parts.run_scheduler])
def test_no_part_begins_in_production_on_a_database_that_lacks_scripts(run, tmp_path):
    with pytest.raises(Refused, match="not up to date: .* flask --app app migrate"):
        run(config.read({**SAFE, "DATA_DIR": str(tmp_path)}))


@pytest.mark.parametrize("name", ["quayside-web.service", "quayside-worker@.service", "quayside-scheduler.service"])
def test_each_part_brings_the_database_up_to_date_before_it_begins(name):
    assert re.search(r"^ExecStartPre=\S+ --app app migrate$", (DEPLOY / "systemd" / name).read_text(), re.M)


def test_the_production_verbs_serve_work_and_end(production, tmp_path):
    """gunicorn with two processes behind a proxy: pages, readiness, one count of both; a worker and a scheduler share the clock."""
    (tmp_path / "token").write_text("monitor-token")
    web = production("web", "--processes", "2", METRICS_TOKEN_FILE=str(tmp_path / "token"))
    worker, scheduler = production("worker"), production("scheduler")
    address = f"http://127.0.0.1:{production.port}"

    def get(path: str, **headers: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(urllib.request.Request(address + path, headers=headers), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""

    deadline = time.monotonic() + 40
    while True:
        assert time.monotonic() < deadline and web.poll() is None, web.communicate()[0] if web.poll() is not None else "no answer"
        try:
            if get("/readyz")[0] == 200:
                break
        except OSError:
            time.sleep(0.2)
    for _ in range(20):
        assert get("/sign-in", **{"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"})[0] == 200
    assert get("/metrics")[0] == 404
    told = get("/metrics", Authorization="Bearer monitor-token")[1]
    assert 'quayside_http_requests_total{route="page",status="200"} 20.0' in told  # of both processes
    while "quayside_workers 1.0" not in told:
        assert time.monotonic() < deadline, told
        time.sleep(0.3)
        told = get("/metrics", Authorization="Bearer monitor-token")[1]
    for process in (web, worker, scheduler):
        process.send_signal(signal.SIGTERM)
    codes = {process.wait(timeout=40) for process in (web, worker, scheduler)}
    assert codes == {0}
    said = [process.communicate()[0] for process in (web, worker, scheduler)]
    assert sum("this process keeps the clock from now on" in text for text in said[1:]) >= 1
    assert '"route": "/sign-in", "status": 200' in said[0] and "198.51" not in said[0]
