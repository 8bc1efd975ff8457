"""Where an operator's word on markets' hours comes from, and the times of others."""

from typing import Protocol


class CalendarFile(Protocol):
    """The text of an operator's overrides."""

    def changed(self) -> str | None:
        """Give the text if it is another than the last one given, else None; raises OSError while it cannot be read."""
        ...


class TimeSource(Protocol):
    """A clock that is not this process's own."""

    async def now_ns(self) -> int:
        """Ask it for the time as Unix nanoseconds; raises GatewayError when it does not answer."""
        ...
