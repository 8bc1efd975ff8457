"""`brokergw serve`, `demo`, `sim`, `db` and `doctor`: run the gateway and look after it."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from brokergw.cli.exits import Exit
from brokergw.cli.screen import Screen, table
from brokergw.cli.settings import load_settings, plain_failures

sim = typer.Typer(no_args_is_help=True, help="Run a simulator that speaks a broker's own wire protocol.")
db = typer.Typer(no_args_is_help=True, help="Look after the database.")

DatabaseUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The database; BROKERGW_DATABASE_URL when left out.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Hang the verbs on the command line."""
    app.command(epilog="Example: brokergw serve --listen 127.0.0.1:50051")(serve)
    app.command(epilog="Example: brokergw demo")(demo)
    app.command(epilog="Example: brokergw doctor")(doctor)
    app.add_typer(sim, name="sim")
    app.add_typer(db, name="db")


def serve(
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to serve gRPC.", show_default=False)
    ] = None,
    database_url: DatabaseUrl = None,
    metrics_listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to serve Prometheus metrics.", show_default=False)
    ] = None,
) -> None:
    """Serve the gateway until it is told to stop.

    Every setting comes from the environment (BROKERGW_…, see docs/settings.md); the options here go before it. On
    SIGTERM or Ctrl-C it drains: health turns NOT_SERVING, calls in flight end, streams are told where to resume.
    """
    settings = load_settings(listen=listen, database_url=database_url, metrics_listen=metrics_listen)
    from brokergw.app.crash import forget_telltales
    from brokergw.app.tls_version import choose_tls_version

    # Before gRPC reads it: its traces show the headers of every call.
    forget_telltales()
    choose_tls_version(settings)
    from brokergw.app.run import serve as run

    raise typer.Exit(run(settings))


def demo(broker: Annotated[str, typer.Option(help="The broker behind the gateway.")] = "alpaca") -> None:
    """Show the whole main job on this machine: simulator, gateway, orders, fills, replays, a refusal, a clean end."""
    from brokergw.app.demo import main
    from brokergw.app.demos import DEMOS

    if broker not in DEMOS:
        raise typer.BadParameter(f"is one of {', '.join(sorted(DEMOS))}", param_hint="--broker")
    raise typer.Exit(main(DEMOS[broker]))


@sim.command(epilog="Example: brokergw sim alpaca --port 8000 --key PK1:secret --seed 7 --rate-limit 200")
def alpaca(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    key: Annotated[
        str | None, typer.Option(metavar="KEY_ID:SECRET", help="Its account; a fixed one when left out.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Brings the same prices back.")] = None,
    market_hours: Annotated[bool, typer.Option("--market-hours", help="Keep New York's hours.")] = False,
    rate_limit: Annotated[int | None, typer.Option(min=0, help="Requests a minute; Alpaca allows 200.")] = None,
    tick_interval: Annotated[float | None, typer.Option(min=0, help="Seconds between price ticks.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Append what arrives on the wire to this file.")] = None,
) -> None:
    """Speak Alpaca's trading protocol: REST and the trade_updates stream, over a small exchange of its own.

    alpaca-py and the gateway work against it, unchanged but for the base URL. Prints one line of JSON with its URLs.
    """
    from brokergw.app.simulators import run

    given = {"key": key, "seed": seed, "rate-limit": rate_limit, "tick-interval": tick_interval, "journal": journal}
    options: dict[str, str | bool] = {name: str(value) for name, value in given.items() if value is not None}
    raise typer.Exit(run("alpaca", host, port, {**options, "market-hours": market_hours}))


@sim.command(epilog="Example: brokergw sim binance --port 8001 --key mykey:secret --rate-limit 6000")
def binance(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    key: Annotated[
        str | None, typer.Option(metavar="KEY:SECRET", help="Its accounts; fixed ones when left out.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Brings the same prices back.")] = None,
    rate_limit: Annotated[int | None, typer.Option(min=0, help="Request weight a minute; Binance allows 6000.")] = None,
    tick_interval: Annotated[float | None, typer.Option(min=0, help="Seconds between price ticks.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Append what arrives on the wire to this file.")] = None,
) -> None:
    """Speak Binance's protocols: spot and USDⓈ-M futures, REST and user data, over a small exchange of its own.

    Binance's SDKs, python-binance and the gateway work against it, unchanged but for their addresses. Prints one line
    of JSON with its URLs.
    """
    from brokergw.app.simulators import run

    given = {"key": key, "seed": seed, "rate-limit": rate_limit, "tick-interval": tick_interval, "journal": journal}
    raise typer.Exit(
        run("binance", host, port, {name: str(value) for name, value in given.items() if value is not None})
    )


