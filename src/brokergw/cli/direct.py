"""Verbs that work straight in the gateway's database, and how they tell what went wrong."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from brokergw.cli.exits import Exit
from brokergw.cli.screen import Screen
from brokergw.cli.settings import load_settings, plain_failures

if TYPE_CHECKING:
    from brokergw.desk.identity.access import Access

T = TypeVar("T")


def with_access(work: "Callable[[Access], Coroutine[Any, Any, T]]") -> T:
    """Do something with what is given and taken, in the database that the settings name."""
    from brokergw.app.keys import direct_access

    async def run() -> T:
        async with direct_access(load_settings()) as access:
            return await work(access)

    return run_direct(run)


def run_direct(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Make the work and wait for it; a bad value is the caller's fault, and a refusal is told in its own words."""
    from brokergw.model.errors import GatewayError, InvalidRequest

    try:
        with plain_failures():
            return asyncio.run(work())
    except (ValueError, InvalidRequest) as error:
        raise typer.BadParameter(str(error)) from error
    except GatewayError as error:
        Screen(json=False).say(f"{error.message} ({error.reason.value})", "bold red")
        raise typer.Exit(Exit.REFUSED) from None
