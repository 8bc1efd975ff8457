"""Serving: start, tell where, wait for a signal, drain, stop."""

import asyncio
import gc
import json
import signal
import sys
from typing import Final

import structlog
from prometheus_client import start_http_server

from brokergw.app.build import Gateway
from brokergw.app.crash import keep_memory_in, know_secrets, tell_crashes, tell_crashes_of
from brokergw.app.logs import configure_logs
from brokergw.app.open_files import make_room_for_files
from brokergw.app.redaction import masked
from brokergw.app.secret_text import SecretUnusable
from brokergw.app.settings import Settings, split_address
from brokergw.model.errors import GatewayError
from brokergw.rpc.tls import StartRefused
from brokergw.store.check import StoreUnreachable
from brokergw.store.database.claim import StoreServed
from brokergw.store.open import StoreOutdated
from brokergw.store.separation.roles import NotSeparated

_CANNOT_START: Final = 1

log = structlog.get_logger(__name__)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; gives the exit code."""
    configure_logs(settings.log_level)
    harden(settings)
    make_room_for_files(settings)
    try:
        asyncio.run(_serve(settings))
    except (
        NotSeparated,
        SecretUnusable,
        StartRefused,
        StoreOutdated,
        StoreServed,
        StoreUnreachable,
        ValueError,
        OSError,
    ) as error:
        # What a person can mend is told in a sentence, not in a traceback.
        print(f"brokergw: {masked(str(error))}", file=sys.stderr)  # noqa: T201 - this is the program's own voice
        return _CANNOT_START
    return 0


def harden(settings: Settings) -> None:
    """Keep what the process handles from being told by its end, by its memory, or by chatty libraries."""
    know_secrets(settings)
    tell_crashes()
    keep_memory_in()


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    tell_crashes_of(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway = Gateway.build(settings)
    port = await gateway.start()
    metrics = _serve_metrics(gateway)
    _calm_collector()
    announce(settings, port, metrics.server_port if metrics is not None else None, gateway.web_port)
    if await _lacks_admin(gateway):
        log.warning("nobody is an administrator yet: run `brokergw keys bootstrap`, which shows its key once")
    await stop.wait()
    log.info("draining", grace_s=settings.drain_grace_s)
    await gateway.drain()
    await gateway.stop()
    if metrics is not None:
        await asyncio.to_thread(metrics.shutdown)
    log.info("stopped")


async def _lacks_admin(gateway: Gateway) -> bool:
    """Tell whether nobody is an administrator; a record that is away just now is no reason to end."""
    try:
        return await gateway.identity.lacks_admin()
    except GatewayError as error:
        log.warning("whether there is an administrator is not known", reason=error.reason.value)
        return False


def _calm_collector() -> None:
    """Let the garbage collector leave alone what lives as long as the process, and look less often at the rest.

    Nearly everything an order makes is freed by reference counts; the pauses showed in the slowest hundredth of calls.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def announce(settings: Settings, port: int, metrics_port: int | None, web_port: int | None = None) -> None:
    """Print one line of JSON that tells whoever started us where we are."""
    host, _ = split_address(settings.listen)
    line = {"event": "serving", "listen": f"{host}:{port}", "port": port, "metrics_port": metrics_port}
    if web_port is not None:
        line["web_port"] = web_port
    print(json.dumps(line), flush=True)  # noqa: T201 - read by whoever started the process


def _serve_metrics(gateway: Gateway):  # type: ignore[no-untyped-def] # noqa: ANN202 - a WSGI server of the library
    if not gateway.settings.metrics_listen:
        return None
    host, port = split_address(gateway.settings.metrics_listen)
    server, _ = start_http_server(port, host, gateway.registry)
    return server
