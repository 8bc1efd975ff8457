"""Run a simulator from the shell: `python -m brokergw.sim alpaca --port 0 --print-url`."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from brokergw.sim.dialects import binance
from brokergw.sim.dialects.alpaca import DEFAULT_KEY, DEFAULT_SECRET, AlpacaOptions, serve_alpaca
from brokergw.sim.dialects.binance import BinanceOptions, serve_binance
from brokergw.sim.dialects.ctrader import DEMO_ACCOUNT, CtraderOptions, serve_ctrader
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT, IbkrOptions, serve_ibkr
from brokergw.sim.dialects.schwab import DEFAULT_NUMBER, DEFAULT_TOKEN, SchwabOptions, serve_schwab
from brokergw.sim.oauth import MANNERS, AuthorizationServer, Client
from brokergw.sim.server import SimServer

Begin: TypeAlias = Callable[[str, int], Awaitable[SimServer]]


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    chosen = _parser().parse_args(arguments)
    try:
        begin = _OPENERS[chosen.dialect](chosen)
    except ValueError as error:
        print(f"brokergw.sim: {error}", file=sys.stderr)  # noqa: T201 - this is a program's voice
        return 2
    return asyncio.run(_serve(chosen.host, chosen.port, begin, print_url=chosen.print_url))


async def _serve(host: str, port: int, begin: Begin, *, print_url: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        server = await begin(host, port)
    except OSError as error:
        print(f"brokergw.sim: cannot listen on {host}:{port}: {error}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    async with server:
        if print_url:
            line = {"url": server.url, "stream_url": server.stream_url, "control_url": f"{server.url}/_sim"}
            print(json.dumps(line), flush=True)  # noqa: T201 - as above
        await stop.wait()
    return 0


def _options(chosen: argparse.Namespace) -> AlpacaOptions:
    keys = dict(_pair(text) for text in chosen.key) or {DEFAULT_KEY: DEFAULT_SECRET}
    return AlpacaOptions(
        keys=keys,
        seed=chosen.seed,
        always_open=not chosen.market_hours,
        rate_limit_per_minute=chosen.rate_limit or None,
        tick_interval_s=chosen.tick_interval or None,
        journal_file=chosen.journal,
    )


def _alpaca(chosen: argparse.Namespace) -> Begin:
    options = _options(chosen)
    return lambda host, port: serve_alpaca(host, port, options)


def _binance(chosen: argparse.Namespace) -> Begin:
    options = BinanceOptions(
        keys=dict(_pair(text) for text in chosen.key) or {binance.DEFAULT_KEY: binance.DEFAULT_SECRET},
        seed=chosen.seed,
        spot_weight=chosen.rate_limit or None,
        futures_weight=chosen.rate_limit or None,
        tick_interval_s=chosen.tick_interval or None,
        journal_file=chosen.journal,
    )
    return lambda host, port: serve_binance(host, port, options)


def _ctrader(chosen: argparse.Namespace) -> Begin:
    if chosen.key or chosen.market_hours or chosen.rate_limit:
        raise ValueError("ctrader takes no --key, no --market-hours and no --rate-limit")
    authorization = _authorization(chosen, str(DEMO_ACCOUNT.ctid), frozenset({"trading"}))
    options = CtraderOptions(
        authorization=authorization,
        seed=chosen.seed,
        tick_interval_s=chosen.tick_interval or None,
        journal_file=chosen.journal,
    )
    return lambda host, port: serve_ctrader(host, port, options)


def _ibkr(chosen: argparse.Namespace) -> Begin:
    if chosen.key or chosen.rate_limit:
        raise ValueError("--key and --rate-limit are not for ibkr: a person logs in, and the broker's pace is fixed")
    options = IbkrOptions(
        account_id=chosen.account,
        seed=chosen.seed,
        always_open=not chosen.market_hours,
        paced=chosen.paced,
        tick_interval_s=chosen.tick_interval or None,
        journal_file=chosen.journal,
    )
    return lambda host, port: serve_ibkr(host, port, options)


def _schwab(chosen: argparse.Namespace) -> Begin:
    pairs = dict(_pair(text) for text in chosen.key) or {DEFAULT_NUMBER: DEFAULT_TOKEN}
    options = SchwabOptions(
        logins={f"login of {number}": (number,) for number in pairs},
        tokens={token: f"login of {number}" for number, token in pairs.items()},
        authorization=_authorization(chosen, f"login of {next(iter(pairs))}"),
        seed=chosen.seed,
        always_open=not chosen.market_hours,
        queries_per_minute=chosen.rate_limit or None,
        orders_per_minute=chosen.rate_limit or None,
        tick_interval_s=chosen.tick_interval or None,
        journal_file=chosen.journal,
    )
    return lambda host, port: serve_schwab(host, port, options)


def _authorization(
    chosen: argparse.Namespace, login: str, scopes: frozenset[str] = frozenset()
) -> AuthorizationServer | None:
    """Make the broker's authorization server for one application, where one is named."""
    if not chosen.oauth_client:
        return None
    client_id, secret, redirect_uri = [*chosen.oauth_client.split(":", 2), "", ""][:3]
    if not client_id or not secret or not redirect_uri:
        raise ValueError("--oauth-client takes ID:SECRET:REDIRECT_URI")
    client = Client(
        client_id=client_id, client_secret=secret, redirect_uris=(redirect_uri,), account=login, scopes=scopes
    )
    manners = MANNERS[chosen.dialect]
    if chosen.token_life:
        manners = replace(manners, access_life_s=chosen.token_life)
    return AuthorizationServer(manners, {client_id: client})


def _pair(text: str) -> tuple[str, str]:
    key, _, secret = text.partition(":")
    if not key or not secret:
        raise ValueError("--key takes KEY_ID:SECRET")
    return key, secret


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="brokergw.sim", description="A broker's wire protocol over a make-believe exchange."
    )
    parser.add_argument("dialect", choices=sorted(_OPENERS))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--print-url", action="store_true", help="print one line of JSON with the URLs when ready")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="KEY_ID:SECRET",
        help="an account (schwab: NUMBER:TOKEN); may be repeated",
    )
    parser.add_argument(
        "--oauth-client",
        default="",
        metavar="ID:SECRET:REDIRECT_URI",
        help="an application that may log in (ctrader, schwab)",
    )
    parser.add_argument(
        "--token-life",
        type=int,
        default=0,
        metavar="SECONDS",
        help="how long its access tokens live; 0 as the broker's",
    )
    parser.add_argument("--account", default=DEFAULT_ACCOUNT, help="the account (ibkr)")
    parser.add_argument("--paced", action="store_true", help="count requests as the broker does (ibkr)")
    parser.add_argument("--seed", type=int, default=20_240_102, help="seed of the price paths")
    parser.add_argument("--market-hours", action="store_true", help="keep New York's hours instead of never closing")
    parser.add_argument(
        "--rate-limit", type=int, default=0, metavar="N", help="requests a minute (Alpaca: 200); 0 is no limit"
    )
    parser.add_argument(
        "--tick-interval", type=float, default=0.1, metavar="SECONDS", help="0 leaves ticking to /_sim/tick"
    )
    parser.add_argument("--journal", type=Path, default=None, help="append the wire journal to this file as JSON Lines")
    return parser


_OPENERS: Final[dict[str, Callable[[argparse.Namespace], Begin]]] = {
    "alpaca": _alpaca,
    "binance": _binance,
    "ctrader": _ctrader,
    "ibkr": _ibkr,
    "schwab": _schwab,
}


if __name__ == "__main__":
    sys.exit(main())
