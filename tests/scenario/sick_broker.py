"""A user's connection at a broker that can be made sick, behind a whole gateway in this process."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from brokergw.app.build import Gateway
from brokergw.app.settings import Settings
from brokergw.client import Client, GatewayCallError
from brokergw.client.messages import words
from brokergw.model.account import Environment
from tests.conformance.adapter.bench import Bench
from tests.fixtures.gateway_here import gateway_here
from tests.fixtures.patience import until

_SETTLED_S: Final = 60.0
_DENIED_S: Final = 4.0


@asynccontextmanager
async def hasty_gateway(directory: Path, **broker: Any) -> AsyncIterator[tuple[Gateway, str]]:
    """Run a gateway that looks at its brokers twice a second, and give where it listens."""
    settings = Settings(
        listen="127.0.0.1:0",
        metrics_listen="",
        data_dir=directory,
        database_url="",
        initial_mode=Environment.PAPER,
        duplicate_window_s=0,
        sweep_live_s=0.5,
        sweep_blind_s=0.5,
        **broker,
    )
    async with gateway_here(settings) as running:
        yield running


@dataclass(slots=True)
class Scene:
    """A user's connection at a broker, and the hands that make that broker sick."""

    client: Client
    bench: Bench
    connection_id: str
    account_id: str
    time_in_force: str

    async def health(self) -> tuple[str, str]:
        """Read the card."""
        card = await self.client.get_connection(self.connection_id)
        return str(words(card, "health")), card.health_detail

    async def buy(self) -> None:
        """Place an order, again under its key for as long as its answer says so; it must go through."""
        key = str(uuid.uuid4())

        async def once() -> bool:
            try:
                await self._buy(key)
            except GatewayCallError as error:
                if error.order_effect == "NONE" and error.retry == "SAME_KEY":
                    return False
                raise
            return True

        assert await until(once, bool, _SETTLED_S)

    async def denied(self) -> GatewayCallError:
        """Place an order that must be denied; the client itself repeats it for a while, as the denial says."""
        with pytest.raises(GatewayCallError) as caught:
            await self._buy(str(uuid.uuid4()), _DENIED_S)
        return caught.value

    async def _buy(self, key: str, timeout_s: float | None = None) -> None:
        await self.client.submit(
            self.account_id,
            symbol=self.bench.stock,
            side="BUY",
            quantity="1",
            type="MARKET",
            time_in_force=self.time_in_force,
            idempotency_key=key,
            timeout_s=timeout_s,
        )

    async def shows(self, health: str, end: str) -> None:
        """Wait until the card shows a health, and words that end so."""
        await until(self.health, lambda seen: seen[0] == health and seen[1].endswith(end), _SETTLED_S)

    async def nothing_leaves(self, *reasons: str) -> GatewayCallError:
        """Insist that an order is denied without effect for one of some reasons, and that none arrives."""
        sent, held = self.bench.sent(), self.bench.orders_at_broker()
        # A busy machine may have other reasons first.
        error = await until(self.denied, lambda told: told.reason in reasons, _SETTLED_S)
        assert error.order_effect == "NONE"
        assert (self.bench.sent(), self.bench.orders_at_broker()) == (sent, held)
        return error
