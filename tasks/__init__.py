"""When things happen: Huey is the doorbell and the clock. What waits, and how far it is, stands in the run rows.

Five lanes with threads of their own (`doorbell`): long runs never hold up what is short and urgent.
"""

from __future__ import annotations

import logging

from huey import crontab

from portal.models.database import database
from tasks.doorbell import AWAY, huey, letters, quick, sending, upkeep

__all__ = ["huey", "ring", "ring_for_people", "ring_if_it_works"]

log = logging.getLogger(__name__)

# The domain is imported inside the tasks: a web process that only rings never loads it.


def ring() -> None:
    """Wake a worker: a run waits. Called after the transaction that queued it.

    A doorbell that is away fails nothing: the workers also look for themselves every few seconds.
    """
    try:
        do_sending()
        do_runs()
    except AWAY as problem:
        log.error("the doorbell did not ring: %s", type(problem).__name__)


ring_if_it_works = ring


def ring_for_people() -> None:
    """Wake a worker: an e-mail to a person waits. A doorbell that is away only makes it leave a minute later."""
    try:
        tell_people()
    except AWAY as problem:
        log.error("the doorbell did not ring: %s", type(problem).__name__)


@huey.task()
def do_runs() -> None:
    """Do the long runs that wait, and those for what webhooks brought, until none does; then put away at the suppliers what they read.

    New orders are routed by a task of their own, so that neither keeps the other from going on.
    """
    from portal import after_read, deliveries, runs
    from portal.routing import by_itself
    from tasks.work import LONG

    with database.connection_context():
        if by_itself.waiting():
            route_orders()
        deliveries.start_due()
        done = runs.work_available(LONG)
        while done and deliveries.start_due():
            done += runs.work_available(LONG)
        after_read.settle_due()
    if done:
        look_for_alerts()


@sending.task()
def do_sending() -> None:
    """Do the runs that somebody waits for (orders and tracking numbers that leave, tests of a connection) until none waits."""
    from portal import runs
    from tasks.work import SENDING

    with database.connection_context():
        done = runs.work_available(SENDING)
    if done:
        look_for_alerts()


@quick.task()
def route_orders() -> None:
    """Route the orders that came in."""
    from portal.routing import by_itself

    with database.connection_context():
        by_itself.route_new()


@quick.periodic_task(crontab())
def start_due_runs() -> None:
    """Start what the schedules ask for, and ring for runs whose worker is gone."""
    from portal import runs, schedules

    with database.connection_context():
        schedules.start_due()
        if runs.reap():
            ring()


@quick.periodic_task(crontab())
def mind_orders() -> None:
    """Try again the orders that found no source, put in line what waited for a shipping code, release stock committed for too long."""
    from portal.requests import process, stock
    from portal.routing import by_itself

    with database.connection_context():
        stock.release_old()
        by_itself.route_new()
        by_itself.route_again()
        process.by_itself()


@upkeep.periodic_task(crontab())
def link_new_items() -> None:
    """Begin to link the new items of sources that have that turned on."""
    from portal.catalogue import by_itself

    with database.connection_context():
        if by_itself.start_due():
            ring()


@quick.periodic_task(crontab())
def mind_plans() -> None:
    """Let in the items that wait and have room in the plan by now."""
    from portal.exclusions import room

    with database.connection_context():
        if room.start_due():
            ring()


@upkeep.periodic_task(crontab(minute="*/10"))
def note_usage() -> None:
    """Keep today's use of every plan."""
    from portal import usage

    with database.connection_context():
        usage.note_all()


@upkeep.periodic_task(crontab())
def count_catalogues() -> None:
    """Count what large catalogues have not linked, where a run or a linking changed that."""
    from portal.catalogue import counting

    with database.connection_context():
        counting.refresh_due()


