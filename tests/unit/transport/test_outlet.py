"""The way out of a connection: what is asked there is asked with nothing left to do but to write."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from brokergw.transport.connecting import OUTLET, Outlet


class Line:
    """A transport that keeps what it is given, and what of it waits."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.waiting = 0

    def write(self, data: bytes) -> None:
        self.said.append(data.decode())

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("127.0.0.1", 1)}.get(name, default)

    def is_closing(self) -> bool:
        return False


def outlet() -> tuple[Outlet, Line]:
    line = Line()
    return Outlet(cast("asyncio.Transport", line)), line


def asking(line: Line, answer: bool) -> Callable[[], bool]:  # noqa: FBT001 - what is answered
    """Make a question that is seen among what is written."""

    def question() -> bool:
        line.said.append("?")
        return answer

    return question


def test_a_question_is_asked_once_and_right_before_the_bytes() -> None:
    """Not where the question is put, not again for what follows."""
    way, line = outlet()
    way.ask(asking(line, answer=True))
    assert line.said == []
    way.write(b"order")
    way.writelines([b"and ", b"more"])
    assert line.said == ["?", "order", "and more"]


def test_what_may_not_leave_does_not_and_nothing_follows_it() -> None:
    """Half a request would be another request."""
    way, line = outlet()
    way.ask(asking(line, answer=False))
    way.writelines([b"order"])
    way.write(b"rest of it")
    way.ask(asking(line, answer=True))
    way.write(b"another")
    assert line.said == ["?"]


def test_a_question_that_raises_lets_nothing_out() -> None:
    """Whoever writes hears why; other frames may follow."""
    way, line = outlet()

    def refuse() -> bool:
        raise LookupError("why")

    way.ask(refuse)
    with pytest.raises(LookupError):
        way.write(b"order")
    way.write(b"ping")
    assert line.said == ["ping"]


@pytest.mark.parametrize(("waiting", "stuck"), [(0, False), (1, True)])
def test_a_line_is_stuck_where_anything_waits(waiting: int, *, stuck: bool) -> None:
    """A byte that waits is before the next one."""
    way, line = outlet()
    line.waiting = waiting
    assert way.stuck is stuck


def test_an_outlet_is_the_transport_in_all_else() -> None:
    """It is found under its name, and whatever else is asked the transport answers."""
    way, _ = outlet()
    assert way.get_extra_info(OUTLET) is way
    assert way.get_extra_info("peername") == ("127.0.0.1", 1)
    assert not way.is_closing()
