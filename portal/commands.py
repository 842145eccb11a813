"""`flask --app app` verbs for the operator. Each prints sentences, or one JSON object with `--json`."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup

from portal import accounts, audit, config, migrations, passwords, roles, two_step, vault
from portal.errors import Invalid, NotFound, Refused
from portal.models import Merchant
from portal.models.database import database
from portal.operation import notes

REFUSED = 4
ELSEWHERE = {
    "import-feed": "portal.feed_commands", "sync": "portal.feed_commands", "check-supplier": "portal.supplier_commands",
    "sending": "portal.sending_commands", "plan": "portal.plan_commands",
    **dict.fromkeys(("staff-add", "staff-end"), "portal.support_commands"),
    **dict.fromkeys(("backup", "doctor", "restore", "scheduler", "web", "worker"), "portal.operation_commands"),
    **dict.fromkeys(
        ("plans", "plan-set", "plan-give", "plan-decline", "billing-set", "invoice-issue", "invoices", "invoice-paid", "invoice-credit",
         "invoice-pdf"), "portal.billing_commands",
    ),
}  # fmt: skip
"""Verbs of other modules: a program that does one of them does not wait for the others to be loaded."""


def install(app: Flask) -> None:
    """Add every verb to the application."""
    app.cli = _Verbs(app.cli.name, app.cli.commands)
    for command in COMMANDS:
        app.cli.add_command(command)


class _Verbs(AppGroup):
    """The verbs that stand here, and those of ELSEWHERE, whose modules are loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all verbs, in order."""
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name; None when there is none."""
        if cmd_name in ELSEWHERE and cmd_name not in self.commands:
            for command in importlib.import_module(ELSEWHERE[cmd_name]).COMMANDS:
                self.add_command(command)
        return super().get_command(ctx, cmd_name)


def as_json(function: Callable[..., Any]) -> Callable[..., Any]:
    """The `--json` option, as the argument `json_only`."""
    return click.option("--json", "json_only", is_flag=True, help="Print one JSON object.")(function)


def tell(result: Mapping[str, Any], sentence: str, json_only: bool) -> None:
    """Print the outcome in one of the two ways."""
    click.echo(json.dumps(result, default=str) if json_only else sentence)


@contextmanager
def told_plainly(json_only: bool) -> Iterator[None]:
    """An open database; a refusal becomes its sentence and exit code 4."""
    try:
        with database.connection_context():
            if migrations.pending():
                raise Refused("The database is not up to date. Run: flask --app app migrate")
            yield
    except (Invalid, Refused, vault.VaultError) as refusal:
        refuse(str(refusal), json_only)
    except NotFound as missing:
        refuse(f"There is no such {missing}.", json_only)


def typed_password(given: str | None) -> str:
    """The password option, or the first line of standard input: a password on a command line is seen by others."""
    if given:
        return given
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


@click.command("migrate")
@as_json
def migrate(json_only: bool) -> None:
    """Bring the database up to date."""
    with migrations.alone():
        applied = migrations.apply()
    tell({"applied": applied}, "\n".join(f"Applied {name}" for name in applied) or "The database is up to date.", json_only)


@click.command("create-merchant")
@click.argument("name")
@click.option("--time-zone", default="UTC", show_default=True)
@as_json
def create_merchant(name: str, time_zone: str, json_only: bool) -> None:
    """Make a workspace."""
    with told_plainly(json_only):
        merchant = accounts.create_merchant(name, time_zone)
        tell(
            {"merchant": merchant.public_id, "name": merchant.name}, f"Workspace {merchant.name} has the id {merchant.public_id}", json_only
        )


@click.command("create-user")
@click.argument("email")
@click.option("--merchant", "workspace", required=True, help="Name or id of the workspace.")
@click.option("--role", type=click.Choice(list(roles.ROLES)), default="operator", show_default=True)
@click.option("--staff", is_flag=True, help="Sees how the installation stands; for support staff see staff-add.")
@click.option("--password", help="Else it is read from standard input.")
@as_json
def create_user(email: str, workspace: str, role: str, staff: bool, password: str | None, json_only: bool) -> None:
    """Let a person sign in for a workspace."""
    with told_plainly(json_only):
        user = accounts.create_user(accounts.find_merchant(workspace), email, typed_password(password), role, staff)
        tell({"user": user.public_id, "email": user.email, "role": user.role}, f"{user.email} can sign in as {user.role}.", json_only)


