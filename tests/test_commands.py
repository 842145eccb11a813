"""The operator's verbs: sentences for people, one JSON object for programs, exit codes for both."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from portal import accounts, vault
from portal import config as settings
from portal.models import AuditLine, Merchant, User, database
from portal.models.database import is_postgres
from tests.conftest import PASSWORD


@pytest.fixture
def verb(app):
    """verb(*words, input=...) -> (exit code, output)"""

    def run(*words: str, **options):
        answer = app.test_cli_runner().invoke(args=list(words), **options)
        assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
        return answer.exit_code, answer.output

    return run


def test_a_workspace_and_its_owner_are_made_by_two_commands(verb):
    code, output = verb("create-merchant", "Harbor & Pine", "--time-zone", "Europe/Berlin", "--json")
    made = json.loads(output)
    assert code == 0 and Merchant.get().public_id == made["merchant"]
    code, output = verb(
        "create-user", "me@harbor.example", "--merchant", "Harbor & Pine", "--role", "owner", "--json", input=f"{PASSWORD}\n"
    )
    assert code == 0 and json.loads(output)["role"] == "owner"
    assert PASSWORD not in output
    assert accounts.sign_in("me@harbor.example", PASSWORD, "", "")


def test_a_workspace_is_found_by_id_too_and_a_shared_name_is_refused(verb, merchant):
    assert verb("create-user", "a@harbor.example", "--merchant", merchant.public_id, "--password", PASSWORD)[0] == 0
    verb("create-merchant", merchant.name)
    code, output = verb("create-user", "b@harbor.example", "--merchant", merchant.name, "--password", PASSWORD)
    assert code == 4 and "Give the id instead" in output


@pytest.mark.parametrize(
    "words",
    [
        ("create-user", "x@y.example", "--merchant", "nobody", "--password", PASSWORD),
        ("create-merchant", " "),
        ("set-password", "no@y.example", "--random"),
    ],
)
def test_a_refusal_is_a_sentence_or_one_object_with_exit_code_4(verb, words):
    code, output = verb(*words)
    assert code == 4 and output.strip() and "Traceback" not in output
    code, output = verb(*words, "--json")
    assert code == 4 and set(json.loads(output)) == {"error"}


def test_a_forgotten_password_can_be_made_up_anew(verb, owner):
    code, output = verb("set-password", owner.email, "--random", "--json")
    assert code == 0
    assert accounts.sign_in(owner.email, json.loads(output)["password"], "", "")
    assert verb("set-password", owner.email, input="short\n")[0] == 4


def test_an_up_to_date_database_has_nothing_to_migrate(verb):
    code, output = verb("migrate", "--json")
    assert code == 0 and json.loads(output) == {"applied": []}


def test_a_changed_audit_line_is_found(verb, merchant, other_merchant):
    assert verb("audit-verify")[0] == 0
    AuditLine.update(who="someone else").where(AuditLine.merchant == merchant).execute()
    code, output = verb("audit-verify", "--json")
    problems = json.loads(output)["problems"]
    assert code == 1 and problems[merchant.public_id] and problems[other_merchant.public_id] == []


def test_keys_are_rotated_and_verified(verb, merchant):
    before = merchant.data_key
    code, output = verb("rotate-keys", "--drop-old", "--json")
    assert code == 0 and json.loads(output) == {"rewrapped": 1, "dropped": 1}
    assert Merchant.get().data_key != before
    assert verb("verify-keys", "--json")[0] == 0
    Merchant.update(data_key=before).execute()
    code, output = verb("verify-keys")
    assert code == 1 and merchant.public_id in output
    assert len(vault.current().key_ids) == 1


def test_the_demo_supplier_is_refused_in_production(verb, config):
    settings.use(replace(config, production=True))
    code, output = verb("demo-supplier", "--json")
    assert code == 4 and "PRODUCTION" in json.loads(output)["error"]


def test_a_database_that_is_not_up_to_date_is_said_in_a_sentence(verb, db):
    applied = [name for (name,) in database.execute_sql("SELECT name FROM schema_migration")]
    database.execute_sql("DELETE FROM schema_migration")
    try:
        code, output = verb("create-merchant", "Early")
        assert code == 4 and "migrate" in output
    finally:
        if is_postgres():  # it keeps its tables between tests
            for name in applied:
                database.execute_sql("INSERT INTO schema_migration (name, applied) VALUES (%s, now())", (name,))


def test_no_command_leaves_a_user_without_a_password(verb, merchant):
    assert verb("create-user", "a@harbor.example", "--merchant", merchant.name, input="")[0] == 4
    assert not User.select().exists()
