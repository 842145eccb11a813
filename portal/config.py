"""Every environment variable, named and explained once. Nothing else reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ORIGIN = re.compile(r"((https?)://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?)/?")


@dataclass(frozen=True)
class Variable:
    """One environment variable: its name, its default as text, and what it does."""

    name: str
    default: str
    meaning: str


VARIABLES: tuple[Variable, ...] = (
    Variable("PORT", "8000", "Port the portal listens on."),
    Variable("HOST", "127.0.0.1", "Address the portal listens on."),
    Variable("DATA_DIR", "var", "Folder that holds all state: database, queue, fetched files, the key."),
    Variable("DATABASE_URL", "", "Empty: SQLite in DATA_DIR. Else a Postgres address, postgresql://user:password@host/name."),
    Variable("SECRET_KEY_FILE", "", "File with the 32-byte key that seals credentials. Empty: DATA_DIR/secret.key, made at first start."),
    Variable("OWNER_EMAIL", "owner@example.com", "Email of the owner made at first start."),
    Variable("OWNER_PASSWORD", "", "Password of that owner. Empty: a random one, printed once."),
    Variable("PRODUCTION", "0", "1: cookies only over HTTPS, HSTS on, no demo supplier; refuses to start where others could get in."),
    Variable("DEMO", "1", "0: no demo supplier. Ignored (off) when PRODUCTION=1."),
    Variable("DEMO_SFTP_PORT", "8022", "Loopback port of the demo supplier's SFTP server."),
    Variable("DEMO_HTTP_PORT", "8023", "Loopback port of the demo supplier's file link."),
    Variable("PUBLIC_URL", "", "Where the portal is reached, such as https://portal.example.com: for return and webhook addresses."),
    Variable("PROXIES", "0", "Proxies in front of the portal, whose X-Forwarded-For and -Proto are believed; with TLS at the first."),
    Variable(
        "EGRESS_ALLOW",
        "",
        "Private networks that connections may reach, such as 10.1.0.0/16 or 192.168.4.7:22, separated by commas.",
    ),
    Variable("MAX_FEED_MB", "2048", "Largest file that is fetched or uploaded, in megabytes."),
    Variable("MAX_HOOK_MB", "1", "Largest webhook delivery that is taken, in megabytes."),
    Variable("SMTP_HOST", "", "Mail server for orders by e-mail and for alerts. Empty: none. A private address needs EGRESS_ALLOW."),
    Variable("SMTP_PORT", "", "Its port. Empty: 587, 465 or 25, by SMTP_SECURITY."),
    Variable("SMTP_SECURITY", "starttls", "starttls, tls, or plain for a server on this machine."),
    Variable("SMTP_USER", "", "User to sign in as. Empty: no sign-in."),
    Variable("SMTP_PASSWORD_FILE", "", "File that holds that user's password."),
    Variable("SMTP_FROM", "", "Address that orders and alerts come from, such as orders@shop.example."),
    Variable("KEEP_FILES_DAYS", "30", "Days that fetched files are kept."),
    Variable("KEEP_SENT_DAYS", "365", "Days that the bytes of sent orders are kept once their requests are finished; digests stay."),
    Variable("WORKERS", "2", "Long runs that one worker process does side by side; what sends, routes and tells has threads of its own."),
    Variable("LOG_FORMAT", "text", "text, or json: one object a line, with the ids of the request and the run, and a line a request."),
    Variable("METRICS_TOKEN_FILE", "", "File with the token that /metrics asks for. Empty: this machine only; nobody if PRODUCTION=1."),
    Variable("PROMETHEUS_MULTIPROC_DIR", "", "Set by the web verb: folder in which its processes add up what they count."),
    Variable("SENTRY_DSN", "", "Where errors are reported, without values. Needs requirements-production.lock."),
    Variable("OTEL_EXPORTER_OTLP_ENDPOINT", "", "OpenTelemetry collector that gets a span for each request and run. Needs the same."),
    Variable("RAW_FILES", "", "Bucket for raw files, such as s3://bucket/prefix, that all machines share. Empty: DATA_DIR/files."),
    Variable("S3_ENDPOINT", "https://s3.amazonaws.com", "The S3-compatible server of that bucket."),
    Variable("S3_REGION", "", "Its region. Empty: the server is asked."),
    Variable("S3_ACCESS_KEY", "", "The access key id for it."),
    Variable("S3_SECRET_KEY_FILE", "", "File that holds the secret access key."),
    Variable("REDIS_URL", "", "Doorbell in Redis, such as redis://host:6379/0. Empty: in the database, or a file beside SQLite."),
    Variable("PER_SERVER", "", "Runs that may talk with one server at a time, over all workers. Empty: WORKERS less 1, at least 1."),
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    """The settings of one process, read once at its start."""

    port: int
    host: str
    data_dir: Path
    database_url: str
    secret_key_file: Path
    owner_email: str
    owner_password: str
    production: bool
    demo: bool
    demo_sftp_port: int
    demo_http_port: int
    public_url: str
    egress_allow: str
    max_feed_bytes: int
    max_hook_bytes: int
    keep_files_days: int
    keep_sent_days: int
    smtp_host: str
    smtp_port: int
    smtp_security: str
    smtp_user: str
    smtp_password_file: Path | None
    smtp_from: str
    workers: int
    per_server: int
    log_format: str
    metrics_token_file: Path | None
    metrics_dir: Path | None
    sentry_dsn: str
    otel_endpoint: str
    redis_url: str
    raw_files: str
    s3_endpoint: str
    s3_region: str
    s3_access_key: str
    s3_secret_key_file: Path | None
    proxies: int

    @property
    def spool_dir(self) -> Path:
        """Where fetched and uploaded files live."""
        return self.data_dir / "files"

    @property
    def demo_account_file(self) -> Path:
        """Written by the demo supplier while it runs: its address and sign-in, as JSON."""
        return self.data_dir / "demo" / "account.json"


def read(environ: Mapping[str, str] | None = None) -> Config:
    """Build the Config from `environ` (default: the process environment). Raises ValueError naming the variable."""
    source = os.environ if environ is None else environ
    text = {v.name: source.get(v.name, "").strip() or v.default for v in VARIABLES}
    data_dir = Path(text["DATA_DIR"]).resolve()
    production = _flag(text, "PRODUCTION")
    return Config(
        port=_number(text, "PORT"),
        host=text["HOST"],
        data_dir=data_dir,
        database_url=text["DATABASE_URL"] or f"sqlite:///{data_dir / 'portal.db'}",
        secret_key_file=Path(text["SECRET_KEY_FILE"] or data_dir / "secret.key").resolve(),
        owner_email=text["OWNER_EMAIL"],
        owner_password=text["OWNER_PASSWORD"],
        production=production,
        demo=_flag(text, "DEMO") and not production,
        demo_sftp_port=_number(text, "DEMO_SFTP_PORT"),
        demo_http_port=_number(text, "DEMO_HTTP_PORT"),
        public_url=_origin(text["PUBLIC_URL"], production),
        egress_allow=text["EGRESS_ALLOW"],
        max_feed_bytes=_number(text, "MAX_FEED_MB") * 1_000_000,
        max_hook_bytes=_number(text, "MAX_HOOK_MB") * 1_000_000,
        keep_files_days=_number(text, "KEEP_FILES_DAYS"),
        keep_sent_days=_number(text, "KEEP_SENT_DAYS"),
        smtp_host=text["SMTP_HOST"],
        smtp_port=_number(text, "SMTP_PORT") if text["SMTP_PORT"] else 0,
        smtp_security=_one_of(text, "SMTP_SECURITY", ("starttls", "tls", "plain")),
        smtp_user=text["SMTP_USER"],
        smtp_password_file=_file(text, "SMTP_PASSWORD_FILE"),
        smtp_from=text["SMTP_FROM"],
        workers=_number(text, "WORKERS"),
        per_server=_number(text, "PER_SERVER") if text["PER_SERVER"] else max(1, _number(text, "WORKERS") - 1),
        log_format=_one_of(text, "LOG_FORMAT", ("text", "json")),
        metrics_token_file=_file(text, "METRICS_TOKEN_FILE"),
        metrics_dir=_file(text, "PROMETHEUS_MULTIPROC_DIR"),
        sentry_dsn=text["SENTRY_DSN"],
        otel_endpoint=text["OTEL_EXPORTER_OTLP_ENDPOINT"],
        redis_url=_redis(text["REDIS_URL"]),
        raw_files=_bucket(text["RAW_FILES"]),
        s3_endpoint=text["S3_ENDPOINT"],
        s3_region=text["S3_REGION"],
        s3_access_key=text["S3_ACCESS_KEY"],
        s3_secret_key_file=_file(text, "S3_SECRET_KEY_FILE"),
        proxies=0 if text["PROXIES"] == "0" else _number(text, "PROXIES"),
    )


def log_format(environ: Mapping[str, str] | None = None) -> str:
    """LOG_FORMAT alone, so that also a start that fails is told in it; text where it cannot be used, as `read` will say."""
    given = (os.environ if environ is None else environ).get("LOG_FORMAT", "").strip()
    return given if given == "json" else "text"


def environment_with(**more: str) -> dict[str, str]:
    """The environment of this process, and `more`, for a program that it starts."""
    return {**os.environ, **more}


_current: list[Config] = []


def use(config: Config) -> Config:
    """Make `config` the settings of this process: the launcher, the worker, a command or a test says it once."""
    _current[:] = [config]
    return config


def current() -> Config:
    """The settings of this process. Raises RuntimeError before `use`."""
    if not _current:
        raise RuntimeError("config.use() was not called")
    return _current[0]


def _number(text: Mapping[str, str], name: str) -> int:
    if not text[name].isdigit() or int(text[name]) == 0:
        raise ValueError(f"{name} must be a whole number above 0, not {text[name]!r}")
    return int(text[name])


def _origin(text: str, production: bool) -> str:
    """`text` as scheme, host and port in lower case, without a last slash; "" stays "". Raises ValueError saying what to write."""
    found = ORIGIN.fullmatch(text.lower())
    if text and not found:
        raise ValueError(f"PUBLIC_URL must be a scheme and a host, such as https://portal.example.com, with nothing after it, not {text!r}")
    if found and production and found[2] != "https":
        raise ValueError(f"PUBLIC_URL must begin with https:// when PRODUCTION=1, not {text!r}")
    return found[1].removesuffix(":443" if found[2] == "https" else ":80") if found else ""


def _file(text: Mapping[str, str], name: str) -> Path | None:
    return Path(text[name]).resolve() if text[name] else None


def _redis(text: str) -> str:
    if text and not re.match(r"(rediss?|unix)://", text):
        raise ValueError("REDIS_URL must begin with redis://, rediss:// or unix://")
    return text


def _bucket(text: str) -> str:
    if text and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?", text):
        raise ValueError(f"RAW_FILES must be s3://bucket or s3://bucket/prefix, not {text!r}")
    return text


def _one_of(text: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    if text[name] not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {text[name]!r}")
    return text[name]


def _flag(text: Mapping[str, str], name: str) -> bool:
    if text[name].lower() not in ("0", "1", "true", "false", "yes", "no", "on", "off"):
        raise ValueError(f"{name} must be 0 or 1, not {text[name]!r}")
    return text[name].lower() in ("1", "true", "yes", "on")
