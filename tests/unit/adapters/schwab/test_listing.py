"""What lists of orders tell, with the record's help."""

from collections.abc import Collection, Sequence

import pytest

from brokergw.model.outcome import BrokerOrder, Found
from tests.fixtures.schwab_wire import ORDERS, ScriptedSchwab, answer, sample

OLD, NEW, TWIN = "1005588236651", "1005588236700", "1005588236701"


class Recorded:
    """A record that knows some orders, and waits for the ids of others."""

    def __init__(self, *chains: Sequence[str], unnamed: Collection[str] = ()) -> None:
        self._chains = chains
        self._unnamed = unnamed

    async def symbol_of(self, _: str) -> str:
        """Know no order by an id that Schwab never hears."""
        return ""

    async def symbols(self) -> Sequence[str]:
        """Name no symbols: Schwab needs none."""
        return ()

    async def generations(self, broker_order_id: str) -> Sequence[str]:
        """Give the chain that an id is in."""
        return next((chain for chain in self._chains if broker_order_id in chain), ())

    async def unnamed(self) -> Collection[str]:
        """Give the symbols that were said."""
        return self._unnamed


async def _old(record: Recorded | None) -> BrokerOrder:
    """Look up an order that was replaced while two like its successor were entered."""
    schwab = ScriptedSchwab()
    rows = [sample("order_replaced"), sample("order_successor"), sample("order_successor") | {"orderId": int(TWIN)}]
    schwab.on("GET", f"{ORDERS}?", answer(rows))
    schwab.on("GET", f"{ORDERS}/{OLD}", answer(sample("order_replaced")))
    found = await schwab.open(record=record).get_order(OLD)
    assert isinstance(found, Found)
    return found.order


@pytest.mark.parametrize(
    ("record", "successor"),
    [
        (None, ""),
        (Recorded(), ""),
        (Recorded([TWIN]), NEW),
        (Recorded([NEW]), TWIN),
        (Recorded([OLD, TWIN]), TWIN),
        (Recorded([TWIN], unnamed={"MSFT"}), NEW),
        (Recorded([TWIN], unnamed={"AAPL"}), ""),
        (Recorded([NEW], [TWIN]), ""),
    ],
    ids=["no record", "empty", "twin known", "new known", "chain known", "other unnamed", "unnamed", "both known"],
)
async def test_a_lost_change_ends_at_the_only_order_left_or_says_that_it_does_not(
    record: Recorded | None, successor: str
) -> None:
    """Class C: an order that the record has for another one is no successor, and without a successor it is said."""
    told = await _old(record)
    assert told.replaced_by == successor
    assert told.successor_unknown is not bool(successor)
