"""The contract of a feed's columns: kept with the mapping at accepted runs, held against each new file, and mended by a person.

A file that breaks it is refused whole; choosing the new columns makes a mapping version and reads the same file again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal import clock, documents, file_looks, mapping, mappings, read_files, runs
from portal.errors import Invalid, Problem, Refused, SupplierError
from portal.leases import Work
from portal.mapping import columns
from portal.mapping.columns import Column, Drift, Proposal
from portal.models import Document, Integration, MappingVersion, Run, User, database
from portal.records import FeedFormat

log = logging.getLogger(__name__)

Rules = Mapping[str, Any]

KEPT_FOR = timedelta(days=1)  # a contract is made anew after this, or when other columns came or went
LOOKED_AT = 2_000  # rows of a new file whose values are compared
LONGEST_HEADLINE = 60
_BODIES = {
    "missing": "The file has no {names}. We used none of it. Your stock is as it was.",
    "doubled": "The file has {names} more than once, so we cannot tell which one to read. We used none of it. Your stock is as it was.",
    "moved": "The values of {names} now stand in another column. We used none of the file. Your stock is as it was.",
    "count": "The file has {now} columns; it had {before}. Without names in it, columns are known by their place. Your stock is as it was.",
}
_HEADLINES = {
    "missing": "Columns changed: {names} is gone", "doubled": "Columns changed: {names} stands twice",
    "moved": "Columns changed: {names} has moved", "count": "The number of columns changed",
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A run stopped by its columns, as its page shows it. `wanted`: mapped columns to be chosen anew; `kept`: those that stay.

    `document` is None once the file was erased.
    """

    run: Run
    document: Document | None
    wanted: Sequence[str]
    old: Sequence[Column]
    new: Sequence[Column]
    proposals: Mapping[str, Sequence[Proposal]]

    @property
    def samples(self) -> dict[str, tuple[str, ...]]:
        """First values of each new column."""
        return {column.name: column.samples for column in self.new}


def check(work: Work, version: MappingVersion, rules: Rules, form: FeedFormat, headers: Sequence[str], document: Document) -> bool:
    """Hold a file's columns against the contract; whether others came or went. `rules`: what is used of the version's.

    Raises SupplierError(columns_missing).
    """
    old = _columns(version)
    if not old:
        return False
    needed, headerless = (
        mapping.needed_columns(rules),
        form.header_row == 0 and form.kind in ("delimited", "fixed_width", "spreadsheet"),
    )
    names = [column.name for column in old]
    found = columns.drift(old, headers, needed, headerless)
    if found is None and (headerless or list(headers) != names):
        found = columns.moved(old, _read(document, form, LOOKED_AT), needed)
    if found is not None:
        raise SupplierError(problem_of(found, len(names), len(headers)), permanent=True)
    came, went = columns.differences(names, headers)
    if came or went:
        work.say(_note(came, went), "warning")
    return bool(came or went) or list(headers) != names


def remember(version: MappingVersion, document: Document, form: FeedFormat, anew: bool = False) -> None:
    """Keep what the columns of an accepted file held, unless that was done within a day and the columns are the same."""
    kept = version.contract
    if kept and not anew and clock.now() - datetime.fromisoformat(kept["at"]) < KEPT_FOR:
        return
    try:
        found = _read(document, form, columns.MOST_ROWS)
    except SupplierError as error:  # what was applied stands; the next file is held against the older contract
        log.warning("The columns of document %s could not be kept: %s", document.id, error.problem.headline)
        return
    told = [column.told() for column in found]
    MappingVersion.update(contract={"columns": told, "at": clock.now().isoformat()}).where(MappingVersion.id == version.id).execute()


def problem_of(found: Drift, before: int = 0, now: int = 0) -> Problem:
    """A drift in words."""
    names = ", ".join(f"“{name[:40]}”" for name in found.columns[:3]) + (
        f" and {len(found.columns) - 3} more" if len(found.columns) > 3 else ""
    )
    headline = _HEADLINES[found.why].format(names=names)
    if len(headline) > LONGEST_HEADLINE or (len(found.columns) > 1 and found.why != "count"):
        headline = "The columns of the file changed"
    body = _BODIES[found.why].format(names=names, before=before, now=now)
    return Problem("columns_missing", headline, body, "Choose the columns", "columns")


