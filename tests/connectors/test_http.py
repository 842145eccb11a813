"""The file link against real HTTP and HTTPS servers on loopback, most of which are not what they should be."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import socket
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from email.utils import formatdate
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from portal import feeds
from portal.connectors import web_line
from portal.connectors.network import Guard
from portal.errors import SupplierError
from tests.connectors.conftest import checks, fetch, left_nothing, refused
from tests.connectors.faults import cutting
from tests.connectors.web_server import Web, answer, chunked, web
from tests.servers import LOOPBACK, Authority

FEED = b"sku,qty\r\n" + b"".join(b"A-%06d,%d\r\n" % (n, n % 50) for n in range(20_000))
CANARY = "canary-5f1d"


@pytest.fixture(scope="module")
def good(authority: Authority) -> Path:
    return authority.issue(LOOPBACK)


@pytest.fixture
def take(connect, tmp_path):
    """take(server) fetches from it to `tmp_path`/feed."""

    def take(server: Web, limit: int = 10**9, path: str = "/stock.csv"):
        return fetch(connect("http", {"url": server.link(path)}), tmp_path / "feed", limit=limit)

    return take


@contextlib.contextmanager
def static(folder: Path) -> Iterator[int]:
    """Python's own file server, which is not of our making."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def failure(connector, into: Path, **more: object) -> SupplierError:
    with pytest.raises(SupplierError) as caught:
        fetch(connector, into, **more)
    assert left_nothing(into)
    return caught.value


# the good ways


def test_a_file_of_a_real_server_comes_whole_with_its_name_and_time(connect, tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "stock list.csv").write_bytes(FEED)
    with static(tmp_path / "served") as port:
        connector = connect("http", {"url": f"http://{LOOPBACK}:{port}/stock%20list.csv?token={CANARY}"})
        seen = checks(connector)
        got = fetch(connector, tmp_path / "feed")
    assert [check.state for check in seen.values()] == ["passed"] * 5
    assert seen["identity"].detail == "Plain HTTP: nothing proves who answers"
    assert seen["sign_in"].detail == "The link is open, no sign-in needed" and seen["folder"].detail == "stock list.csv, 256 kB"
    assert (got.name, got.size, got.sha256) == ("stock list.csv", len(FEED), hashlib.sha256(FEED).hexdigest())
    assert (tmp_path / "feed").read_bytes() == FEED
    assert got.modified and CANARY not in got.remote_path


def test_https_passes_all_five_checks_and_delivers(connect, trusted, good, tmp_path):
    with web(answer(FEED, ETag='"one"'), certificate=good) as server:
        connector = connect("http", {"url": server.link()})
        seen = checks(connector)
        assert [check.state for check in seen.values()] == ["passed"] * 5
        assert seen["identity"].detail.startswith("TLSv1.") and seen["identity"].facts["names"] == [LOOPBACK]
        assert fetch(connector, tmp_path / "feed").size == len(FEED) and (tmp_path / "feed").read_bytes() == FEED
        assert server.heard[-1].startswith("GET /stock.csv HTTP/1.1\r\n") and f"Host: {LOOPBACK}:{server.port}" in server.heard[-1]


def _packed(level: int = 9) -> bytes:
    return gzip.compress(FEED, level)


WHOLE = {
    "with a length": answer(FEED),
    "in chunks": chunked(FEED),
    "without a length": answer(FEED, length=False),
    "packed, with a length": answer(_packed(), Content_Encoding="gzip"),
    "packed, in chunks": chunked(_packed(), Content_Encoding="gzip"),
    "packed, without a length": answer(_packed(), length=False, Content_Encoding="x-gzip"),
    "packed in several members": answer(gzip.compress(FEED[:100]) + gzip.compress(FEED[100:]), Content_Encoding="gzip"),
    "packed by zlib": answer(zlib.compress(FEED), Content_Encoding="deflate"),
    "not packed, said twice": answer(FEED, Content_Encoding="identity"),
    "with a goodbye only": answer(FEED, status="203 Non-Authoritative Information", length=False),
}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("way", WHOLE)
def test_the_same_file_comes_out_of_every_way_to_send_it(take, trusted, good, tmp_path, way, secure):
    with web(WHOLE[way], certificate=good if secure else None) as server:
        got = take(server)
    assert (tmp_path / "feed").read_bytes() == FEED and got.sha256 == hashlib.sha256(FEED).hexdigest()
    assert "Accept-Encoding: identity" in server.heard[0]


