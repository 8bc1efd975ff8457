"""Run a simulator from the shell: `python -m brokergw.sim alpaca --port 0 --print-url`."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from brokergw.sim.dialects import alpaca, binance
from brokergw.sim.server import SimServer

Start: TypeAlias = Callable[[str, int], Awaitable[SimServer]]


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    chosen = _parser().parse_args(arguments)
    try:
        start = _STARTS[chosen.dialect](chosen)
    except ValueError as error:
        print(f"brokergw.sim: {error}", file=sys.stderr)  # noqa: T201 - this is a program's voice
        return 2
    return asyncio.run(_serve(chosen.host, chosen.port, start, print_url=chosen.print_url))


async def _serve(host: str, port: int, start: Start, *, print_url: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        server = await start(host, port)
    except OSError as error:
        print(f"brokergw.sim: cannot listen on {host}:{port}: {error}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    async with server:
        if print_url:
            line = {"url": server.url, "stream_url": server.stream_url, "control_url": f"{server.url}/_sim"}
            print(json.dumps(line), flush=True)  # noqa: T201 - as above
        await stop.wait()
    return 0


def _alpaca(chosen: argparse.Namespace) -> Start:
    options = alpaca.AlpacaOptions(
        keys=dict(_pair(text) for text in chosen.key) or {alpaca.DEFAULT_KEY: alpaca.DEFAULT_SECRET},
        seed=chosen.seed,
        always_open=not chosen.market_hours,
        rate_limit_per_minute=chosen.rate_limit or None,
        tick_interval_s=chosen.tick_interval or None,
        journal_file=chosen.journal,
    )
    return lambda host, port: alpaca.serve_alpaca(host, port, options)


def _binance(chosen: argparse.Namespace) -> Start:
    options = binance.BinanceOptions(
        keys=dict(_pair(text) for text in chosen.key) or {binance.DEFAULT_KEY: binance.DEFAULT_SECRET},
        seed=chosen.seed,
        spot_weight=chosen.rate_limit or None,
        futures_weight=chosen.rate_limit or None,
        tick_interval_s=chosen.tick_interval or None,
        journal_file=chosen.journal,
    )
    return lambda host, port: binance.serve_binance(host, port, options)


_STARTS: Final[dict[str, Callable[[argparse.Namespace], Start]]] = {"alpaca": _alpaca, "binance": _binance}


def _pair(text: str) -> tuple[str, str]:
    key, _, secret = text.partition(":")
    if not key or not secret:
        raise ValueError("--key takes KEY_ID:SECRET")
    return key, secret


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="brokergw.sim", description="A broker's wire protocol over a make-believe exchange."
    )
    parser.add_argument("dialect", choices=sorted(_STARTS))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--print-url", action="store_true", help="print one line of JSON with the URLs when ready")
    parser.add_argument(
        "--key", action="append", default=[], metavar="KEY_ID:SECRET", help="an account; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=20_240_102, help="seed of the price paths")
    parser.add_argument("--market-hours", action="store_true", help="keep New York's hours instead of never closing")
    parser.add_argument(
        "--rate-limit",
        type=int,
        default=0,
        metavar="N",
        help="requests a minute (Alpaca: 200), or their weight (Binance: 6000); 0 is no limit",
    )
    parser.add_argument(
        "--tick-interval", type=float, default=0.1, metavar="SECONDS", help="0 leaves ticking to /_sim/tick"
    )
    parser.add_argument("--journal", type=Path, default=None, help="append the wire journal to this file as JSON Lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
