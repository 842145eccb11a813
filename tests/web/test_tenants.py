"""One merchant never learns that another's objects exist: each route, each method, by walking the URL map."""

from __future__ import annotations

from typing import Any

import pytest

from portal.models import Source
from portal.web.rights import RIGHT_OF
from tests.conftest import PASSWORD
from tests.web.walk import IDS, NOTHING, address, belongings, everything, methods, rules

pytestmark = pytest.mark.both_databases  # a walk over all pages

INVENTORY = {"kind": "get_inventory_primary"}
EITHER = {"which": "get_inventory_secondary"}  # each of the two addresses says itself which feed it is for

# Every route that names an object, with values for the parts that are no ids. A new route fails the test until it is here.
ENTRIES: dict[str, dict[str, str]] = {
    "keeping.download": {},
    "erasing.user": {},
    "alerts.acknowledge": {},
    "alerts.mending": {},
    "alerts.show": {},
    "alerts.snooze": {},
    "alerts.wake": {},
    "auto_process.of_source": {"name": "auto-process"},
    "order_rules.committed": {},
    "order_rules.edit": {},
    "order_rules.methods": {},
    "order_rules.save": {},
    "order_rules.save_methods": {},
    "products.show": {},
    "products.edit": {},
    "products.deletion": {},
    "products.merge": {},
    "products.link": {},
    "products.unlink": {},
    "linking.of_source": {},
    "exclusions.apply_again": {},
    "exclusions.change": {},
    "exclusions.confirm_pause": {},
    "exclusions.delete": {},
    "exclusions.deletion": {},
    "exclusions.edit": {},
    "exclusions.pause": {},
    "exclusions.show": {},
    "linking.show": {},
    "billing.invoice": {},
    "billing.lines": {},
    "billing.pdf": {},
    "bulk_acts.confirm": {},
    "bulk_acts.confirm_undo": {},
    "bulk_acts.export": {},
    "bulk_acts.go_on": {},
    "bulk_acts.show": {},
    "bulk_acts.undo": {},
    "linking.apply": {},
    "linking.undo": {},
    "linking.confirm_undo": {},
    "linking.go_on": {},
    "request_acts.acknowledge": {},
    "request_acts.cancel": {},
    "request_acts.number": {},
    "request_acts.void": {},
    "requests.process_one": {},
    "requests.show": {},
    "acknowledgements.edit": {},
    "shipments.ignore": {},
    "shipments.new": {},
    "shipments.show": {},
    "shipments.upload": {},
    "shipments.void": {},
    "routing.preview": {},
    "routing.route": {},
    "api_tokens.revocation": {},
    "api_tokens.resume": {},
    "api_tokens.revoke": {},
    "channel_files.csv": {},
    "channel_files.link": {},
    "channel_files.show": {},
    "listing_batches.apply": {},
    "listing_batches.go_on": {},
    "listing_batches.new": {},
    "listing_batches.show": {},
    "listing_batches.undo": {},
    "listing_rules.edit": {},
    "listing_rules.look": {},
    "listings.add": {},
    "listings.index": {},
    "listings.put": {},
    "listings.removal": {},
    "listings.show": {},
    "pushing.edit": {},
    "pushing.held": {},
    "pushing.look": {},
    "pushing.send": {},
    "pushing.show": {},
    "pushing.switch": {},
    "channels.again": {},
    "channels.leave": {},
    "channels.order": {},
    "channels.pull": {},
    "channels.removal": {},
    "channels.seen": {},
    "channels.settings": {},
    "channels.show": {},
    "channels.take": {},
    "channels.tell": {},
    "columns.choose": {},
    "columns.show": {},
    "connections.check_again": {},
    "connections.choose_items": {},
    "connections.checks": {},
    "connections.edit": {},
    "connections.file": EITHER,
    "connections.host_key": {},
    "connections.preview": EITHER,
    "connections.replace_key": {},
    "connections.save": {},
    "connections.save_file": EITHER,
    "connections.trust": {},
    "connections.upload": EITHER,
    "connections.upload_second": {},
    "danger.deletion": {},
    "danger.removal": {},
    "danger.restoration": {},
    "directory.index": {},
    "directory.select": {"slug": "sftp-file"},
    "directory.show": {"slug": "sftp-file"},
    "dry_runs.csv": {},
    "dry_runs.new": INVENTORY,
    "dry_runs.plan": {},
    "dry_runs.start": INVENTORY,
    "dry_runs.sync": {},
    "exchanges.index": {},
    "feed_policies.edit": {"kind": "get_inventory_secondary"},
    "feed_policies.save": {"kind": "get_inventory_secondary"},
    "signing_in.leave": {},
    "soap.operation": {},
    "soap.save": {},
    "soap.upload_wsdl": {},
    "soap.wsdl": {},
    "approvals.leave": {},
    "store_apps.confirm": {},
    "store_apps.show": {},
    "fixes.rows": {},
    "fixes.upload": {},
    "held.csv": {},
    "held.show": {},
    "freshness.edit": INVENTORY,
    "freshness.save": INVENTORY,
    "history.comparison": {},
    "history.comparison_csv": {},
    "history.past": {},
    "history.past_csv": {},
    "hooks.change_delivery": {},
    "hooks.copied": {},
    "hooks.end_old": {},
    "hooks.event": {},
    "hooks.list_deliveries": {},
    "hooks.replace_secret": {},
    "hooks.secret": {},
    "hooks.show": {},
    "inventory.of_source": {},
    "inventory.show": {},
    "items.explanation": {"column": "quantity"},
    "items.of_source": {},
    "items.pin": {},
    "items.save_pin": {},
    "items.unpin": {"column": "quantity"},
    "limits.edit": INVENTORY,
    "limits.save": INVENTORY,
    "limits.save_silence": INVENTORY,
    "limits.silence": INVENTORY,
    "mappings.draft_inventory": EITHER,
    "mappings.draft_orders": {},
    "mappings.draft_shipments": {},
    "mappings.drafted_inventory": EITHER,
    "mappings.drafted_orders": {},
    "mappings.drafted_shipments": {},
    "mappings.dry_ran_inventory": EITHER,
    "mappings.dry_run_inventory": EITHER,
    "mappings.inventory": EITHER,
    "mappings.orders": {},
    "mappings.save_inventory": EITHER,
    "mappings.save_orders": {},
    "mappings.save_shipments": {},
    "mappings.shipments": {},
    "order.address": {},
    "order.cancel": {},
    "order.cancellation": {},
    "order.hold": {},
    "order.note": {},
    "order.release": {},
    "order.route": {},
    "order.save_address": {},
    "order.save_note": {},
    "order.show": {},
    "order_files.rows": {},
    "order_files.save": {},
    "order_files.show": {},
    "reverts.preview": {},
    "reverts.start": {},
    "runs.accept": {},
    "runs.acceptance": {},
    "runs.changes": {},
    "runs.file": {},
    "runs.leave_out": {},
    "runs.of_source": {},
    "runs.set_aside": {},
    "runs.show": {},
    "runs.stop": {},
    "schedule.edit": INVENTORY,
    "schedule.pause": INVENTORY,
    "schedule.pause_source": {},
    "schedule.save": INVENTORY,
    "secondary.add": {},
    "secondary.create": {},
    "secondary.removal": {},
    "secondary.unknown_csv": {},
    "secondary.unknown_skus": {},
    "secondary.review": {},
    "secondary.switch_on": {},
    "settings.edit": {"name": "allow-backorders"},
    "settings.save": {"name": "allow-backorders"},
    "settings.show": {},
    "setup.activate": {},
    "setup.chain": {},
    "setup.collisions": {},
    "setup.review": {},
    "setup.save_skus": {},
    "setup.skus": {},
    "sending.allow": {},
    "sending.check": {},
    "sending.confirm_again": {},
    "sending.document": {"submission_id": "a" * 22, "place": "0"},
    "sending.look_again": {},
    "sending.send_again": {},
    "sending.they_have_it": {},
    "sending_ways.edit": {},
    "sending_ways.make_secret": {},
    "sending_ways.save": {},
    "sending_ways.test": {},
    "sources.integration": INVENTORY,
    "sources.integrations": {},
    "sources.row": {},
    "sources.run_sync": INVENTORY,
    "source_files.export": {},
    "sources.show": {},
    "support.take_back": {"reset": "a" * 22},
    "team.access": {},
    "team.role": {},
    "team.save_access": {},
    "team.save_role": {},
}