def test_a_file_that_is_a_gzip_stays_one(take, tmp_path):
    with web(answer(_packed(), Content_Type="application/gzip")) as server:
        assert take(server, path="/stock.csv.gz").name == "stock.csv.gz"
    assert (tmp_path / "feed").read_bytes() == _packed()


# N3: cut at many points


LAST_CHUNK = b"0\r\n\r\n"


def _points(whole: bytes) -> list[int]:
    """Where to cut: in the status, in the headers, at and in the body, one byte before its end."""
    body, end = whole.index(b"\r\n\r\n") + 4, len(whole) - (len(LAST_CHUNK) if whole.endswith(LAST_CHUNK) else 0)
    return [0, 5, 17, body - 25, body - 3, body, body + 1, body + 9, (body + end) // 2, end - 7, end - 1]


@pytest.mark.parametrize("rudely", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("way", ["with a length", "in chunks", "packed, with a length", "packed, in chunks", "packed, without a length"])
def test_a_cut_answer_never_leaves_a_file(connect, tmp_path, way, rudely):
    with web(WHOLE[way]) as server:
        for point in _points(WHOLE[way]):
            with cutting(server.port, point, rudely) as port:
                error = failure(connect("http", {"url": f"http://{LOOPBACK}:{port}/stock.csv"}), tmp_path / "feed")
            assert error.problem.code in ("cut_download", "connection_lost", "protocol_error"), point
            assert not error.permanent, point


def test_a_cut_says_how_much_came(connect, tmp_path):
    whole = answer(FEED)
    with web(whole) as server, cutting(server.port, len(whole) - len(FEED) + 100_000) as port:
        error = failure(connect("http", {"url": f"http://{LOOPBACK}:{port}/stock.csv"}), tmp_path / "feed")
    assert error.problem.headline == "The file stopped at 100 kB of 256 kB"
    assert error.problem.body.startswith(f"100,000 of {len(FEED):,} bytes came.")


def test_headers_cut_short_are_not_an_empty_file(connect, tmp_path):
    with web(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Le") as server:
        assert failure(connect("http", {"url": server.link()}), tmp_path / "feed").problem.code == "cut_download"


def test_tls_without_its_goodbye_is_a_cut_where_nothing_else_marks_the_end(connect, trusted, good, tmp_path):
    """Anyone on the path can close a line; without a length only TLS's own end proves that the file is whole."""
    with web(answer(FEED, length=False), certificate=good, rudely=True) as server:
        assert failure(connect("http", {"url": server.link()}), tmp_path / "feed").problem.code == "cut_download"
    with web(answer(FEED), certificate=good, rudely=True) as server:
        assert fetch(connect("http", {"url": server.link()}), tmp_path / "feed").size == len(FEED), "the length does"


def test_more_than_was_announced_is_not_read(take, tmp_path):
    with web(answer(b"sku,qty\r\n", length=False, Content_Length="9") + b"A-1,1\r\n") as server:
        assert take(server).size == 9


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (answer(b"\x1f\x8b\x08" + b"nothing of the kind", Content_Encoding="gzip"), "protocol_error"),
        (answer(_packed()[:-8] + b"\0" * 8, Content_Encoding="gzip"), "protocol_error"),
        (answer(FEED, Content_Encoding="br"), "protocol_error"),
        (answer(FEED, Content_Encoding="gzip, gzip"), "protocol_error"),
        (answer(b"nonsense\r\n", length=False, Transfer_Encoding="chunked"), "cut_download"),
        (answer(b"-5\r\nabc", length=False, Transfer_Encoding="chunked"), "cut_download"),
    ],
)
def test_a_damaged_packing_is_named_and_nothing_is_kept(connect, tmp_path, says, code):
    with web(says) as server:
        assert failure(connect("http", {"url": server.link()}), tmp_path / "feed").problem.code == code


# over the limit


@pytest.mark.parametrize("way", ["with a length", "in chunks", "without a length", "packed, in chunks"])
def test_a_file_over_the_limit_is_left(connect, tmp_path, way):
    with web(WHOLE[way]) as server:
        error = failure(connect("http", {"url": server.link()}), tmp_path / "feed", limit=50_000)
    assert (error.problem.code, error.permanent) == ("too_large", True)
    assert error.problem.headline == "The file is larger than 50 kB"


def test_a_small_answer_that_unpacks_to_a_huge_one_stops_at_the_limit(connect, tmp_path):
    bomb = gzip.compress(b"\0" * 300_000_000, 1)
    with web(answer(bomb, Content_Encoding="gzip")) as server:
        assert failure(connect("http", {"url": server.link()}), tmp_path / "feed", limit=1_000_000).problem.code == "too_large"


# what a server answers instead of the file


ANSWERS = {
    "400": (answer(status="400 Bad Request"), "folder", "http_status", True, "did not accept the link"),
    "401": (answer(status="401 Unauthorized"), "sign_in", "http_status", True, "asks for a sign-in"),
    "403": (answer(status="403 Forbidden"), "sign_in", "http_status", True, "does not let us read"),
    "404": (answer(b"<h1>no</h1>", status="404 Not Found"), "folder", "http_status", False, "no file at this link"),
    "407": (answer(status="407 Proxy Authentication Required"), "sign_in", "http_status", True, "asks for a sign-in"),
    "410": (answer(status="410 Gone"), "folder", "http_status", True, "no file at this link"),
    "429": (answer(status="429 Too Many Requests", Retry_After="120"), "folder", "http_status", False, "It asked for 120 seconds."),
    "429 odd": (answer(status="429 Too Many Requests", Retry_After="-1; drop"), "folder", "http_status", False, "slow down"),
    "500": (answer(b"x" * 5_000, status="500 Internal Server Error"), "folder", "http_status", False, "fault is on its side"),
    "503": (answer(status="503 Service Unavailable"), "folder", "http_status", False, "fault is on its side"),
    "204": (answer(status="204 No Content"), "folder", "http_status", False, "The file is not ready"),
    "206": (answer(FEED[:100], status="206 Partial Content"), "folder", "http_status", False, "The file is not ready"),
    "304": (answer(status="304 Not Modified"), "folder", "redirected", True, "does not say where"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_a_server_answers_is_put_into_words(connect, tmp_path, case):
    says, check, code, permanent, words = ANSWERS[case]
    with web(says) as server:
        connector = connect("http", {"url": server.link()})
        seen = checks(connector)
        error = failure(connector, tmp_path / "feed")
    assert list(seen)[-1] == check and seen[check].problem and seen[check].problem.code == code
    assert (error.problem.code, error.permanent) == (code, permanent)
    assert words in f"{error.problem.headline} {error.problem.body}"
    if case == "404":
        assert (error.problem.act, error.problem.act_at) == ("Edit connection", "connection")
    if case not in ("304",):
        assert error.problem.server_said.startswith(case[:3])


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol_error"),
        (b"220 ready\r\n", "protocol_error"),
        (b"", "connection_lost"),
        (b"HTTP/1.1 abc\r\n\r\n", "protocol_error"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Long: 1\r\n" * 200 + b"\r\n", "protocol_error"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n", "protocol_error"),
    ],
)
def test_another_kind_of_server_is_no_web_server(connect, tmp_path, says, code):
    with web(says) as server:
        assert failure(connect("http", {"url": server.link()}), tmp_path / "feed").problem.code == code


def test_a_web_page_in_place_of_the_file_is_not_a_feed(take, tmp_path):
    page = b"<!doctype html><html><head><title>Sign in to Northwind</title></head><body>Hello</body></html>"
    with web(answer(page, Content_Type="text/html; charset=utf-8")) as server:
        got = take(server)
    with pytest.raises(SupplierError) as caught:
        feeds.detect(tmp_path / "feed", got.name)
    assert caught.value.problem.code == "html_page" and "Sign in to Northwind" in caught.value.problem.body


@pytest.mark.parametrize(
    "url",
    ["", "stock.csv", "ftp://127.0.0.1/x", "https://", "https://127.0.0.1:99999/x", "https://[::1/x", "file:///etc/passwd", "http://:80/"],
)
def test_what_is_no_link_is_said_before_anything_is_asked(connect, tmp_path, url):
    error = failure(connect("http", {"url": url}), tmp_path / "feed")
    assert (error.problem.headline, error.permanent) == ("This is not a link to a file", True)


def test_a_sign_in_inside_the_link_is_sent_nowhere(connect, tmp_path):
    with web(answer(FEED)) as server:
        error = failure(connect("http", {"url": server.link().replace("//", f"//acme01:{CANARY}@")}), tmp_path / "feed")
        assert error.problem.headline == "The link holds a sign-in" and CANARY not in str(error.problem)
        assert server.lines == 0


# redirects


ELSEWHERE = [
    ("{there}", "We do not follow to another server"),
    ("//localhost:{port}/stock.csv", "We do not follow to another server"),
    ("/login?next=/stock.csv", "another page of the same server: /login."),
    ("https://{here}/stock.csv", "Enter the link with https:// instead"),
    ("http://[::1", "does not say where"),
    ("http://x:99999/", "does not say where"),
    ("", "another page of the same server"),
]


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
)
@pytest.mark.parametrize(("where", "words"), ELSEWHERE)
def test_a_redirect_is_named_and_not_followed(connect, tmp_path, where, words, status):
    with web(answer(FEED)) as there, web() as here:
        address = where.format(there=there.link(host="localhost"), port=there.port, here=LOOPBACK)
        here.says = [answer(b"<a>", status=status, Location=address)]
        settings = {"url": here.link(), "auth": "header", "header_name": "X-Api-Key", "plain_ok": True}
        error = failure(connect("http", settings, {"header_value": CANARY}), tmp_path / "feed")
        assert (error.problem.code, error.permanent) == ("redirected", True)
        assert words in error.problem.body
        assert there.lines == 0 and len(here.heard) == 1


