"""Looking up the addresses of hosts, each in a thread of its own.

The system's look-up blocks its thread, for half a minute where a name server is silent. In the event loop's shared
threads one host without an answer would soon hold them all, and the looking up of every other host with them, and
whatever else of the process goes aside there.
"""

import asyncio
import socket
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

_HOSTS_MAX: Final = 64


class Names(AbstractResolver):
    """A resolver with one thread for each host, of so many hosts that were asked for last."""

    def __init__(self, hosts_max: int = _HOSTS_MAX) -> None:
        self._hosts_max = hosts_max
        self._threads: OrderedDict[str, ThreadPoolExecutor] = OrderedDict()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the addresses of a host; raises OSError."""
        ask = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._thread_for(host), ask)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Let go of the threads; one that hangs ends with its look-up."""
        while self._threads:
            self._forget_oldest()

    def _thread_for(self, host: str) -> ThreadPoolExecutor:
        thread = self._threads.get(host)
        if thread is None:
            if len(self._threads) >= self._hosts_max:
                self._forget_oldest()
            thread = self._threads[host] = ThreadPoolExecutor(1, thread_name_prefix="names")
        self._threads.move_to_end(host)
        return thread

    def _forget_oldest(self) -> None:
        _, thread = self._threads.popitem(last=False)
        thread.shutdown(wait=False)


NAMES: Final = Names()
"""The one of this process."""
