"""A storm of orders over all replicas, in a process of its own: `python -m tests.killing.storm`, told by one JSON line.

It ends with its standard input, and then says what its orders came to.
"""

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from typing import Any, Final

import grpc
from brokerapi.v1 import orders_pb2, trading_pb2

from tests.fixtures.bare_client import BareClient, error_info, market_buy

SYMBOLS: Final = ("AAPL", "MSFT", "SPY")


class Storm:
    """So many orders a second, evenly, whatever becomes of each."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._account = told["account"]
        self._rate = told["rate"]
        self._prices = told["prices"]
        self._dice = random.Random(told["seed"])
        self._clients = [BareClient(target, told["api_key"]) for target in told["targets"]]
        self._calls: set[asyncio.Task[None]] = set()
        self.endings: Counter[str] = Counter()

    async def run(self) -> None:
        """Send until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += 1 / self._rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            call = asyncio.create_task(self._call())
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def close(self) -> None:
        """Wait for what is on its way, a while."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=15)
        for client in self._clients:
            await client.channel.close()

    async def _call(self) -> None:
        try:
            answer = await self._dice.choice(self._clients).submit(self._order(), timeout_s=10)
            self.endings[orders_pb2.OrderState.Name(answer.order.state)] += 1
        except grpc.aio.AioRpcError as error:
            self.endings[error_info(error).reason or error.code().name] += 1

    def _order(self) -> orders_pb2.SubmitOrderRequest:
        symbol = self._dice.choice(SYMBOLS)
        request = market_buy(self._account, symbol, f"{self._dice.randint(1, 4000) / 1000:.3f}")
        if self._dice.random() < 0.5:
            # Below the market, so that it rests.
            request.order.type = trading_pb2.ORDER_TYPE_LIMIT
            request.order.limit_price = f"{self._prices[symbol] * (0.97 - self._dice.random() / 100):.2f}"
        return request


async def main() -> None:
    """Storm until the other side closes."""
    storm = Storm(json.loads(sys.stdin.readline()))
    storming = asyncio.create_task(storm.run())
    await asyncio.to_thread(sys.stdin.read)
    storming.cancel()
    await asyncio.gather(storming, return_exceptions=True)
    await storm.close()
    sys.stdout.write(json.dumps(storm.endings))


if __name__ == "__main__":
    # An interruption is the business of the runner, whose end closes the input.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(main())