def test_the_body_of_a_redirect_is_not_read(connect, tmp_path):
    """An endless one would fill the memory."""
    sent = []

    def endless(opened: socket.socket) -> None:
        opened.sendall(answer(status="302 Found", length=False, Location="http://files.example/"))
        for _ in range(1_000):
            opened.sendall(b"x" * 100_000)
            sent.append(100_000)

    with web(endless) as server:
        assert failure(connect("http", {"url": server.link()}), tmp_path / "feed").problem.code == "redirected"
    assert sum(sent) < 50_000_000


def _google(web_of_google: Web) -> str:
    """A link that is left as it is, to docs.google.com on the port of a test."""
    return web_of_google.link("/spreadsheets/d/1x2y3z4w/gviz/tq?tqx=out:csv", host="docs.google.com")


@pytest.fixture
def all_names_are_here(monkeypatch):
    straight = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _name, *rest, **named: straight(LOOPBACK, *rest, **named))


def test_a_google_sheet_is_followed_to_its_download_host_and_no_further(connect, trusted, tmp_path, all_names_are_here):
    names = trusted.issue("docs.google.com", "doc-01.googleusercontent.com", "evil.example")
    with web(answer(FEED), certificate=names) as files, web(certificate=names) as google:
        google.says = [answer(status="307 Temporary Redirect", Location=files.link("/export", "doc-01.googleusercontent.com"))]
        assert fetch(connect("http", {"url": _google(google)}), tmp_path / "feed").size == len(FEED)
        signed = {"url": _google(google), "auth": "header", "header_name": "X-Api-Key"}
        (tmp_path / "feed").unlink()
        asked = files.lines
        assert failure(connect("http", signed, {"header_value": CANARY}), tmp_path / "feed").problem.code == "redirected"
        for place in (files.link("/export", "evil.example"), files.link("/", "doc-01.googleusercontent.com").replace("https", "http")):
            google.says = [answer(status="307 Temporary Redirect", Location=place)]
            assert failure(connect("http", {"url": _google(google)}), tmp_path / "feed").problem.code == "redirected"
        assert files.lines == asked
        google.says = [answer(status="302 Found", Location="https://accounts.google.com/ServiceLogin")]
        assert failure(connect("http", {"url": _google(google)}), tmp_path / "feed").problem.headline == "This Google Sheet is not shared"
        google.says = [answer(b"<html>Sign in</html>", Content_Type="text/html")]
        assert failure(connect("http", {"url": _google(google)}), tmp_path / "feed").problem.headline == "This Google Sheet is not shared"


