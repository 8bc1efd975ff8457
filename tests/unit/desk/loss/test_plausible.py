"""Whether an equity is what cash and positions come to."""

from decimal import Decimal

import pytest

from brokergw.desk.loss.looking import is_plausible
from brokergw.desk.results import BrokerState
from brokergw.model.account import AccountState, Position
from brokergw.model.instrument import AssetClass


def state(equity: str, asset_class: AssetClass, profit: str | None = "500") -> BrokerState:
    """An account with 100,000 in cash and a position worth 50,000 that has gained 500."""
    account = AccountState(
        masked_number="****0001", currency="USD", equity=Decimal(equity), cash=Decimal(100_000),
        buying_power=Decimal(0), balances=(), trading_blocked=False, shorting_enabled=True, multiplier=Decimal(1),
        as_of_ns=1,
    )  # fmt: skip
    position = Position(
        symbol="X", asset_class=asset_class, quantity=Decimal(1), available_quantity=Decimal(1), average_price=None,
        cost_basis=None, market_price=None, market_value=Decimal(50_000),
        unrealized_profit=None if profit is None else Decimal(profit), as_of_ns=1,
    )  # fmt: skip
    return BrokerState(account=account, positions=(position,))


@pytest.mark.parametrize("asset_class", [AssetClass.FUTURE, AssetClass.FOREX, AssetClass.CFD])
def test_a_margined_position_adds_what_it_gained(asset_class: AssetClass) -> None:
    """Cash and profit make the equity of margined positions, and not what they are about."""
    assert is_plausible(state("100500", asset_class))
    assert not is_plausible(state("150000", asset_class))


def test_what_was_paid_for_adds_what_it_is_worth() -> None:
    """Cash and value make the equity of shares and coins."""
    assert is_plausible(state("150000", AssetClass.STOCK))
    assert not is_plausible(state("100500", AssetClass.CRYPTO))


def test_a_profit_that_is_not_told_leaves_the_equity_believed() -> None:
    """Where a broker does not tell, nothing can be compared."""
    assert is_plausible(state("7", AssetClass.FUTURE, None))


def test_the_tolerance_is_half_a_percent_of_all_that_is_held() -> None:
    """At the tolerance it is believed, and a cent beyond it is not."""
    assert is_plausible(state("101002.5", AssetClass.FUTURE))
    assert not is_plausible(state("101002.51", AssetClass.FUTURE))
