"""gRPC's asyncio server, but for one thing: no request can end it.

grpcio reads the path of every call as UTF-8 in its one accepting loop, and a path that is none ends the loop, and with
it the server, for everybody, before any credential is asked for (seen with grpcio 1.85.1). Here no path is read at all:
the methods that exist are registered with gRPC's core, which tells their calls apart byte by byte, and whatever else
comes is a call of a method that does not exist, whatever its name is.

This stands on parts of grpcio that are its own, and so is done for the versions that it was tried with; another version
serves as it always did, which is logged.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc
import structlog
from grpc import aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs end before it

NO_METHOD: Final = "/unknown/Unknown"
TRIED_WITH: Final = "1.85."

_log = structlog.get_logger("brokergw.rpc")


class Listener(cygrpc.AioServer):  # type: ignore[misc]  # the stubs do not know it
    """Accepts calls by one task for each method, and one for all that are none."""

    def guard(self, handlers: grpc.GenericRpcHandler, methods: Sequence[str], calls_max: int) -> None:
        """Say what is served, and how many calls at once; before it starts."""
        self._resolver = cygrpc._MethodResolver([handlers], {})  # noqa: SLF001 - see above
        self._calls_max = calls_max
        self._calls: set[asyncio.Task[None]] = set()
        self._accepting: set[asyncio.Task[None]] = set()
        self._never: list[asyncio.Future[Any]] = []
        self.add_registered_method_handlers(dict.fromkeys(methods))

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[Any]":
        """Accept calls of a method, and give the accepting loop what it waits for: only ever an end."""
        loop = asyncio.get_running_loop()
        accepting = loop.create_task(self._accept(method), name="accept calls")
        self._accepting.add(accepting)
        accepting.add_done_callback(self._accepting.discard)
        self._never.append(loop.create_future())
        return self._never[-1]

    async def _accept(self, method: bytes | None) -> None:
        name = NO_METHOD if method is None else method.decode()
        try:
            while self.is_running():
                try:
                    state = await (self._request_call() if method is None else self._request_registered_call(method))
                except cygrpc._RequestCallError:  # noqa: SLF001 - see above
                    if not self.is_running():
                        raise
                    continue
                self._begin(name, state)
        except Exception as error:  # noqa: BLE001 - whatever ends this ends the server, which tells of it
            for future in self._never:
                if not future.done():
                    future.set_exception(error)

    def _begin(self, name: str, state: Any) -> None:
        loop = asyncio.get_running_loop()
        too_many = len(self._calls) >= self._calls_max
        work = cygrpc._handle_rpc(name, self._resolver, (), state, loop, too_many)  # noqa: SLF001 - see above
        call = loop.create_task(cygrpc._schedule_rpc_coro(work, state, loop, name))  # noqa: SLF001 - see above
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)


def listener_of(
    handlers: grpc.GenericRpcHandler, methods: Sequence[str], options: Mapping[str, int], calls_max: int
) -> aio.Server:
    """Make a server for these methods that takes so many calls at once; it is not listening yet."""
    server = aio.server(options=list(options.items()), maximum_concurrent_rpcs=calls_max)
    server.add_generic_rpc_handlers((handlers,))
    if not grpc.__version__.startswith(TRIED_WITH):
        _log.warning("grpcio was not tried: a malformed call may end the listener", version=grpc.__version__)
        return server
    listener = Listener(asyncio.get_running_loop(), None, (), None, tuple(options.items()), None)
    listener.guard(handlers, methods, calls_max)
    server._server = listener  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    return server
