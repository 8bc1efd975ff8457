"""What is measured: the cases, what each is set against, and how the rounds are interleaved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure."""

    letter: str
    name: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure of one case over the same figure of another.

    `aim` is the least that a ratio of rates should be, the most that one of median latencies should; at the load
    `aim_at`, or else at the highest.
    """

    above: str
    below: str
    says: str
    aim: float | None = None
    figure: Literal["rate", "p50_ms"] = "rate"
    aim_at: int | None = None

    @property
    def bound(self) -> str:
        """The aim in signs."""
        return "" if self.aim is None else f"{'≥' if self.figure == 'rate' else '≤'} {self.aim}"


CALLS: Final = (
    Case("a", "bare grpc.aio, echo of the same messages"),
    Case("b", "gateway, SubmitOrder to the mock broker, durable SQLite"),
    Case("c", "bare grpc.aio, one aiohttp POST to simulated Alpaca"),
    Case("d", "gateway, SubmitOrder to simulated Alpaca, durable SQLite"),
    Case("e", "alpaca-py in threads, straight to simulated Alpaca"),
    Case("g", "as b, with 10,000 orders resting and 1,000,000 stored"),
)
STREAMS: Final = (
    Case("f0", "bare grpc.aio stream, one fill repeated as fast as it is taken"),
    Case("f1", "gateway, SubscribeFills, replayed from the record, a message for each fill"),
    Case("f2", "gateway, SubscribeFills, live while orders fill on the mock broker, a message for each fill"),
    Case("f3", "gateway, SubscribeFills, replayed from the record, up to 128 fills in a message"),
    Case("f4", "gateway, SubscribeFills, live while orders fill, up to 128 fills in a message"),
)
CALL_RATIOS: Final = (
    Ratio("b", "a", "what chain, gates and two durable commits leave of a bare echo", 0.5),
    Ratio("d", "c", "what they leave of a bare forwarder", 0.8),
    Ratio("d", "e", "the gateway beside the broker's own SDK", 2.0),
    Ratio("b", "a", "what they add to the median of a bare echo", 2.5, "p50_ms", 1),
    Ratio("g", "b", "what a full record adds to the median", 1.1, "p50_ms", 1),
)
STREAM_RATIOS: Final = (
    Ratio("f1", "f0", "what record, sequence, cursor and filter leave of a bare stream"),
    Ratio("f2", "f0", "the same live, bounded by how many orders fill meanwhile"),
    Ratio("f3", "f0", "in batches, as the gateway's own client takes them: record beside a bare stream", 1.0),
    Ratio("f4", "f0", "the same live, bounded by how many orders fill meanwhile"),
)

IN_FLIGHT: Final = (1, 16, 32)
SUBSCRIBERS: Final = (1, 10, 100)


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement of a round."""

    case: Case
    load: int


def steps(round_number: int, only: frozenset[str]) -> Iterator[Step]:
    """Give the steps of one round; each round begins with another case, so that none always follows the same one."""
    for loads, cases in ((IN_FLIGHT, CALLS), (SUBSCRIBERS, STREAMS)):
        wanted = [case for case in cases if case.letter[0] in only]
        for load in loads:
            for case in _rotated(wanted, round_number):
                yield Step(case, load)


def _rotated(cases: Sequence[Case], by: int) -> list[Case]:
    return [cases[(index + by) % len(cases)] for index in range(len(cases))]
