"""Looking up hosts of which one has no answer."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from brokergw.transport.http import Http, NotSentError, Timeouts
from brokergw.transport.names import Names

ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Make the name server silent about `silent.test`; gives what was asked for, and lets go in the end."""
    over = threading.Event()
    asked: list[str] = []

    def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        if host == "silent.test":
            over.wait(20)
        return [ADDRESS]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield asked
    over.set()


async def test_a_host_without_an_answer_holds_up_nobody_else(silent: list[str]) -> None:
    """However many wait for it, another host is found, and the process's shared threads are free."""
    names = Names()
    waiting = [asyncio.create_task(names.resolve("silent.test", 443)) for _ in range(100)]
    async with asyncio.timeout(10):
        found = await names.resolve("well.test", 443)
        assert await asyncio.to_thread(lambda: "free") == "free"
    assert [each["host"] for each in found] == ["127.0.0.1"]
    assert silent.count("silent.test") == 1
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await names.close()


async def test_requests_to_a_host_without_an_answer_leave_the_shared_threads_free(silent: list[str]) -> None:
    """A request that waits for an address is not sent in the end, and nothing else has waited."""
    http = Http(timeouts=Timeouts(connect=0.1, pool=0.1))
    asking = [asyncio.create_task(http.send("GET", "http://silent.test/", {})) for _ in range(50)]
    async with asyncio.timeout(10):
        while not silent:
            await asyncio.sleep(0.01)
        assert await asyncio.gather(*(asyncio.to_thread(lambda: 1) for _ in range(40))) == [1] * 40
        for each in asking:
            with pytest.raises(NotSentError):
                await each
    http.retain()
    await http.release()


@pytest.mark.parametrize(("hosts", "kept"), [(2, 2), (3, 3), (4, 3)])
@pytest.mark.usefixtures("silent")
async def test_threads_are_kept_for_the_latest_hosts(hosts: int, kept: int) -> None:
    """Whoever names ever more hosts does not get ever more threads."""
    names = Names(hosts_max=3)
    for number in range(hosts):
        await names.resolve(f"well{number}.test")
    assert len(names._threads) == kept
    assert f"well{hosts - 1}.test" in names._threads
    await names.close()
