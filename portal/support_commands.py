"""`flask --app app` verbs for the operator about support staff: they belong to no workspace and sign in at /staff/sign-in."""

from __future__ import annotations

import click

from portal import passwords
from portal.commands import as_json, tell, told_plainly, typed_password
from portal.support import staff


@click.command("staff-add")
@click.argument("email")
@click.option("--password", help="Else it is read from standard input.")
@click.option("--random", "made_up", is_flag=True, help="Make one up and print it.")
@click.option("--again", is_flag=True, help="For somebody who is there: another password and app, and access again.")
@as_json
def staff_add(email: str, password: str | None, made_up: bool, again: bool, json_only: bool) -> None:
    """Let a person support all workspaces. Prints, once, what their app of codes reads: without it nobody signs in."""
    with told_plainly(json_only):
        new = passwords.random_password() if made_up else typed_password(password)
        person, address = staff.add(email, new, again)
        shown = {"password": new} if made_up else {}
        words = (
            f"{person.email} signs in at /staff/sign-in{', with the password ' + new if made_up else ''}.\nFor the app of codes: {address}"
        )
        tell({"staff": person.public_id, "email": person.email, "app": address, **shown}, words, json_only)


@click.command("staff-end")
@click.argument("email")
@as_json
def staff_end(email: str, json_only: bool) -> None:
    """End a support person's access at once."""
    with told_plainly(json_only):
        person = staff.end(email)
        tell({"staff": person.public_id, "email": person.email}, f"{person.email} is signed out and no longer signs in.", json_only)


COMMANDS = [staff_add, staff_end]
