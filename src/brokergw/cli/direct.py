"""Verbs that work straight in the gateway's database, and how they tell what went wrong."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import typer

from brokergw.cli.exits import Exit
from brokergw.cli.screen import Screen
from brokergw.cli.settings import plain_failures

T = TypeVar("T")


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