@quick.periodic_task(crontab())
def mind_silence() -> None:
    """Start the rule of each integration that has had no accepted feed for too long."""
    from portal.inventory import silence

    with database.connection_context():
        if silence.start_due():
            ring()


@quick.periodic_task(crontab())
def mind_freshness() -> None:
    """Note which feeds are late, and which are not any more; then look at every rule of alerts."""
    from portal import lateness

    with database.connection_context():
        lateness.mind()
    look_for_alerts.call_local()


@quick.task()
def look_for_alerts() -> None:
    """Find what needs a person, and ring for what is to be told of it."""
    from portal.alerts import evaluate, leaving

    with database.connection_context():
        evaluate.evaluate()
        if leaving.waits():
            tell_alerts()


@letters.task()
def tell_alerts() -> None:
    """Send what waits of alerts, each message at most once."""
    from portal.alerts import leaving

    with database.connection_context():
        leaving.send_due()


@upkeep.periodic_task(crontab())
def put_files_away() -> None:
    """Move, rename or delete at the suppliers what accepted runs read, where that waits or failed before."""
    from portal import after_read

    with database.connection_context():
        after_read.settle_due()


@upkeep.periodic_task(crontab())
def erase_old_files() -> None:
    """Erase fetched files whose days are over, plans of old dry runs, and what runs that were given up left behind."""
    from portal import deliveries, documents, exchanges
    from portal.alerts import evaluate
    from portal.bulk_acts import acts
    from portal.catalogue import linking
    from portal.exporting import exports
    from portal.inventory import dry_run, feed_states
    from portal.listings import links, making
    from portal.pushing import due

    with database.connection_context():
        documents.erase_old()
        exchanges.erase_old()
        deliveries.erase_old()
        feed_states.erase_orphans()
        dry_run.erase_old()
        linking.erase_old()
        evaluate.erase_old()
        acts.erase_old()
        making.erase_removed()
        due.erase_old()
        links.erase_unlinked()
        exports.erase_old()


@upkeep.periodic_task(crontab(minute="17"))
def prune_sent() -> None:
    """Erase the bytes of what was sent long ago, of requests that are finished."""
    from portal.outbox import pruning

    with database.connection_context():
        pruning.prune()


@upkeep.periodic_task(crontab(minute="7"))
def issue_invoices() -> None:
    """Issue the invoices of months that are over."""
    from portal.billing import invoices

    with database.connection_context():
        invoices.issue_due()


@upkeep.periodic_task(crontab())
def keep_feeds_ready() -> None:
    """Make the files of feed links that take long, before a shop has to wait for one."""
    from portal.listings import links

    with database.connection_context():
        links.keep_ready()


@quick.periodic_task(crontab())
def end_pins() -> None:
    """End the pins whose time is over."""
    from portal.inventory import pins

    with database.connection_context():
        pins.end_due()


@quick.periodic_task(crontab())
def purge_deleted_sources() -> None:
    """Start the purge of sources that were deleted seven days ago."""
    from portal import removals

    with database.connection_context():
        if removals.purge_due():
            ring()


@upkeep.periodic_task(crontab())
def keep_to_days() -> None:
    """Erase what workspaces keep no longer, and those that were deleted seven days ago, a piece at a time."""
    from portal import closing, retention

    with database.connection_context():
        retention.sweep()
        closing.erase_due()


@quick.periodic_task(crontab())
def tidy_accounts() -> None:
    """Take out ended sessions, old sign-in tries, spent form tokens and links that ended."""
    from portal import accounts, person_links
    from portal.support import staff

    with database.connection_context():
        accounts.tidy()
        person_links.tidy()
        staff.tidy()


@letters.task()
def tell_people() -> None:
    """Send the e-mails of invitations, new passwords and new addresses."""
    from portal import person_links

    with database.connection_context():
        person_links.send_due()


@letters.periodic_task(crontab())
def tell_people_again() -> None:
    """Send those that waited: for a worker, or for the mail server."""
    tell_people.call_local()
