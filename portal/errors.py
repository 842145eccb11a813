"""Errors that cross layers. Each one carries words a merchant can read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Problem:
    """What happened, why (with the fact we saw), and the one thing to do.

    `code` is from the closed set in `FAILURE_CODES`; `headline` stays under 60 characters
    and `body` under 40 words; `act` is a button or link label and `act_at` names the place
    it leads to: "connection", "sign_in", "approval", "file", "mapping", "host_key", "acceptance", "guards", "silence", "columns",
    "operation", "wsdl", "run_again" or "".
    `server_said` quotes the other side, secrets removed. No field ever holds a secret.
    """

    code: str
    headline: str
    body: str
    act: str = ""
    act_at: str = ""
    server_said: str = ""


FAILURE_CODES = frozenset(
    {
        # reaching the other side
        "host_unknown", "address_refused", "port_closed", "timed_out", "connection_lost",
        "host_key_unknown", "host_key_changed", "certificate_name", "certificate_ended",
        "certificate_untrusted", "tls_refused", "plain_not_allowed",
        "sign_in_refused", "sign_in_ended", "key_refused", "key_unreadable", "user_locked", "sign_in_paused",
        "folder_missing", "file_missing", "permission_denied", "file_growing", "cut_download",
        "redirected", "http_status", "protocol_error", "too_large",
        # understanding what came
        "empty_file", "header_only", "html_page", "unreadable_text", "wrong_encoding",
        "columns_missing", "no_usable_rows", "malformed_file", "unsupported_format", "other_format",
        "file_cut", "encrypted_file", "unsafe_archive", "unsafe_file", "member_missing", "sheet_missing",
        "row_path_missing", "wrong_document",
        # judging it
        "too_few_rows", "older_than_last", "too_many_bad_rows", "skus_lost", "lost_slowly", "zeroed", "prices_moved", "match_rate",
        "silent",
        # us
        "server_resting", "server_busy", "source_busy", "not_set_up", "reading_stopped", "stopped", "attempts_used_up", "refused",
        "file_store", "internal",
    }
)  # fmt: skip


class SupplierError(Exception):
    """The one expected failure of a connector or feed. `permanent`: trying again cannot help. `status`: of a web server's answer.

    `wait`: seconds that the server asked for before the next try, None when it did not say.
    """

    wait: float | None = None

    def __init__(self, problem: Problem, permanent: bool = False, status: int | None = None) -> None:
        if problem.code not in FAILURE_CODES:
            raise ValueError(f"unknown failure code {problem.code!r}")
        super().__init__(problem.headline)
        self.problem = problem
        self.permanent = permanent
        self.status = status


class Later(SupplierError):
    """Not now, by a rule of our own: nothing was asked. A run waits in the queue until then (naive UTC) and loses no try.

    `server`: it waits for room at that one.
    """

    def __init__(self, problem: Problem, until: datetime, server: str = "") -> None:
        super().__init__(problem)
        self.until = until
        self.server = server


class NotFound(Exception):
    """No such object for this merchant. Another merchant's object is this too."""


class Forbidden(Exception):
    """The signed-in person's role may not do this inside their own workspace."""


class Refused(Exception):
    """A domain rule says no. `str(error)` is a sentence for the merchant."""


@dataclass
class Invalid(Exception):
    """Typed values that cannot be accepted: field name -> what to do about it. `proposals`: field name -> a value that would do."""

    errors: dict[str, str] = field(default_factory=dict)
    proposals: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "; ".join(f"{name}: {text}" for name, text in self.errors.items())


class Stale(Exception):
    """Someone else saved first. Holds who and when, so that the page can say it."""

    def __init__(self, who: str, when: object) -> None:
        super().__init__("Someone changed this while you edited")
        self.who = who
        self.when = when