@click.command("set-password")
@click.argument("email")
@click.option("--password", help="Else it is read from standard input.")
@click.option("--random", "made_up", is_flag=True, help="Make one up and print it.")
@as_json
def set_password(email: str, password: str | None, made_up: bool, json_only: bool) -> None:
    """Give a person a new password; it signs them out everywhere."""
    with told_plainly(json_only):
        new = passwords.random_password() if made_up else typed_password(password)
        user = accounts.set_password(email, new)
        shown = {"password": new} if made_up else {}
        words = f"{user.email} has a new password{': ' + new if made_up else '.'}"
        tell({"user": user.public_id, "email": user.email, **shown}, words, json_only)


@click.command("end-two-step")
@click.option("--email", required=True, help="Of the person who lost their phone.")
@click.option("--reason", required=True, help="Such as how you made sure that it is them.")
@as_json
def end_two_step(email: str, reason: str, json_only: bool) -> None:
    """Take away every second step of a person who lost them all. They are told by e-mail, and the audit log says so."""
    with told_plainly(json_only):
        user = accounts.find_user(email)
        had = two_step.end_for(user, reason)
        tell({"user": user.public_id, "email": user.email, "had": had}, f"{user.email} signs in by password alone now.", json_only)


@click.command("audit-verify")
@click.option("--merchant", "workspace", help="Name or id of one workspace; else all.")
@as_json
def audit_verify(workspace: str | None, json_only: bool) -> None:
    """Prove that no line of the audit log was changed. Exit code 1 when one was."""
    with told_plainly(json_only):
        chosen = [accounts.find_merchant(workspace)] if workspace else list(Merchant.select().order_by(Merchant.id))
        problems = {merchant.public_id: audit.verify(merchant) for merchant in chosen}
    found = [f"Workspace {name}: {problem}" for name, lines in problems.items() for problem in lines]
    tell(
        {"intact": not found, "problems": problems}, "\n".join(found) or f"The audit log of {len(chosen)} workspaces is intact.", json_only
    )
    sys.exit(1 if found else 0)


@click.command("rotate-keys")
@click.option("--drop-old", is_flag=True, help="Take keys that nothing needs any more out of the file.")
@as_json
def rotate_keys(drop_old: bool, json_only: bool) -> None:
    """Seal all credentials under a new key. Running processes go on."""
    with told_plainly(json_only):
        rewrapped = vault.rotate(vault.current())
        dropped = vault.drop_unused(vault.current()) if drop_old else 0
        notes.write(notes.KEY_ROTATION, rewrapped=rewrapped, dropped=dropped)
    place = config.current().secret_key_file
    words = f"A new key is first in {place}; {rewrapped} workspaces use it. Old keys taken out: {dropped}. Keep a copy of the file."
    tell({"rewrapped": rewrapped, "dropped": dropped}, words, json_only)


@click.command("verify-keys")
@as_json
def verify_keys(json_only: bool) -> None:
    """Open every sealed credential once. Exit code 1 when one does not open."""
    with told_plainly(json_only):
        opened, problems = vault.verify(vault.load(config.current().secret_key_file))
    tell({"opened": opened, "problems": problems}, "\n".join([*problems, f"{opened} credentials open."]), json_only)
    sys.exit(1 if problems else 0)


@click.command("demo-supplier")
@as_json
def demo_supplier(json_only: bool) -> None:
    """Run the demo supplier alone until Ctrl-C; never in production."""
    from portal import demo_supplier as practice

    settings = config.current()
    if settings.production:
        refuse("The demo supplier does not run with PRODUCTION=1.", json_only)
    place = f"SFTP on 127.0.0.1:{settings.demo_sftp_port}, file link on 127.0.0.1:{settings.demo_http_port}"
    tell({"account_file": settings.demo_account_file}, f"{place}; the sign-in is in {settings.demo_account_file}", json_only)
    sys.stdout.flush()
    sys.exit(practice.main(settings))


COMMANDS = [migrate, create_merchant, create_user, set_password, end_two_step, audit_verify, rotate_keys, verify_keys, demo_supplier]


def refuse(sentence: str, json_only: bool) -> None:
    """Say why not in one of the two ways, and end with exit code 4."""
    click.echo(json.dumps({"error": sentence}) if json_only else sentence, err=not json_only)
    sys.exit(REFUSED)