def test_every_route_that_names_an_object_has_an_entry(app: Any) -> None:
    walked = {rule.endpoint for rule in rules(app, with_ids=True)}
    assert walked == set(ENTRIES), "add the new route to ENTRIES (or take the old one out)"
    for rule in rules(app):
        unknown = set(rule.arguments) - {*IDS, "token", *ENTRIES.get(rule.endpoint, {})}
        assert not unknown, f"{rule.rule} has a part without a value: {unknown}"


def test_another_merchants_id_is_byte_for_byte_a_missing_one(app: Any, client: Any, other_merchant: Any) -> None:
    theirs = belongings(other_merchant)
    before = everything()
    for rule, method, answers in walk(app, client, theirs):
        assert [answer.status_code for answer in answers] == [404, 404], f"{method} {rule.rule}"
        assert answers[0].data == answers[1].data, f"{method} {rule.rule} tells another's id from a missing one"
        assert seen(answers[0]) == seen(answers[1]), f"{method} {rule.rule}: the headers differ"
    assert everything() == before, "a request for another merchant's object wrote something"


JOINING = (
    "passkeys.ask",
    "passkeys.enter",
    "auth.second",
    "joining.invitation",
    "joining.ask_reset",
    "joining.reset",
    "joining.new_address",
)

NOT_SHOWN_BY_THE_WALK = {
    "joining.invitation": "needs a token: tests/web/test_team.py",
    "joining.reset": "needs a token: tests/web/test_team.py",
    "joining.new_address": "needs a token: tests/web/test_team.py",
    "operate.show": "for staff: tests/operate/test_doctor.py",
    "history.comparison_csv": "two runs are named in its query: tests/web/test_history.py",
    "signing_in.back": "needs a state that was given out: tests/browser/test_states.py",
    "approvals.back": "needs an approval that was begun: tests/web/test_approvals.py",
    "approvals.leave": "needs a store behind https: tests/web/test_approvals.py",
    "runs.acceptance": "of a run that is held: tests/browser/test_states.py",
    "held.show": "of a run that is held: tests/browser/test_states.py",
    "held.csv": "of a run that is held: tests/web/test_held.py",
    "columns.show": "of a run whose columns changed: tests/browser/test_states.py",
}