@sim.command(epilog="Example: brokergw sim ctrader --port 8000 --seed 7")
def ctrader(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    seed: Annotated[int | None, typer.Option(help="Brings the same prices back.")] = None,
    tick_interval: Annotated[float | None, typer.Option(min=0, help="Seconds between price ticks.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Append what arrives on the wire to this file.")] = None,
) -> None:
    """Speak cTrader's Open API: JSON over a websocket, for one demo account of a fixed application and token.

    Prints one line of JSON with its URLs.
    """
    from brokergw.app.simulators import run

    given = {"seed": seed, "tick-interval": tick_interval, "journal": journal}
    raise typer.Exit(run("ctrader", host, port, {name: str(v) for name, v in given.items() if v is not None}))


@sim.command(epilog="Example: brokergw sim ibkr --port 5000 --account DU1234567 --paced")
def ibkr(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 5000,
    account: Annotated[str | None, typer.Option(help="Its account; a fixed one when left out.")] = None,
    seed: Annotated[int | None, typer.Option(help="Brings the same prices back.")] = None,
    market_hours: Annotated[bool, typer.Option("--market-hours", help="Keep New York's hours.")] = False,
    paced: Annotated[bool, typer.Option("--paced", help="Count requests as the broker does.")] = False,
    tick_interval: Annotated[float | None, typer.Option(min=0, help="Seconds between price ticks.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Append what arrives on the wire to this file.")] = None,
) -> None:
    """Speak the protocol of Interactive Brokers' Client Portal gateway, with a person logged in.

    ibind and the gateway work against it, unchanged but for the address. POST /sso/Login is that person, logging in
    anew. Prints one line of JSON with its URLs.
    """
    from brokergw.app.simulators import run

    given = {"account": account, "seed": seed, "tick-interval": tick_interval, "journal": journal}
    options: dict[str, str | bool] = {name: str(value) for name, value in given.items() if value is not None}
    raise typer.Exit(run("ibkr", host, port, {**options, "market-hours": market_hours, "paced": paced}))


@sim.command(epilog="Example: brokergw sim schwab --port 8000 --key 12345678:I0.token")
def schwab(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    key: Annotated[
        str | None, typer.Option(metavar="NUMBER:TOKEN", help="Its account; a fixed one when left out.")
    ] = None,
    oauth_client: Annotated[
        str | None, typer.Option(metavar="ID:SECRET:REDIRECT_URI", help="An application that may log in.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Brings the same prices back.")] = None,
    market_hours: Annotated[bool, typer.Option("--market-hours", help="Keep New York's hours.")] = False,
    rate_limit: Annotated[int | None, typer.Option(min=0, help="Requests a minute; Schwab allows 120.")] = None,
    tick_interval: Annotated[float | None, typer.Option(min=0, help="Seconds between price ticks.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Append what arrives on the wire to this file.")] = None,
) -> None:
    """Speak Schwab's trader API, market data and streamer over a small exchange, with its authorization server.

    schwab-py, schwabdev and the gateway work against it. Prints one line of JSON with its URLs.
    """
    from brokergw.app.simulators import run

    given = {
        "key": key,
        "oauth-client": oauth_client,
        "seed": seed,
        "rate-limit": rate_limit,
        "tick-interval": tick_interval,
        "journal": journal,
    }
    options: dict[str, str | bool] = {name: str(value) for name, value in given.items() if value is not None}
    raise typer.Exit(run("schwab", host, port, {**options, "market-hours": market_hours}))


@db.command(epilog="Example: brokergw db upgrade --database-url postgresql://brokergw@db/brokergw")
def upgrade(database_url: DatabaseUrl = None) -> None:
    """Bring the database to the newest schema."""
    from brokergw.app.database import upgrade as run

    with plain_failures():
        before, after = run(load_settings(database_url=database_url))
    told = f"the schema is at {after} already" if before == after else f"upgraded from {before or 'nothing'} to {after}"
    Screen(json=False).say(told, "green")


@db.command(epilog="Example: brokergw db restored")
def restored(database_url: DatabaseUrl = None) -> None:
    """Say that the database was restored from a backup, before the gateway serves again.

    Streams that were resumed from a cursor of the time before would miss, without a word, what the record does not know
    any more. From here on such cursors are refused, and clients start from a snapshot.
    """
    from brokergw.app.restoring import begin_new_life

    with plain_failures():
        epoch = asyncio.run(begin_new_life(load_settings(database_url=database_url)))
    Screen(json=False).say(f"the record begins another life: {epoch}", "green")


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """Check settings, database, keys, TLS and the reach of the brokers, and say what to do.

    Status 1 when something is wrong.
    """
    from brokergw.app.doctor import examine

    findings = asyncio.run(examine(load_settings()))
    screen = Screen(json=as_json)
    if as_json:
        for found in findings:
            screen.line({"area": found.area, "ok": found.ok, "what": found.what, "advice": found.advice})
    else:
        signs = {True: "[green]well[/]", False: "[bold red]wrong[/]", None: "[yellow]not checked[/]"}
        made = table("area", "", "what", "advice")
        for found in findings:
            made.add_row(found.area, signs[found.ok], found.what, found.advice)
        screen.out.print(made)
    if any(found.ok is False for found in findings):
        raise typer.Exit(Exit.BUG)
