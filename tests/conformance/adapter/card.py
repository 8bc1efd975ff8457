"""The cards of the exam: one claim each, under an id that never changes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from brokergw.model.capability import Capabilities, Feature
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, OrderType, TimeInForce
from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Ability, Ail, Bench

Need: TypeAlias = Feature | OrderType | TimeInForce | OrderClass | AssetClass | Ability | Ail
Claim: TypeAlias = Callable[[Bench, BrokerAdapter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Card:
    """One question: who can do `needs` must satisfy `claim`, whose docstring says what it asks."""

    id: str
    needs: frozenset[Need]
    claim: Claim

    def missing(self, bench: Bench) -> list[str]:
        """Name what the broker does not claim of what the card needs."""
        needs = (need for need in self.needs if not isinstance(need, Ail))
        return sorted(str(need) for need in needs if not _claimed(need, bench, bench.capabilities))

    def spared(self, bench: Bench) -> list[str]:
        """Say why the broker never has what the card is about; it must say so where it has no answer for it."""
        return [bench.spared[need] for need in self.needs if isinstance(need, Ail) and need not in bench.says]


CARDS: Final[dict[str, Card]] = {}


def card(card_id: str, *needs: Need) -> Callable[[Claim], Claim]:
    """Put a function among the cards."""

    def add(claim: Claim) -> Claim:
        assert card_id not in CARDS, f"two cards are called {card_id}"
        CARDS[card_id] = Card(card_id, frozenset(needs), claim)
        return claim

    return add


def _claimed(need: Need, bench: Bench, can: Capabilities) -> bool:
    match need:
        case Feature():
            return need in can.features
        case OrderType():
            return need in can.order_types[bench.main]
        case TimeInForce():
            return need in can.times_in_force[bench.main]
        case OrderClass():
            return need in can.order_classes
        case AssetClass():
            return need in can.asset_classes
        case Ability():
            return need in bench.abilities
        case Ail():
            return need in bench.says
