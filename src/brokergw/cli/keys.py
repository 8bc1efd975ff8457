"""`brokergw keys`: make, list and revoke the API keys of this gateway, straight in its database."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.panel import Panel

from brokergw.cli.exits import Exit
from brokergw.cli.screen import Screen, table
from brokergw.cli.settings import load_settings, plain_failures

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke the API keys of this gateway. They work on the database that the settings name.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


@app.command(
    epilog="Example: brokergw keys create --user alice --name laptop --scope orders.read --scope accounts.read"
)
def create(
    *,
    user: Annotated[str, typer.Option(help="Whose key it is. A new user starts with an account at the mock broker.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "default",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may call; may be given again. All but operations.* and admin.* when left out."),
    ] = None,
    expires_in_days: Annotated[int | None, typer.Option(min=1, help="When it ends; never when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: only a hash of it is kept.

    Scopes: orders.read, orders.write, accounts.read, connections.read, connections.write, market_data.read, risk.read,
    risk.write, operations.read, operations.write, admin.read, admin.write. The last four reach beyond the user's own.
    """
    from brokergw.app.keys import create_key

    made, secret = _run(create_key(load_settings(), user, name, scope or (), expires_in_days))
    screen = Screen(json=as_json)
    if as_json:
        screen.line({**_as_dict(made), "api_key": secret})
        return
    screen.out.print(Panel(secret, title=f"API key of {user}", subtitle="it is not shown again", expand=False))
    screen.say("export BROKERGW_API_KEY=… makes every verb use it", "dim")


@app.command("list", epilog="Example: brokergw keys list --user alice")
def list_keys(
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the keys, newest first; never the keys themselves."""
    from brokergw.app.keys import list_keys as find

    found = _run(find(load_settings(), user))
    screen = Screen(json=as_json)
    if as_json:
        for key in found:
            screen.line(_as_dict(key))
        return
    made = table("key", "user", "name", "scopes", "created", "expires", "revoked", "last used")
    for key in found:
        times = (key.create_time_ns, key.expire_time_ns, key.revoke_time_ns, key.last_used_time_ns)
        scopes = ", ".join(sorted(str(each) for each in key.scopes))
        made.add_row(key.key_id, key.user_id, key.name, scopes, *(_moment(each) for each in times))
    screen.out.print(made)


@app.command(epilog="Example: brokergw keys revoke key_1")
def revoke(key: Annotated[str, typer.Argument(help="The id of the key, from `brokergw keys list`.")]) -> None:
    """Revoke a key; the calls that it makes from now on are refused. Status 3 when there is none."""
    from brokergw.app.keys import revoke_key

    screen = Screen(json=False)
    if not _run(revoke_key(load_settings(), key)):
        screen.say(f"there is no key {key}", "bold red")
        raise typer.Exit(Exit.REFUSED)
    screen.say(f"{key} is revoked", "green")


def _run(work: Any) -> Any:
    """Wait for the work; what it says of a bad value is the caller's fault."""
    try:
        with plain_failures():
            return asyncio.run(work)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _as_dict(key: Any) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "user_id": key.user_id,
        "name": key.name,
        "scopes": sorted(str(each) for each in key.scopes),
        "create_time": _moment(key.create_time_ns),
        "expire_time": _moment(key.expire_time_ns),
        "revoke_time": _moment(key.revoke_time_ns),
        "last_used_time": _moment(key.last_used_time_ns),
    }


def _moment(time_ns: int | None) -> str:
    return "" if time_ns is None else datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()