def test_its_owner_opens_what_is_hidden_from_others(app: Any, client: Any, merchant: Any) -> None:
    """Without this, a page that never opens would pass the walk."""
    own, closed = belongings(merchant), set()
    for rule in rules(app):
        if "GET" in methods(rule):
            answer = client.get(address(app, rule, own.values(rule, ENTRIES.get(rule.endpoint, {}))))
            if answer.status_code not in (200, 302, 303):
                closed.add(rule.endpoint)
    assert closed == set(NOT_SHOWN_BY_THE_WALK)


def test_htmx_is_told_the_same(app: Any, client: Any, other_merchant: Any) -> None:
    theirs = belongings(other_merchant)
    for rule, method, answers in walk(app, client, theirs, {"HX-Request": "true"}):
        assert [answer.status_code for answer in answers] == [404, 404], f"{method} {rule.rule}"
        assert answers[0].data == answers[1].data, f"{method} {rule.rule}"


def test_a_member_of_the_other_merchant_sees_no_more(app: Any, member_client: Any, other_merchant: Any) -> None:
    theirs = belongings(other_merchant)
    for rule, method, answers in walk(app, member_client, theirs):
        assert [answer.status_code for answer in answers] == [404, 404], f"{method} {rule.rule}"
        assert answers[0].data == answers[1].data, f"{method} {rule.rule}"


