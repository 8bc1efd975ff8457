"""`brokergw roles`: who is more than a user, straight in the gateway's database."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

from typing import Annotated

import typer

from brokergw.cli.direct import with_access
from brokergw.cli.screen import Screen, table

app = typer.Typer(
    no_args_is_help=True,
    help="Grant, revoke and list roles: OPERATOR, RISK_OFFICER, ADMIN (docs/identity.md). They work on the database "
    "that the settings name.",
)

User = Annotated[str, typer.Argument(help="The user's id.")]
RoleName = Annotated[str, typer.Argument(help="OPERATOR, RISK_OFFICER or ADMIN.")]


@app.command(epilog="Example: brokergw roles grant olga OPERATOR")
def grant(user: User, role: RoleName) -> None:
    """Give a user a role. It acts within a second; its keys still need the scopes."""
    from brokergw.app.keys import COMMAND_LINE
    from brokergw.model.principal import Role

    with_access(lambda access: access.roles.grant(COMMAND_LINE, user, Role(role.upper())))
    Screen(json=False).say(f"{user} is {role.upper()}", "green")


@app.command(epilog="Example: brokergw roles revoke olga OPERATOR")
def revoke(user: User, role: RoleName) -> None:
    """Take a role away, within a second and from open streams too. Status 3 for the last administrator's."""
    from brokergw.app.keys import COMMAND_LINE
    from brokergw.model.principal import Role

    with_access(lambda access: access.roles.revoke(COMMAND_LINE, user, Role(role.upper())))
    Screen(json=False).say(f"{user} is not {role.upper()} any more", "green")


@app.command("list", epilog="Example: brokergw roles list")
def list_roles(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False
) -> None:
    """List who is more than a user."""
    found = with_access(lambda access: access.roles.list())
    screen = Screen(json=as_json)
    if as_json:
        for user, roles in found.items():
            screen.line({"user_id": user, "roles": sorted(roles)})
        return
    made = table("user", "roles")
    for user, roles in found.items():
        made.add_row(user, ", ".join(sorted(roles)))
    screen.out.print(made)
