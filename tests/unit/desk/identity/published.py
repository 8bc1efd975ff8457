"""A key source that a test can change, slow down and take away."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from brokergw.model.errors import GatewayError, Reason


class Published:
    """Implements `ports.identity.KeySource`; counts its questions."""

    def __init__(self, key_set: Callable[[], dict[str, Any]]) -> None:
        self.key_set = key_set
        self.asked = 0
        self.away = False
        self.waiting: asyncio.Event | None = None

    async def fetch(self) -> bytes:
        """Give the key set."""
        self.asked += 1
        if self.waiting is not None:
            await self.waiting.wait()
        if self.away:
            raise GatewayError(Reason.ISSUER_UNAVAILABLE, "it does not answer")
        return json.dumps(self.key_set()).encode()
