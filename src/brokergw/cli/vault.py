"""`brokergw vault`: which keys seal the stored secrets, and putting all of them under the newest."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

import asyncio
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from brokergw.cli.exits import Exit
from brokergw.cli.screen import Screen, table
from brokergw.cli.settings import load_settings, plain_failures

if TYPE_CHECKING:
    from brokergw.app.settings import Settings
    from brokergw.store.vault.rotation import Progress
    from brokergw.store.vault.vault import KeyUse, VaultStatus

app = typer.Typer(
    no_args_is_help=True,
    help="Look after the keys that seal the stored secrets. It works on the database that the settings name.",
)

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The id of the key, from `brokergw vault status`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]

Changed = TypeVar("Changed")

_TOLD_EVERY_S = 1.0


@app.command(epilog="Example: brokergw vault status")
def status(*, as_json: AsJson = False) -> None:
    """Tell what lies under which key, which processes have which, and which key may be removed.

    Status 3 when something lies under a key that is not there: it does not open.
    """
    from brokergw.app.vault import vault_status

    with plain_failures():
        found = asyncio.run(vault_status(load_settings()))
    screen = Screen(json=as_json)
    if as_json:
        for key in found.keys:
            screen.line(_as_dict(key))
    else:
        _show(screen, found)
    if found.lost:
        screen.say(f"values lie under keys that are not there: {', '.join(found.lost)}", "bold red")
        raise typer.Exit(Exit.REFUSED)


@app.command(epilog="Example: brokergw vault rotate")
def rotate(*, as_json: AsJson = False) -> None:
    """Put every stored secret under the first key, beside running processes.

    It may be ended at any time and run again: what is done stays done. Status 3 when a process lacks the key, or a
    secret does not open; docs/vault.md tells the whole way.
    """
    screen = Screen(json=as_json)
    with plain_failures():
        shut = asyncio.run(_rotate(screen))
    if shut:
        raise typer.Exit(Exit.REFUSED)


@app.command("add-key", epilog="Example: brokergw vault add-key")
def add_key() -> None:
    """Make a key in the file of keys, behind the others: it opens, and does not seal yet."""
    from brokergw.app.vault import add_key as add

    key_id = _changed(add)
    Screen(json=False).say(f"{key_id} is there; `brokergw vault use-key {key_id}` makes it the one that seals", "green")


@app.command("use-key", epilog="Example: brokergw vault use-key 9f2c0a7be41d3c55")
def use_key(key: KeyId) -> None:
    """Let a key of the file seal from here on; refused while a living process does not have it."""
    from brokergw.app.vault import use_key as use

    _changed(lambda settings: asyncio.run(use(settings, key)))
    Screen(json=False).say(f"{key} seals; `brokergw vault rotate` puts the rest under it", "green")


@app.command("drop-key", epilog="Example: brokergw vault drop-key 41d09bb82c77e0fa")
def drop_key(key: KeyId) -> None:
    """Take a key out of the file of keys; refused while anything lies under it or a process seals with it."""
    from brokergw.app.vault import drop_key as drop

    _changed(lambda settings: asyncio.run(drop(settings, key)))
    Screen(json=False).say(f"{key} is gone; keep it with the backups of before", "green")


def _changed(change: "Callable[[Settings], Changed]") -> "Changed":
    """Change the file of keys; says in a sentence why not."""
    try:
        with plain_failures():
            return change(load_settings())
    except ValueError as error:
        Screen(json=False).say(str(error), "bold red")
        raise typer.Exit(Exit.REFUSED) from None


async def _rotate(screen: Screen) -> int:
    """Rotate, telling how far it is; gives how many values do not open."""
    from brokergw.app.vault import rotate_vault, vault_status
    from brokergw.model.errors import GatewayError
    from brokergw.store.vault.vault import RotationRefused

    settings, progress, told_at = load_settings(), None, time.monotonic()
    try:
        async for progress in rotate_vault(settings):
            if time.monotonic() - told_at >= _TOLD_EVERY_S:
                told_at = time.monotonic()
                _tell(screen, progress)
    except RotationRefused as refusal:
        screen.say(str(refusal), "bold red")
        raise typer.Exit(Exit.REFUSED) from None
    except GatewayError as failure:
        screen.say(f"{failure.message}; what is done stays done, run it again", "bold red")
        raise typer.Exit(Exit.UNREACHABLE) from None
    assert progress is not None
    _tell(screen, progress)
    for shut in progress.shut.values():
        screen.say(f"left as it is: {shut.place.connection_id} {shut.place.field}: {shut.why}", "red")
    if not screen.json:
        _show(screen, await vault_status(settings))
    return len(progress.shut)


def _tell(screen: Screen, progress: "Progress") -> None:
    if screen.json:
        screen.line({"rewrapped": progress.done, "of": progress.total, "not_opened": len(progress.shut)})
    else:
        screen.say(f"{progress.done} of {progress.total} put under the first key")
    sys.stdout.flush()


def _show(screen: Screen, found: "VaultStatus") -> None:
    made = table("key", "", "values", "in a former format", "sealing processes", "")
    for key in found.keys:
        made.add_row(key.key_id, _role(key), str(key.values), str(key.former), " ".join(key.sealing), _advice(key))
    screen.out.print(made)
    for instance_id in found.unready:
        screen.say(f"{instance_id} does not have the first key, or has not told; rotation waits for it", "yellow")


def _role(key: "KeyUse") -> str:
    if key.primary:
        return "[green]seals[/]"
    return "opens" if key.in_ring else "[bold red]not there[/]"


def _advice(key: "KeyUse") -> str:
    if key.removable:
        return "may be removed; backups of before need it still"
    if key.primary:
        return ""
    if key.sealing:
        return "in use: make the new key the first one in those processes"
    return "needed: run `brokergw vault rotate`" if key.in_ring else "put it back among the keys"


def _as_dict(key: "KeyUse") -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "in_ring": key.in_ring,
        "primary": key.primary,
        "values": key.values,
        "former": key.former,
        "sealing": list(key.sealing),
        "removable": key.removable,
    }