@pytest.mark.parametrize("host", ["www.dropbox.com", "dl.dropboxusercontent.com"])
def test_a_file_in_dropbox_is_followed_to_its_download_host_and_no_further(connect, trusted, tmp_path, all_names_are_here, host):
    names = trusted.issue(host, "uc0ffee.dl.dropboxusercontent.com", "evil.example")
    with web(answer(FEED), certificate=names) as files, web(certificate=names) as dropbox:
        link = {"url": dropbox.link("/scl/fi/a1b2/stock.csv?rlkey=c3d4&dl=1", host=host)}
        dropbox.says = [answer(status="302 Found", Location=files.link("/cd/0/get/x/file?dl=1", "uc0ffee.dl.dropboxusercontent.com"))]
        assert fetch(connect("http", link), tmp_path / "feed").size == len(FEED)
        asked = files.lines
        (tmp_path / "feed").unlink()
        dropbox.says = [answer(status="302 Found", Location=files.link("/login", "evil.example"))]
        assert failure(connect("http", link), tmp_path / "feed").problem.code == "redirected" and files.lines == asked


def test_a_download_host_is_held_to_its_own_certificate(connect, trusted, tmp_path, all_names_are_here):
    with web(answer(FEED), certificate=trusted.issue("evil.example")) as files, web(certificate=trusted.issue("docs.google.com")) as google:
        google.says = [answer(status="307 Temporary Redirect", Location=files.link("/export", "doc-01.googleusercontent.com"))]
        assert failure(connect("http", {"url": _google(google)}), tmp_path / "feed").problem.code == "certificate_name"
        assert files.heard == []