def change_of(run: Run) -> Change:
    """What a stopped run's file has instead. Raises Refused for a run that its columns did not stop, or that is settled."""
    integration, version = _stopped(run)
    document = Document.get_or_none(Document.id == run.document_id, Document.merchant == run.merchant_id)
    usable = document is not None and document.stored_name is not None and documents.path_of(document).exists()
    old = _last_contract(integration, version.number) or [Column(name, "", frozenset(), 0, ()) for name in version.headers]
    if document is None or not usable:
        return Change(run, None, (), old, (), {})
    form = FeedFormat(**run.settings["format"])
    new = _read(document, form, columns.MOST_ROWS)
    needed = mapping.needed_columns(version.rules)
    found = columns.drift(old, [column.name for column in new], needed, form.header_row == 0) or columns.moved(old, new, needed)
    wanted = found.columns if found else ()
    kept = [name for name in needed if name not in wanted]
    return Change(run, document, wanted, old, new, columns.proposals(old, new, wanted, kept))


def accept(run: Run, chosen: Mapping[str, str], who: str, user: User | None = None) -> Run:
    """Map the chosen columns (old name -> new name) in a new version and read the same file again, without fetching.

    Raises Invalid keyed by old name, Refused, Stale, AlreadyRunning.
    """
    integration, version = _stopped(run)
    change = change_of(run)
    if change.document is None:
        raise Refused("The file was erased by age. Read it again.")
    names = [column.name for column in change.new]
    errors = {name: "Choose the column that holds it now." for name in change.wanted if chosen.get(name) not in names}
    taken = [chosen[name] for name in change.wanted if name not in errors]
    errors |= {name: "Two cannot be the same column." for name in change.wanted if name not in errors and taken.count(chosen[name]) > 1}
    if errors:
        raise Invalid(errors)
    renamed = {name: chosen[name] for name in change.wanted}
    rules = columns.renamed(version.rules, renamed)
    mappings.save(integration, rules, names, who, user, based_on=version.number)
    _follow(integration, change.document, renamed)
    parts = [file.document_id for file in read_files.of_run(run, "file")]
    given = parts if len(parts) > 1 else change.document.id
    return runs.start_sync(Integration.get_by_id(integration.id), started_by=who, settings={"document": given})


def _follow(integration: Integration, sample: Document, renamed: Mapping[str, str]) -> None:
    """The file is the sample from now on; columns whose blanks mean as above are known under their new names."""
    with database.atomic():
        Integration.update(sample_document_id=sample.id).where(Integration.id == integration.id).execute()
        settings = Integration.get_by_id(integration.id).settings
        form = settings.get("format") or {}
        if form.get("as_above"):
            names = "\n".join(renamed.get(name, name) for name in FeedFormat(**form).above)
            settings = {**settings, "format": {**form, "as_above": names}}
            Integration.update(settings=settings).where(Integration.id == integration.id).execute()


def _stopped(run: Run) -> tuple[Integration, MappingVersion]:
    if run.state != "failed" or (run.problem or {}).get("code") != "columns_missing" or run.integration is None:
        raise Refused("This run was not stopped by its columns.")
    integration = Integration.get_by_id(run.integration_id)
    if integration.mapping_version != run.mapping_version:
        raise Refused("The mapping was changed since this run; there is nothing to decide here any more.")
    version = MappingVersion.get(MappingVersion.integration == integration, MappingVersion.number == run.mapping_version)
    return integration, version


def _columns(version: MappingVersion) -> list[Column]:
    return [Column.read(told) for told in (version.contract or {}).get("columns", [])]


def _last_contract(integration: Integration, number: int) -> list[Column]:
    mine = (MappingVersion.integration == integration) & (MappingVersion.number <= number) & MappingVersion.contract.is_null(False)
    last = MappingVersion.select().where(mine).order_by(MappingVersion.number.desc()).first()
    return _columns(last) if last else []


def _read(document: Any, form: FeedFormat, most: int) -> list[Column]:
    return file_looks.sketch(documents.path_of(document), form, most)


def _note(came: Sequence[str], went: Sequence[str]) -> str:
    parts = [f"{len(came):,} new ({_listed(came)})"] if came else []
    parts += [f"{len(went):,} gone ({_listed(went)})"] if went else []
    return f"Columns that the mapping does not read: {', '.join(parts)}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:30] for name in names[:5]) + ("…" if len(names) > 5 else "")
