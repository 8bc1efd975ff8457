"""The gateway under test, started as `brokergw serve` with embedded defaults, and an account to trade."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.processes import Process


@dataclass(frozen=True, slots=True)
class Account:
    """Where to trade, and the key that may."""

    account_id: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    process: Process
    target: str

    async def connect_mock(self) -> Account:
        raise NotImplementedError

    async def connect_alpaca(self, key: str, secret: str) -> Account:
        raise NotImplementedError


@asynccontextmanager
async def running_gateway(broker_url: str) -> AsyncIterator[Gateway]:
    raise NotImplementedError
    yield