# signing in


def _signed(server: Web, auth: str, **more: object) -> dict[str, object]:
    return {"url": server.link(), "auth": auth, "user": "acme01", "header_name": "X-Api-Key", **more}


SECRETS = {"password": CANARY, "header_value": CANARY}
BASIC = b64encode(f"acme01:{CANARY}".encode()).decode()


@pytest.mark.parametrize(("auth", "line"), [("basic", f"Authorization: Basic {BASIC}"), ("header", f"X-Api-Key: {CANARY}")])
def test_a_sign_in_goes_out_as_the_one_header(connect, trusted, good, tmp_path, auth, line):
    with web(answer(FEED), certificate=good) as server:
        connector = connect("http", _signed(server, auth), SECRETS)
        assert checks(connector)["sign_in"].detail in ("Signed in as acme01", "Header X-Api-Key was sent")
        assert fetch(connector, tmp_path / "feed").size == len(FEED)
        assert all(f"\r\n{line}\r\n" in asked for asked in server.heard)
        assert all(asked.count(CANARY) + asked.count(BASIC) == 1 for asked in server.heard)


def test_an_open_link_sends_no_secret_that_is_left_over(take, connect, tmp_path):
    with web(answer(FEED)) as server:
        fetch(connect("http", _signed(server, "none"), SECRETS), tmp_path / "feed")
        assert CANARY not in server.heard[0] and "Authorization" not in server.heard[0] and "X-Api-Key" not in server.heard[0]


@pytest.mark.parametrize(("auth", "who"), [("basic", "acme01"), ("header", "of the header")])
def test_a_wrong_sign_in_is_named_once_and_never_quoted(connect, trusted, good, tmp_path, auth, who):
    with web(answer(status=f"401 No {CANARY} {BASIC}"), certificate=good) as server:
        error = failure(connect("http", _signed(server, auth), SECRETS), tmp_path / "feed")
        assert (error.problem.code, error.permanent) == ("sign_in_refused", True)
        assert who in error.problem.body and "the server you trusted" in error.problem.body
        assert CANARY not in repr(error.problem) and (auth == "header" or BASIC not in repr(error.problem))
        assert len(server.heard) == 1


@pytest.mark.parametrize("tick", [None, False, "", "false", "0"])
@pytest.mark.parametrize("auth", ["basic", "header"])
def test_a_sign_in_over_plain_http_connects_to_nobody_without_the_tick(connect, auth, tick):
    with web(answer(FEED)) as server:
        assert refused(connect("http", _signed(server, auth, plain_ok=tick), SECRETS)) == "plain_not_allowed"
        assert server.lines == 0
        assert checks(connect("http", _signed(server, auth, plain_ok=True), SECRETS))["folder"].state == "passed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Key", f"{CANARY}\r\nHost: evil.example"),
        ("X-Key\r\nHost", CANARY),
        ("X Key", CANARY),
        ("", CANARY),
        ("Host", CANARY),
        ("Transfer-Encoding", "chunked"),
        ("X-Key", "schlüssel"),
        ("X-Key:", CANARY),
    ],
)
def test_a_header_that_would_be_more_than_one_is_not_sent(connect, name, value):
    with web(answer(FEED)) as server:
        connector = connect("http", _signed(server, "header", header_name=name, plain_ok=True), {"header_value": value})
        seen = checks(connector)
        assert seen["sign_in"].problem and seen["sign_in"].problem.headline == "This header cannot be sent"
        assert server.heard == []


