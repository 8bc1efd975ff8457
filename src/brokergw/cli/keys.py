"""`brokergw keys`: make, list, rotate and revoke the API keys of this gateway, straight in its database."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

from typing import Annotated, Any

import typer
from rich.panel import Panel

from brokergw.cli.direct import run_direct, with_access
from brokergw.cli.exits import Exit
from brokergw.cli.screen import Screen, table
from brokergw.cli.settings import load_settings
from brokergw.cli.values import moment

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list, rotate and revoke the API keys of this gateway. They work on the database that the settings "
    "name.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
KeyId = Annotated[str, typer.Argument(help="The id of the key, from `brokergw keys list`.")]


@app.command(
    epilog="Example: brokergw keys create --user alice --name laptop --scope orders.read --scope accounts.read"
)
def create(
    *,
    user: Annotated[str, typer.Option(help="Whose key it is. A new user starts with an account at the mock broker.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "default",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may call; may be given again. A user's own, but for keys.write, when left out."),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(help="Makes the user an OPERATOR, RISK_OFFICER or ADMIN too; may be given again."),
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="Only this account of the user's; may be given again.")
    ] = None,
    mode: Annotated[str, typer.Option(help="Only accounts up to `mock` or `paper`; up to live when left out.")] = "",
    address: Annotated[
        list[str] | None, typer.Option(help="Only from this address or CIDR block; may be given again.")
    ] = None,
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, help="When it ends; after BROKERGW_API_KEY_DAYS_MAX days when left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: only a hash of it is kept.

    Scopes: orders.read, orders.write, accounts.read, connections.read, connections.write, market_data.read, risk.read,
    risk.write, audit.read, keys.read, keys.write, operations.read, operations.write, admin.read, admin.write. The last
    four reach beyond the user's own, and take a role. A key with orders.write cannot have keys.write.
    """
    from brokergw.app.keys import create_key, request_of
    from brokergw.model.principal import Role

    def work() -> Any:
        asked = request_of(
            name, scope or (), expires_in_days, accounts=account or (), mode=mode, addresses=address or ()
        )
        return create_key(load_settings(), user, asked, [Role(each.upper()) for each in role or ()])

    made, secret = run_direct(work)
    _show_once(made, secret, f"API key of {user}", as_json=as_json)


@app.command(epilog="Example: brokergw keys bootstrap --user root")
def bootstrap(
    *,
    user: Annotated[str, typer.Option(help="Who becomes the first administrator.")] = "admin",
    as_json: AsJson = False,
) -> None:
    """Make the first administrator's key and print it, once. Status 3 where there is an administrator already."""
    from brokergw.app.keys import bootstrap as make

    made = run_direct(lambda: make(load_settings(), user))
    if made is None:
        Screen(json=False).say("there is an administrator already; `brokergw roles list` names it", "bold red")
        raise typer.Exit(Exit.REFUSED)
    _show_once(*made, f"API key of the administrator {user}", as_json=as_json)


@app.command("list", epilog="Example: brokergw keys list --user alice")
def list_keys(
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the keys, newest first; never the keys themselves."""
    found = with_access(lambda access: access.keys.list(user))
    screen = Screen(json=as_json)
    if as_json:
        for key in found:
            screen.line(_as_dict(key))
        return
    made = table("key", "user", "name", "scopes", "only", "created", "expires", "revoked", "last used")
    for key in found:
        scopes = ", ".join(sorted(str(each) for each in key.scopes))
        used = " from ".join(filter(None, (moment(key.last_used_time_ns), key.last_used_address)))
        times = (moment(each) for each in (key.create_time_ns, key.expire_time_ns, key.revoke_time_ns))
        made.add_row(key.key_id, key.user_id, key.name, scopes, _restrictions(key), *times, used)
    screen.out.print(made)


@app.command(epilog="Example: brokergw keys rotate key_1 --overlap-minutes 60")
def rotate(
    key: KeyId,
    *,
    overlap_minutes: Annotated[
        int, typer.Option(min=0, max=7 * 24 * 60, help="How long the secret of before goes on working.")
    ] = 60,
    as_json: AsJson = False,
) -> None:
    """Give a key another secret and print it, once; its id, its rights and its end stay. Status 3 when it cannot."""
    from brokergw.app.keys import COMMAND_LINE

    made, secret = with_access(lambda access: access.keys.rotate(COMMAND_LINE, key, overlap_minutes * 60.0, None))
    _show_once(made, secret, f"API key of {made.user_id}", as_json=as_json)


@app.command(epilog="Example: brokergw keys revoke key_1")
def revoke(key: KeyId) -> None:
    """Revoke a key; within a second its calls are refused and its streams ended. Status 3 when there is none."""
    from brokergw.app.keys import COMMAND_LINE

    with_access(lambda access: access.keys.revoke(COMMAND_LINE, key, None))
    Screen(json=False).say(f"{key} is revoked", "green")


def _show_once(made: Any, secret: str, title: str, *, as_json: bool) -> None:
    screen = Screen(json=as_json)
    if as_json:
        screen.line({**_as_dict(made), "api_key": secret})
        return
    screen.out.print(Panel(secret, title=title, subtitle="it is not shown again", expand=False))
    screen.say("export BROKERGW_API_KEY=… makes every verb use it", "dim")


def _restrictions(key: Any) -> str:
    accounts = () if key.accounts is None else sorted(key.accounts) or ("no account",)
    mode = () if key.mode_max.value == "LIVE" else (f"up to {key.mode_max.value}",)
    return ", ".join((*accounts, *mode, *key.addresses))


def _as_dict(key: Any) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "user_id": key.user_id,
        "name": key.name,
        "scopes": sorted(str(each) for each in key.scopes),
        "accounts": None if key.accounts is None else sorted(key.accounts),
        "mode_max": key.mode_max.value,
        "addresses": list(key.addresses),
        "create_time": moment(key.create_time_ns),
        "expire_time": moment(key.expire_time_ns),
        "revoke_time": moment(key.revoke_time_ns),
        "last_used_time": moment(key.last_used_time_ns),
        "last_used_address": key.last_used_address,
        "old_secret_until": moment(key.old_secret_until_ns),
    }
