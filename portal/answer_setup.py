"""Whether and how acknowledgement files are read: answered, checked and kept; reading them is portal.shipments.answering's work."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from portal import (
    activation,
    audit,
    clock,
    connections,
    deliveries,
    documents,
    file_looks,
    mappings,
    notice_lists,
    notice_shapes,
    order_mapping,
    order_setup,
    schedules,
    sources,
)  # fmt: skip
from portal.errors import Invalid, Refused, Stale, SupplierError
from portal.fields import ANSWER_FIELDS
from portal.models import Integration, Source, User, database
from portal.records import FeedFormat
from portal.shipments.answering import fold

KIND = "get_acknowledgements"
LONGEST_SAMPLE = 20_000
PROTOCOLS = ("sftp", "ftp", "http", "webhook")


def of(source: Source) -> Integration | None:
    """The source's Get Acknowledgements, None before it was set up."""
    return next((one for one in sources.integrations(source) if one.kind == KIND), None)


def cannot(source: Source) -> str:
    """Why the source has no acknowledgement files to read; "" when it may."""
    if source.state == "draft":
        return "This source is a draft. Finish its set-up first."
    if connections.supplier_of(source).protocol not in PROTOCOLS and not notice_lists.is_used(source):
        return "Acknowledgements come by SFTP, FTP, a file link, a REST API or a webhook. Answers are entered on each request's page here."
    return ""


def headers_of(line: str) -> list[str]:
    """The column names in a line of a CSV file, its sign between them found by counting."""
    first = next((text for text in line.splitlines() if text.strip()), "").lstrip("\ufeff")
    delimiter = max(order_mapping.DELIMITERS, key=first.count)
    return [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]


def looked_at(text: str) -> tuple[list[str], FeedFormat | None]:
    """(its column names, how such documents are read) of a sample: JSON or XML as it comes, else a line of names, with None.

    Raises Invalid ("headers") for what cannot be read.
    """
    if text.lstrip()[:1] not in ("{", "[", "<"):
        return headers_of(text), None
    lines = text.strip().splitlines()
    many = len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines)
    ending = "xml" if text.lstrip().startswith("<") else "jsonl" if many else "json"
    try:
        with NamedTemporaryFile(suffix=f".{ending}") as kept:
            kept.write(text.strip().encode())
            kept.flush()
            form = notice_shapes.shape(Path(kept.name), f"pasted.{ending}", ANSWER_FIELDS)
            return file_looks.headers(Path(kept.name), form), form
    except SupplierError as error:
        raise Invalid({"headers": f"{error.problem.headline}. {error.problem.body}"}) from error


def newest(source: Source) -> str:
    """The text of the acknowledgement that a webhook brought last, "" without one, or where it is long."""
    found = deliveries.sample(source, "acknowledgement") if connections.is_webhook(source) else None
    if found is None or found.size > LONGEST_SAMPLE or not documents.path_of(found).exists():
        return ""
    return documents.path_of(found).read_text("utf-8", "replace")


def from_list(source: Source, typed: Mapping[str, str]) -> str:
    """The first items of the list as typed, one a line. Raises Invalid."""
    try:
        read = notice_lists.sample(source, typed)
    except SupplierError as error:
        raise Invalid({"path": notice_lists.why(error)}) from error
    with documents.path_of(read).open(encoding="utf-8") as lines:
        return "".join(islice(lines, 5))[:LONGEST_SAMPLE]


def codes_of(text: str) -> dict[str, str]:
    """{code, folded: accept, partial or reject} of lines such as "10 = accepted". Raises Invalid."""
    found = {}
    for number, line in enumerate((one for one in text.splitlines() if one.strip()), 1):
        code, sign, means = line.rpartition("=")
        word = {"accepted": "accept", "rejected": "reject"}.get(fold(means), fold(means))
        if not sign or not fold(code) or word not in order_mapping.MEANINGS:
            raise Invalid({"codes": f"Line {number}: write it as 10 = accepted; after the sign stands accepted, partial or rejected."})
        found[fold(code)] = word
    return found


def save(
    source: Source, use: bool | None, settings: Mapping[str, Any], rules: Mapping[str, Any], headers: Sequence[str], version: int,
    who: str, user: User | None, form: FeedFormat | None = None,
) -> None:  # fmt: skip
    """Keep the answers ({"folder", "match", "pattern"} and the rules); read hourly from then on, or as they come.

    `form`: how what comes is read, where `headers` are of a sample of it. Raises Invalid, Refused, Stale.
    """
    given, settings = connections.is_given(source), order_setup.laid_out(source, settings)
    settings |= order_setup.pinned(source, form) if form else {}
    if why := cannot(source):
        raise Refused(why)
    if use is None:
        raise Invalid({"use": "Choose yes or no. You can change it later."})
    if use:
        if errors := order_setup.place_errors(source, settings):
            raise Invalid(errors)
        order_mapping.check_answer_rules(rules, headers)
    with database.atomic():
        integration = sources.add_integration(source, KIND, who)
        schedule = integration.schedule or activation.default_schedule(source)
        due = [] if given else schedules.next_times(schedule, source.merchant.time_zone, 1)
        columns: dict[str, Any] = {
            "enabled": use, "settings": {**integration.settings, **settings} if use else integration.settings,
            "policies": {**integration.policies, "feed": "delta"}, "schedule": schedule,
            "next_run_at": due[0] if use and due else None, "version": Integration.version + 1,
            "changed_at": clock.now(), "changed_by": who,
        }  # fmt: skip
        if not Integration.update(columns).where(Integration.id == integration.id, Integration.version == (version or 1)).execute():
            raise Stale(integration.changed_by, integration.changed_at)
        before, after = {"on": integration.enabled, **integration.settings}, {"on": use, **columns["settings"]}
        audit.write(source.merchant, who, "integration.answer", "integration", integration.public_id, before=before, after=after)
        if use:
            mappings.save(integration, rules, headers, who, user)
