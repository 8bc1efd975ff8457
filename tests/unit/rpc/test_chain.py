"""The chain: its order, and how it is put together."""

from google.protobuf.empty_pb2 import Empty

from brokergw.rpc.call import Call, Handler
from brokergw.rpc.chain import CHAIN, compose
from brokergw.rpc.policy import MethodPolicy

POLICY = MethodPolicy(method="/p.S/M", request=Empty, decode=lambda message, _: message)


class Named:
    """Writes its name down on the way in and on the way out."""

    def __init__(self, name: str, log: list[str]) -> None:
        self._name = name
        self._log = log

    def wrap(self, _: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around every method."""
        self._log.append(f"wrap {self._name}")

        async def handle(call: Call) -> bytes | None:
            self._log.append(f"in {self._name}")
            answer = await proceed(call)
            self._log.append(f"out {self._name}")
            return answer

        return handle


def test_the_chain_is_the_published_order() -> None:
    """The nine concerns stand in the order that the architecture page gives, outermost first."""
    assert [step.name for step in CHAIN] == [
        "context",
        "errors",
        "telemetry",
        "audit",
        "auth",
        "rate_limit",
        "decode",
        "idempotency",
        "preflight",
    ]


def test_every_step_stands_inside_what_it_says() -> None:
    """Each step comes after all the steps that it names, and each but the first names one."""
    before: set[str] = set()
    for step in CHAIN:
        assert set(step.inside) <= before
        assert bool(step.inside) == bool(before)
        assert step.why
        before.add(step.name)


async def test_a_chain_is_composed_once_and_runs_outermost_first() -> None:
    """Steps wrap a method when it is composed, not when it is called, and the first one listed is outermost."""
    log: list[str] = []

    async def endpoint(_: Call) -> bytes | None:
        log.append("endpoint")
        return b"done"

    handler = compose([Named("a", log), Named("b", log)], POLICY, endpoint)
    assert log == ["wrap b", "wrap a"]
    log.clear()
    assert await handler(Call(POLICY, b"", None)) == b"done"  # type: ignore[arg-type]
    assert await handler(Call(POLICY, b"", None)) == b"done"  # type: ignore[arg-type]
    assert log == ["in a", "in b", "endpoint", "out b", "out a"] * 2


def test_a_step_that_has_nothing_to_do_is_left_out() -> None:
    """For a public method that costs nothing, most steps give the method itself back."""

    async def endpoint(_: Call) -> bytes | None:
        return b""

    parts = _NoParts()
    public = MethodPolicy(method="/p.S/M", request=Empty, decode=lambda message, _: message, public=True)
    made = {step.name: step.make(parts) for step in CHAIN if step.name in {"audit", "idempotency", "preflight"}}  # type: ignore[arg-type]
    assert all(step.wrap(public, endpoint) is endpoint for step in made.values())


class _NoParts:
    """Parts that nobody may use."""

    book = clock = desk = answers = None