def test_signed_out_goes_to_sign_in_everywhere(app: Any, anonymous: Any, other_merchant: Any) -> None:
    theirs = belongings(other_merchant)
    open_to_all = {"auth.sign_in", "passkeys.ask", "passkeys.enter", *JOINING}
    for rule in rules(app):
        if rule.endpoint in open_to_all:
            continue
        path = address(app, rule, theirs.values(rule, ENTRIES.get(rule.endpoint, {})))
        for method in ("GET", *methods(rule)):
            answer = anonymous.open(path, method=method)
            assert answer.status_code == (302 if method == "GET" else 303), f"{method} {rule.rule}"
            assert answer.headers["Location"].startswith("/sign-in?"), f"{method} {rule.rule}"


def test_only_the_sign_in_page_assets_and_webhooks_are_open(app: Any) -> None:
    opened = {name for name, view in app.view_functions.items() if getattr(view, "is_public", False)}
    opened -= {name for name in opened if name.startswith("api.")}  # tests/api: every operation needs a token
    assert opened == {
        *JOINING,
        "auth.sign_in",
        "passkeys.ask",
        "passkeys.enter",
        "staff.sign_in",
        "assets.show",
        "channel_files.feed",
        "hooks.receive",
        "hooks.receive_more",
        "probes.healthz",
        "probes.metrics",
        "probes.readyz",
        "approvals.receive",
        "store_apps.install",
        "store_apps.load",
        "store_apps.uninstall",
    }
    machines = {name for name, view in app.view_functions.items() if getattr(view, "is_for_machines", False)}
    machines -= {name for name in machines if name.startswith("api.")}
    by_hand = {*JOINING, "auth.sign_in", "passkeys.ask", "passkeys.enter", "staff.sign_in", "assets.show"}
    assert machines == opened - by_hand, "test_receiving, test_approvals, test_store_apps and test_probes test them"


def test_the_walk_catches_a_route_that_forgets_the_merchant(
    own_app: Any, owner: Any, other_merchant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leak(source_id: str) -> str:
        found = Source.get_or_none(Source.public_id == source_id)
        return found.name if found else "nothing"

    monkeypatch.setitem(RIGHT_OF, "leak", "see")
    own_app.add_url_rule("/leak/<source_id>", "leak", leak)
    client = own_app.test_client().sign_in(owner.email, PASSWORD)
    with pytest.raises(AssertionError, match="add the new route"):
        test_every_route_that_names_an_object_has_an_entry(own_app)
    with pytest.raises(AssertionError, match="GET /leak"):
        test_another_merchants_id_is_byte_for_byte_a_missing_one(own_app, client, other_merchant)


def walk(app: Any, client: Any, theirs: Any, headers: dict[str, str] | None = None) -> Any:
    """(rule, method, [answer for another's id, answer for a missing id]) for each route that names an object."""
    token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
    for rule in rules(app, with_ids=True):
        for method in methods(rule):
            answers = []
            for whose in (theirs, NOTHING):
                path = address(app, rule, whose.values(rule, ENTRIES.get(rule.endpoint, {})))
                fields = None if method == "GET" else {"csrf_token": token, "form_token": "the-same"}
                answers.append(client.open(path, method=method, data=fields, headers=headers))
            yield rule, method, answers


def seen(answer: Any) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in answer.headers.items() if name not in ("Date", "X-Request-ID"))
