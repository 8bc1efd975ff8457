from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from brokergw.model.events import EventKind, PositionChange
from brokergw.model.lifecycle import State
from brokergw.model.order import Fee, Fill, FillKind, Liquidity, Order
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.store.encoding.codec import payload_from_text, payload_to_text
from brokergw.store.encoding.rows import fill_from_row, fill_row, free_text, order_from_row, order_row
from brokergw.store.sql.statements import names
from brokergw.store.tables import FILLS, ORDERS

texts = st.text(max_size=12)
storable = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None)
times = st.integers(0, 2**63 - 1)
counts = st.integers(1, 1_000)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Sometimes give None."""
    return st.none() | strategy


legs = st.builds(Leg, texts, st.sampled_from(Side), counts, st.sampled_from(PositionEffect))
terms = st.builds(
    OrderTerms,
    symbol=texts,
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from(TimeInForce),
    quantity=maybe(decimals),
    notional=maybe(decimals),
    limit_price=maybe(decimals),
    stop_price=maybe(decimals),
    trail_amount=maybe(decimals),
    trail_percent=maybe(decimals),
    expire_time_ns=maybe(times),
    extended_hours=st.booleans(),
    position_effect=st.sampled_from(PositionEffect),
    order_class=st.sampled_from(OrderClass),
    take_profit_limit_price=maybe(decimals),
    stop_loss_stop_price=maybe(decimals),
    stop_loss_limit_price=maybe(decimals),
    legs=st.lists(legs, max_size=3).map(tuple),
)
orders = st.builds(
    Order,
    order_id=texts,
    user_id=texts,
    account_id=texts,
    broker=texts,
    terms=terms,
    idempotency_key=texts,
    state=st.sampled_from(State),
    version=counts,
    create_time_ns=times,
    update_time_ns=times,
    client_order_id=texts,
    broker_client_order_id=texts,
    broker_order_ids=st.lists(texts, max_size=3).map(tuple),
    parent_order_id=texts,
    strategy_id=texts,
    run_id=texts,
    labels=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    attempt=counts,
    cum_quantity=decimals,
    average_price=maybe(decimals),
    canceled_quantity=decimals,
    submit_time_ns=maybe(times),
    complete_time_ns=maybe(times),
    reject_reason=storable,
    rejected_by=texts,
    broker_message=storable,
    late_fill=st.booleans(),
    external=st.booleans(),
    hold_quantity=decimals,
    hold_price=decimals,
    unit_worth=decimals,
    trading_day=texts,
)
fees = st.builds(Fee, decimals, texts, texts, st.booleans())
fills = st.builds(
    Fill,
    fill_id=texts,
    order_id=texts,
    user_id=texts,
    account_id=texts,
    broker=texts,
    client_order_id=texts,
    idempotency_key=texts,
    broker_order_id=texts,
    execution_id=texts,
    symbol=texts,
    side=st.sampled_from(Side),
    quantity=decimals,
    price=decimals,
    cum_quantity=decimals,
    leaves_quantity=decimals,
    average_price=decimals,
    trade_time_ns=times,
    receive_time_ns=times,
    kind=st.sampled_from(FillKind),
    refers_to_fill_id=texts,
    fill_id_synthetic=st.booleans(),
    liquidity=st.sampled_from(Liquidity),
    venue=texts,
    fees=st.lists(fees, max_size=3).map(tuple),
)
changes = st.builds(PositionChange, texts, texts, texts, decimals)


@given(orders)
def test_order_survives_text_and_row(order: Order) -> None:
    """An order written as event text or as a row is read back equal, to the last digit."""
    text = payload_to_text(order)
    assert text.isascii()
    assert repr(payload_from_text(EventKind.ORDER, text)) == repr(order)
    row = order_row(order)
    assert len(row) == len(names(ORDERS))
    assert repr(order_from_row(row)) == repr(order)


@given(fills)
def test_fill_survives_text_and_row(fill: Fill) -> None:
    """A fill written as event text or as a row is read back equal, to the last digit."""
    assert repr(payload_from_text(EventKind.FILL, payload_to_text(fill))) == repr(fill)
    row = fill_row(fill)
    assert len(row) == len(names(FILLS))
    assert repr(fill_from_row(row)) == repr(fill)


@given(changes)
def test_position_change_survives_text(change: PositionChange) -> None:
    """A position change written as event text is read back equal."""
    assert repr(payload_from_text(EventKind.POSITION, payload_to_text(change))) == repr(change)


def test_row_holds_only_what_databases_hold_exactly() -> None:
    """Decimals go as text, never as a number a database would round."""
    order = Order(
        order_id="o",
        user_id="u",
        account_id="a",
        broker="b",
        terms=OrderTerms(
            symbol="S",
            side=Side.BUY,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.DAY,
            quantity=Decimal("0.1"),
        ),
        idempotency_key="k",
        state=State.SENDING,
        version=1,
        create_time_ns=1,
        update_time_ns=1,
    )
    assert {type(value) for value in order_row(order)} == {str, int, bool, type(None)}


@given(st.text(max_size=20))
def test_free_text_is_always_storable(text: str) -> None:
    """Whatever a broker writes becomes text that encodes and holds no NUL; what was storable stays as it was."""
    cleaned = free_text(text)
    cleaned.encode()
    assert "\x00" not in cleaned
    assert cleaned == text or "\ufffd" in cleaned


@given(storable)
def test_storable_text_is_untouched(text: str) -> None:
    """Text that a database can hold is not changed."""
    assert free_text(text) == text
