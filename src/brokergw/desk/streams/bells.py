"""What wakes a stream: news of its accounts, or that its time has come."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable


class Bell:
    """One sleeper's bell. `due` is the monotonic second at which it rings by itself; None leaves that out."""

    __slots__ = ("_rung", "_sleeper", "account_ids", "due")

    def __init__(self, account_ids: Iterable[str]) -> None:
        self.account_ids = tuple(account_ids)
        self.due: float | None = None
        self._rung = False
        self._sleeper: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake the sleeper, or keep it from falling asleep once."""
        self._rung = True
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    async def wait(self) -> None:
        """Sleep until it has rung since the last time."""
        if not self._rung:
            self._sleeper = asyncio.get_running_loop().create_future()
            try:
                await self._sleeper
            finally:
                self._sleeper = None
        self._rung = False


class Bells:
    """Every bell by the accounts that it listens to."""

    def __init__(self) -> None:
        self._all: set[Bell] = set()
        self._by_account: dict[str, set[Bell]] = defaultdict(set)

    def __bool__(self) -> bool:
        return bool(self._all)

    @property
    def account_ids(self) -> tuple[str, ...]:
        """The accounts that anybody listens to."""
        return tuple(self._by_account)

    def hang(self, bell: Bell) -> None:
        """Begin to ring a bell."""
        self._all.add(bell)
        for account_id in bell.account_ids:
            self._by_account[account_id].add(bell)

    def take_down(self, bell: Bell) -> tuple[str, ...]:
        """Stop ringing a bell; gives the accounts that nobody listens to any more."""
        self._all.discard(bell)
        left = []
        for account_id in bell.account_ids:
            listeners = self._by_account[account_id]
            listeners.discard(bell)
            if not listeners:
                del self._by_account[account_id]
                left.append(account_id)
        return tuple(left)

    def ring(self, account_id: str) -> None:
        """Wake those who listen to an account."""
        for bell in self._by_account.get(account_id, ()):
            bell.ring()

    def ring_all(self) -> None:
        """Wake everybody."""
        for bell in self._all:
            bell.ring()

    def ring_due(self, now: float) -> None:
        """Wake those whose time has come."""
        for bell in self._all:
            if bell.due is not None and bell.due <= now:
                bell.ring()
