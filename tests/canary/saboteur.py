"""A gateway in which one place at a time fails, with every secret of the run in the failure's text and variables.

`python -m tests.canary.saboteur` serves as `brokergw serve` does. The file that CANARY_FILE names says which place is
broken, and what is shouted there; with CANARY_BARE=1 the last defence of the logs is taken away.
"""

import asyncio
import functools
import gc
import importlib
import inspect
import json
import logging
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

POINTS: Final = {
    "gates": "brokergw.desk.desk:Desk.clear",
    "desk": "brokergw.desk.desk:Desk.submit",
    "store batch": "brokergw.store.writing.group:GroupCommitter.commit",
    "store commit": "brokergw.store.writing.writer:Writer.commit",
    "adapter command": "brokergw.adapters.alpaca.adapter:AlpacaConnection.submit_order",
    "decode": "brokergw.rpc.interceptors.decode:Decode._message",
    "identity": "brokergw.desk.identity.caller:CallerIdentity.authenticate",
    "token": "brokergw.desk.identity.tokens:Tokens.authenticate",
    "audit": "brokergw.rpc.interceptors.audit:Audit._write",
    "context": "brokergw.rpc.interceptors.context:Context._read",
    "callbacks": "brokergw.rpc.services.orders:OrderService.get_order",
    "vault": "brokergw.store.vault.seal:Seal.open",
    "mfa": "brokergw.desk.live.mfa:Mfa._read",
    "store read": "brokergw.store.database.reader:Reader.query",
    "adapter": "brokergw.adapters.alpaca.adapter:AlpacaConnection.get_account",
    "transport": "brokergw.transport.http:Http._attempt",
    "process": "brokergw.app.build:Gateway.drain",
}
"""In the order in which they are broken: what spoils an account for orders comes after what an order must reach."""


class _Forced(Exception):
    """What fails, shouting."""


def _plan() -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(Path(os.environ["CANARY_FILE"]).read_text())
    return plan


def _fail(point: str, *seen: Any) -> None:
    plan = _plan()
    if plan["point"] != point:
        return
    shouted = plan["shouted"]
    if point == "callbacks":
        _fail_around(shouted)
        return
    raise _Forced(f"forced at {point}: {shouted} {json.dumps(shouted)} {seen!r}") from ValueError(*shouted)


def _fail_around(shouted: list[str]) -> None:
    """Fail where nobody is there to catch it."""

    def fail() -> None:
        raise _Forced(f"forced around a call: {shouted}")

    class Falling:
        def __del__(self) -> None:
            fail()

        def __repr__(self) -> str:
            return str(shouted)

    async def forgotten() -> None:
        fail()

    loop = asyncio.get_running_loop()
    loop.call_soon(lambda *_: fail(), *shouted)
    loop.call_exception_handler({"message": "something", "handle": shouted, "exception": ValueError(*shouted)})
    task = loop.create_task(forgotten())
    del task
    loop.call_later(0.05, gc.collect)
    thread = threading.Thread(target=fail, name="falling")
    thread.start()
    thread.join()
    falling = Falling()
    del falling
    logging.getLogger("theirs").error("%d of %s", *shouted[:2])
    logging.getLogger("theirs").error("headers %s", {"Authorization": shouted[0], "x": shouted[1:]})
    logging.getLogger("httpx").debug("%s", shouted)
    logging.getLogger("sqlalchemy.engine").debug("%s", shouted)
    warnings.warn(str(shouted), stacklevel=1)


def _broken(original: Callable[..., Any], point: str) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            _fail(point, args, kwargs)
            return await original(*args, **kwargs)

        return awaited

    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        _fail(point, args, kwargs)
        return original(*args, **kwargs)

    return called


def _break(point: str, where: str) -> None:
    module, _, path = where.partition(":")
    kind, _, name = path.partition(".")
    owner = getattr(importlib.import_module(module), kind)
    setattr(owner, name, _broken(getattr(owner, name), point))


def _undefend() -> None:
    run, logs = (importlib.import_module(f"brokergw.app.{name}").__dict__ for name in ("run", "logs"))
    run["masked"] = lambda text: text
    logs["redact"] = lambda _logger, _method, event: event


def main() -> None:
    """Break what is to be broken, and serve."""
    from brokergw.app.settings import Settings

    if os.environ.get("CANARY_BARE"):
        _undefend()
    for point, where in POINTS.items():
        _break(point, where)
    from brokergw.app.run import serve

    raise SystemExit(serve(Settings()))


if __name__ == "__main__":
    main()