def test_nothing_of_this_machine_is_sent_along(connect, monkeypatch, tmp_path):
    """Neither a .netrc, nor a proxy of the environment, nor a cookie the server set."""
    (tmp_path / "netrc").write_text(f"machine {LOOPBACK} login somebody password {CANARY}\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", f"http://{LOOPBACK}:9/")
    with web(answer(FEED, Set_Cookie="seen=1", ETag='"1"')) as server:
        fetch(connect("http", {"url": server.link()}), tmp_path / "feed")
        assert len(server.heard) == 2, "the file, and a last look whether it is still the same"
        assert not any("Authorization" in asked or "Cookie" in asked for asked in server.heard)
        assert "User-Agent: Quayside\r\n" in server.heard[0]


# who it is


def _certificates(authority: Authority, folder: Path) -> dict[str, Path]:
    return {
        "expired": authority.issue(LOOPBACK, from_day=-30, to_day=-1),
        "not yet begun": authority.issue(LOOPBACK, from_day=3, to_day=30),
        "wrong name": authority.issue("files.hosting.example"),
        "self-signed": authority.issue(LOOPBACK, self_signed=True),
        "unknown authority": Authority(folder, "Somebody else").issue(LOOPBACK),
    }


BAD = {
    "expired": ("certificate_ended", "failed", "Their certificate ended on"),
    "not yet begun": ("certificate_ended", "failed", "Their certificate starts only on"),
    "wrong name": ("certificate_name", "failed", "It is for files.hosting.example, not 127.0.0.1."),
    "self-signed": ("certificate_untrusted", "question", "It was issued by CN=127.0.0.1."),
    "unknown authority": ("certificate_untrusted", "question", "It was issued by CN=Somebody else."),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_certificate_stops_before_anything_is_asked(connect, trusted, tmp_path, case):
    code, state, words = BAD[case]
    with web(answer(FEED), certificate=_certificates(trusted, tmp_path)[case]) as server:
        seen = checks(connect("http", _signed(server, "header", plain_ok=True), SECRETS))
        problem = seen["identity"].problem
        assert list(seen) == ["address", "port", "identity"]
        assert problem and (problem.code, seen["identity"].state) == (code, state)
        assert words in f"{problem.headline} {problem.body}"
        assert server.heard == []


def test_a_confirmed_certificate_is_trusted_and_no_other(connect, trusted, tmp_path):
    known = _certificates(trusted, tmp_path)
    with web(answer(FEED), certificate=known["self-signed"]) as server:
        facts = checks(connect("http", {"url": server.link()}))["identity"].facts
        key = {name: facts[name] for name in ("key_type", "fingerprint")}
        assert fetch(connect("http", {"url": server.link()}, None, key), tmp_path / "feed").size == len(FEED)
    for other in (known["unknown authority"], trusted.issue(LOOPBACK)):
        with web(answer(FEED), certificate=other) as server:
            assert refused(connect("http", _signed(server, "header"), SECRETS, key)) == "host_key_changed"
            assert server.heard == []


def test_plain_http_on_the_port_of_https_and_the_other_way_round(connect, trusted, good, tmp_path):
    with web(answer(FEED)) as plain:
        assert refused(connect("http", {"url": plain.link().replace("http:", "https:")})) == "tls_refused"
    with web(answer(FEED), certificate=good) as secure:
        assert refused(connect("http", {"url": secure.link().replace("https:", "http:")})) in ("connection_lost", "protocol_error")


# where it may go


def test_a_private_address_gets_not_even_a_knock(connect, tmp_path):
    with web(answer(FEED)) as server:
        for host in (LOOPBACK, "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0"):
            connector = connect("http", {"url": server.link(host=host)})
            connector.guard = Guard()
            error = failure(connector, tmp_path / "feed")
            assert (error.problem.code, error.permanent) == ("address_refused", True), host
        assert server.lines == 0
        assert checks(connect("http", {"url": server.link()}))["folder"].state == "passed", "the operator opened it here"
        assert server.lines == 1


def test_a_closed_port_says_which(connect):
    with web(answer(FEED)) as server:
        port = server.port
    problem = checks(connect("http", {"url": f"http://{LOOPBACK}:{port}/x"}))["port"].problem
    assert problem and problem.code == "port_closed" and str(port) in problem.headline


# how long it may take


def _then_silence(first: bytes):
    def say(opened: socket.socket) -> None:
        opened.sendall(first)
        opened.recv(1)

    return say


@pytest.mark.parametrize(
    ("first", "doing"),
    [
        (b"", "waiting for an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-", "waiting for an answer"),
        (answer(FEED)[:50_000], "reading the file"),
        (chunked(FEED)[:50_000], "reading the file"),
        (answer(FEED[:50_000], length=False), "reading the file"),
    ],
)
def test_a_server_that_falls_silent_is_not_waited_for_without_end(connect, monkeypatch, tmp_path, first, doing):
    monkeypatch.setattr(web_line, "IO_SECONDS", 0.3)
    with web(_then_silence(first)) as server:
        error = failure(connect("http", {"url": server.link()}), tmp_path / "feed")
    assert (error.problem.code, error.permanent) == ("timed_out", False) and doing in error.problem.body


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("trickle", [b"X-A: 1\r\n", b"a", b"\r\nHTTP/1.1 100 Continue\r\n"])
def test_headers_that_never_end_are_not_read_for_ever(connect, trusted, good, monkeypatch, tmp_path, trickle, secure):
    monkeypatch.setattr(web_line, "HEADERS_SECONDS", 0.5)

    def endless(opened: socket.socket) -> None:
        opened.sendall(b"HTTP/1.1 100 Continue\r\n")
        while True:
            opened.sendall(trickle)
            time.sleep(0.05)

    with web(endless, certificate=good if secure else None) as server:
        error = failure(connect("http", {"url": server.link()}), tmp_path / "feed")
    assert error.problem.code == "timed_out" and "waiting for an answer" in error.problem.body


@pytest.mark.parametrize(
    "head", [answer(length=False, Content_Length="400"), answer(length=False), None], ids=["length", "none", "chunked"]
)
def test_a_server_that_sends_byte_by_byte_can_be_stopped_by_the_person(connect, tmp_path, head):
    """Progress is asked for with whatever came, so Stop does not wait for a full piece."""

    def drip(opened: socket.socket) -> None:
        opened.sendall(head or answer(length=False, Transfer_Encoding="chunked"))
        while True:
            opened.sendall(b"x" if head else b"1\r\nx\r\n")
            time.sleep(0.02)

    class Stop(Exception):
        pass

    def progress(done: int, _total: int | None) -> None:
        if done >= 3:
            raise Stop

    with web(drip) as server:
        with pytest.raises(Stop):
            connect("http", {"url": server.link()}).fetch("", "", "", tmp_path / "feed", 10**9, progress, 0.0)
    assert left_nothing(tmp_path / "feed")


# standing still


NOW = formatdate(1_800_000_000, usegmt=True)
BEFORE = formatdate(1_700_000_000, usegmt=True)


def _at(second: int, changed: int, body: bytes = FEED, **headers: str) -> bytes:
    moments = {"Date": formatdate(1_800_000_000 + second, usegmt=True), "Last_Modified": formatdate(1_800_000_000 + changed, usegmt=True)}
    return answer(body, **moments, **headers)


def _fetch_settled(connect, into: Path, *says: bytes) -> tuple[int, int]:
    with web(*says) as server:
        got = connect("http", {"url": server.link()}).fetch("", "", "", into, 10**9, lambda _done, _total: None, 0.2)
        return got.size, server.lines


def test_a_file_that_changed_long_ago_is_looked_at_once_before_and_once_after(connect, tmp_path):
    assert _fetch_settled(connect, tmp_path / "feed", _at(0, -900)) == (len(FEED), 2)


def test_a_file_that_changed_just_now_is_looked_at_twice(connect, tmp_path):
    assert _fetch_settled(connect, tmp_path / "feed", _at(0, 0), _at(5, 0)) == (len(FEED), 3)


@pytest.mark.parametrize(
    "says",
    [
        [_at(0, 0, b"a" * 1_000), _at(5, 5, b"a" * 1_004)],
        [_at(0, 0), _at(9, 5)],
        [_at(0, 0, ETag='"1"'), _at(5, 5, ETag='"2"')],
        [_at(0, 0, ETag='"1"'), _at(5, 0, ETag='"2"')],
        [_at(0, -900, ETag='"1"'), _at(5, -900, ETag='"2"')],
        [_at(0, -900), _at(5, 3)],
    ],
)
def test_a_file_that_changes_meanwhile_waits_for_the_next_try(connect, tmp_path, says):
    with pytest.raises(SupplierError) as caught:
        _fetch_settled(connect, tmp_path / "feed", *says)
    assert (caught.value.problem.code, caught.value.permanent) == ("file_growing", False)
    assert left_nothing(tmp_path / "feed")


def test_a_feed_made_for_each_request_is_not_taken_for_one_being_written(connect, tmp_path):
    """Scripts say that the file changed this very second, each time they are asked."""
    says = [_at(0, 0), _at(5, 5), _at(7, 6)]
    assert _fetch_settled(connect, tmp_path / "feed", *says) == (len(FEED), 3)


@pytest.mark.parametrize("odd", ["yesterday", "", "Fri, 31 Dec 9999 23:59:59 -2300", "Mon, 01 Jan 2001 00:00:00 +99999999999"])
def test_a_time_that_is_none_is_no_time(connect, tmp_path, odd):
    with web(answer(FEED, Last_Modified=odd, Date=odd)) as server:
        assert fetch(connect("http", {"url": server.link()}), tmp_path / "feed").modified is None


# names


NAMES = {
    'attachment; filename="stock 2026.csv"': "stock 2026.csv",
    "attachment; filename=stock.xlsx": "stock.xlsx",
    "attachment; filename*=UTF-8''Lagerbestand%20f%C3%BCr%20alle.csv": "Lagerbestand für alle.csv",
    'attachment; filename="Lagerbestand f\u00c3\u00bcr alle.csv"': "Lagerbestand für alle.csv",
    'attachment; filename="Lagerbestand f\u00fcr alle.csv"': "Lagerbestand für alle.csv",
    'attachment; filename="../../etc/cron.d/stock"': "inventory.csv",
    'attachment; filename="/etc/passwd"': "inventory.csv",
    "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd": "inventory.csv",
    'attachment; filename="C:\\\\feeds\\\\stock.csv"': "inventory.csv",
    'attachment; filename=".."': "inventory.csv",
    'attachment; filename=""': "inventory.csv",
    "attachment; filename*=UTF-8''stock%00.csv": "inventory.csv",
    "attachment; filename*=UTF-8''stock%0d%0a.csv": "inventory.csv",
    "attachment; filename*=undefined''%ff": "inventory.csv",
    "attachment; filename*0; filename*=x": "inventory.csv",
    "attachment; filename*=hex''zz": "zz",
    "inline": "inventory.csv",
    '"': "inventory.csv",
    f'attachment; filename="{"a" * 500}.csv"': "a" * 116 + ".csv",
}


@pytest.mark.parametrize("header", NAMES)
def test_a_name_from_a_server_is_only_ever_a_name(connect, tmp_path, header):
    with web(answer(FEED, Content_Disposition=header)) as server:
        got = fetch(connect("http", {"url": server.link("/feeds/inventory.csv")}), tmp_path / "feed")
    assert got.name == NAMES[header]
    assert [path.name for path in tmp_path.iterdir()] == ["feed"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/stock%20list.csv?x=1", "stock list.csv"),
        ("/", LOOPBACK),
        ("/a/..%2f..%2fetc", LOOPBACK),
        ("/a/%2e%2e", LOOPBACK),
        ("", LOOPBACK),
    ],
)
def test_a_name_from_a_link_is_only_ever_a_name(connect, path, name):
    with web(answer(FEED)) as server:
        assert [entry.name for entry in connect("http", {"url": server.link(path)}).listing("")] == [name]


def test_nothing_is_left_running_or_open(connect, trusted, good, tmp_path):
    with web(answer(FEED, ETag='"1"'), certificate=good) as server:
        before = (threading.active_count(), len(list(Path("/proc/self/fd").iterdir())))
        for _ in range(5):
            fetch(connect("http", {"url": server.link()}), tmp_path / "feed")
            server.says = [answer(status="500 Oh")]
            failure_code = refused(connect("http", {"url": server.link()}))
            assert failure_code == "http_status"
            server.says = [answer(FEED, ETag='"1"')]
        ends = time.monotonic() + 5
        while (threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))) > before and time.monotonic() < ends:
            time.sleep(0.05)
        assert (threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))) <= before
