"""A verb's way to the gateway: its options, one client, and an exit status for every ending."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from brokergw.cli.exits import Exit, exit_of_failure
from brokergw.cli.screen import Screen
from brokergw.client import BadArgument, Client, GatewayCallError, TlsOptions, new_idempotency_key

P = ParamSpec("P")

DEFAULT_TARGET: Final = "127.0.0.1:50051"
_PANEL: Final = "Gateway"
_REACH_S: Final = 3.0


@dataclass(slots=True)
class Session:
    """One verb's client and screen. `key` is the idempotency key of a mutation that has begun."""

    client: Client
    screen: Screen
    key: str = ""
    interrupt: Exit = Exit.INTERRUPTED

    def begin(self, key: str | None) -> str:
        """Take or make the key of a mutation; from here on an interruption leaves the outcome unknown."""
        self.key = key or new_idempotency_key()
        self.interrupt = Exit.UNKNOWN
        return self.key


def link_options(
    *,
    target: Annotated[
        str,
        typer.Option(envvar="BROKERGW_TARGET", help="Host and port of the gateway.", rich_help_panel=_PANEL),
    ] = DEFAULT_TARGET,
    api_key: Annotated[
        str,
        typer.Option(
            envvar="BROKERGW_API_KEY",
            show_default=False,
            show_envvar=True,
            help="Your API key, from `brokergw keys create`. The environment is the better place for it.",
            rich_help_panel=_PANEL,
        ),
    ] = "",
    tls: Annotated[bool, typer.Option("--tls", envvar="BROKERGW_TLS", help="Use TLS.", rich_help_panel=_PANEL)] = False,
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            envvar="BROKERGW_TLS_CA",
            help="PEM file of who vouches for the gateway; implies --tls.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    plaintext: Annotated[
        bool,
        typer.Option("--plaintext", help="Send the key readable, even to another machine.", rich_help_panel=_PANEL),
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds that a call may take in all.", rich_help_panel=_PANEL)
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one object a line.", rich_help_panel=_PANEL)
    ] = False,
) -> Session:
    """Open a session from the options that every verb of the gateway's has."""
    if not api_key:
        raise typer.BadParameter("no API key: set BROKERGW_API_KEY or pass --api-key (make one: brokergw keys create)")
    try:
        trust = TlsOptions.from_files(ca=tls_ca) if tls or tls_ca else None
    except OSError as error:
        raise typer.BadParameter(f"{tls_ca}: {error.strerror}", param_hint="--tls-ca") from error
    try:
        client = Client(target, api_key, tls=trust, allow_plaintext=plaintext, timeout_s=timeout)
    except BadArgument as error:
        raise typer.BadParameter(f"{error}: use --tls, or --plaintext where the way is safe") from error
    return Session(client, Screen(json=as_json))


def gateway_verb(verb: Callable[Concatenate[Session, P], Awaitable[Exit | None]]) -> Callable[..., None]:
    """Make a typer command of an asynchronous verb: adds the options of the gateway and maps its ending to a status."""
    own = list(inspect.signature(verb, eval_str=True).parameters.values())[1:]
    links = list(inspect.signature(link_options, eval_str=True).parameters.values())
    shown = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *links)]

    begin: Callable[..., Awaitable[Exit | None]] = verb

    @functools.wraps(verb)
    def command(**given: Any) -> None:
        link = {each.name: given.pop(each.name) for each in links}
        raise typer.Exit(_finish(functools.partial(begin, **given), link))

    command.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in shown}
    return command


def _finish(verb: Callable[[Session], Awaitable[Exit | None]], link: dict[str, Any]) -> Exit:
    opened: list[Session] = []
    try:
        return asyncio.run(_run(verb, link, opened))
    except BadArgument as error:
        raise typer.BadParameter(str(error)) from error
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(opened)


async def _run(verb: Callable[[Session], Awaitable[Exit | None]], link: dict[str, Any], opened: list[Session]) -> Exit:
    session = link_options(**link)
    opened.append(session)
    async with session.client as client:
        try:
            await client.connect(min(_REACH_S, link["timeout"]))
            return await verb(session) or Exit.OK
        except GatewayCallError as failure:
            session.screen.failed(failure)
            return exit_of_failure(failure)


def _interrupted(opened: list[Session]) -> Exit:
    for session in opened:
        if session.key:
            session.screen.say(
                f"Interrupted. To find out what became of it, repeat with --idempotency-key {session.key}.", "yellow"
            )
    return opened[0].interrupt if opened else Exit.INTERRUPTED
