"""The wire, with whatever Hypothesis thinks of: round trips, cursors nobody else can make, joined events."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from brokerapi.v1 import orders_pb2, streams_pb2
from hypothesis import given
from hypothesis import strategies as st

from brokergw.desk.streams.pages import Page
from brokergw.desk.streams.watch import EventPage
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventKind, FeedGap, LogEvent
from brokergw.model.lifecycle import State
from brokergw.model.money import format_decimal
from brokergw.model.order import Order, Origin
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.rpc.wire.cursor import Cursors, filter_of
from brokergw.rpc.wire.found import Found
from brokergw.rpc.wire.frames import CHUNK_BYTES_MAX, Frames, header_to_proto, shape_of, varint
from brokergw.rpc.wire.orders import order_to_proto
from brokergw.rpc.wire.paging import PageTokens
from brokergw.rpc.wire.terms import terms_from_proto, terms_to_proto
from brokergw.rpc.wire.times import time_from, time_to_proto
from brokergw.rpc.wire.unknown import unknown_fields
from tests.fixtures.edge_samples import an_order

KEY = b"a key for tests, of 32 bytes ..."
SYMBOLS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
POSITIVE = st.decimals("0.000000000000000001", "99999999999999999999", places=18).filter(lambda d: d > 0)
SIGNED = st.decimals("-1000000", "1000000", places=9, allow_nan=False)
TIMES = st.integers(0, 253_402_300_799 * 10**9)
POSITIONS = st.dictionaries(SYMBOLS, st.integers(0, 2**63 - 1), min_size=1, max_size=5)
LEGS = st.lists(
    st.builds(Leg, SYMBOLS, st.sampled_from(Side), st.integers(1, 1_000), st.sampled_from(PositionEffect)),
    min_size=2,
    max_size=4,
).map(tuple)


@st.composite
def simple_terms(draw: st.DrawFn) -> OrderTerms:
    """Draw the terms of an order that stands alone, as the contract allows them."""
    order_type = draw(st.sampled_from(OrderType))
    time_in_force = draw(st.sampled_from(TimeInForce))
    by_notional = order_type is OrderType.MARKET and draw(st.booleans())
    trails = order_type is OrderType.TRAILING_STOP
    by_percent = trails and draw(st.booleans())
    return OrderTerms(
        symbol=draw(SYMBOLS),
        side=draw(st.sampled_from(Side)),
        type=order_type,
        time_in_force=time_in_force,
        quantity=None if by_notional else draw(POSITIVE),
        notional=draw(POSITIVE) if by_notional else None,
        limit_price=draw(POSITIVE) if order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT} else None,
        stop_price=draw(POSITIVE) if order_type in {OrderType.STOP, OrderType.STOP_LIMIT} else None,
        trail_amount=draw(POSITIVE) if trails and not by_percent else None,
        trail_percent=draw(st.decimals("0.001", "99.9", places=3)) if by_percent else None,
        expire_time_ns=draw(TIMES) if time_in_force is TimeInForce.GTD else None,
        extended_hours=draw(st.booleans()),
        position_effect=draw(st.sampled_from(PositionEffect)),
    )


@st.composite
def grouped_terms(draw: st.DrawFn) -> OrderTerms:
    """Draw a bracket, an OCO, an OTO or a multi-leg order."""
    base = replace(draw(simple_terms()), type=OrderType.LIMIT, notional=None, quantity=draw(POSITIVE))
    base = replace(base, limit_price=draw(POSITIVE), stop_price=None, trail_amount=None, trail_percent=None)
    order_class = draw(st.sampled_from([c for c in OrderClass if c is not OrderClass.SIMPLE]))
    if order_class is OrderClass.MULTI_LEG:
        legs = draw(LEGS)
        return replace(base, order_class=order_class, legs=legs, symbol="", side=legs[0].side, limit_price=draw(SIGNED))
    low, high = Decimal(10), Decimal(20)
    exits_sell = (base.side is Side.SELL) == (order_class is OrderClass.OCO)
    profit, loss = (high, low) if exits_sell else (low, high)
    loss_limit = draw(st.none() | POSITIVE)
    if order_class is OrderClass.OTO and draw(st.booleans()):
        return replace(base, order_class=order_class, take_profit_limit_price=profit)
    return replace(
        base,
        order_class=order_class,
        take_profit_limit_price=None if order_class is OrderClass.OTO else profit,
        limit_price=profit if order_class is OrderClass.OCO else base.limit_price,
        stop_loss_stop_price=loss,
        stop_loss_limit_price=loss_limit,
    )


@given(simple_terms() | grouped_terms())
def test_terms_survive_the_wire(terms: OrderTerms) -> None:
    """Terms that the contract allows break no rule, and come back as they went out."""
    found = Found()
    body = terms_to_proto(terms).SerializeToString()
    assert terms_from_proto(orders_pb2.OrderSpec.FromString(body), found) == terms
    assert found.violations == []


@given(st.binary(max_size=300))
def test_any_decodable_order_is_read_or_refused(body: bytes) -> None:
    """Whatever a client manages to encode is either terms or violations with a field each, never an exception."""
    from google.protobuf.message import DecodeError

    try:
        spec = orders_pb2.OrderSpec.FromString(body)
    except DecodeError:
        return
    found = Found()
    terms_from_proto(spec, found)
    assert all(violation.field.startswith("order.") and violation.rule for violation in found.violations)


@given(TIMES)
def test_times_survive_to_the_nanosecond(time_ns: int) -> None:
    """An instant comes back as it went out."""
    assert time_from(time_to_proto(time_ns), "t", Found()) == time_ns


@given(st.sampled_from(State), st.sampled_from(OrderType))
def test_every_state_has_its_name_on_the_wire(state: State, order_type: OrderType) -> None:
    """Every state of the journal is a state of the contract, and none is UNSPECIFIED."""
    order = an_order(state=state, terms=replace(an_order().terms, type=order_type))
    message = order_to_proto(order)
    assert message.state != orders_pb2.ORDER_STATE_UNSPECIFIED
    assert message.leaves_quantity == format_decimal(order.leaves_quantity)


@given(POSITIONS, SYMBOLS, st.binary(min_size=8, max_size=8))
def test_a_cursor_gives_back_what_it_was_made_from(positions: dict[str, int], user: str, stream: bytes) -> None:
    """A cursor read by its owner, for its stream, on the same record, gives its positions."""
    cursors = Cursors(KEY, lambda: "epoch-1")
    text = cursors.line(user, stream).at(positions)
    assert cursors.read(text, user, stream) == positions
    assert cursors.read(text, user) == positions
    assert cursors.read(cursors.issue(user, positions), user, stream) == positions
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(POSITIONS, st.integers(0, 10_000), st.integers(1, 255))
def test_a_cursor_that_was_touched_is_no_cursor(positions: dict[str, int], at: int, flip: int) -> None:
    """Changing any byte, or cutting any tail, makes a cursor invalid."""
    import base64

    cursors = Cursors(KEY, lambda: "epoch-1")
    text = cursors.issue("ann", positions)
    sealed = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    sealed[at % len(sealed)] ^= flip
    for forged in (base64.urlsafe_b64encode(bytes(sealed)).rstrip(b"=").decode(), text[: at % len(text)]):
        with pytest.raises(GatewayError) as caught:
            cursors.read(forged, "ann")
        assert caught.value.reason is Reason.CURSOR_INVALID


@given(st.text(max_size=200))
def test_no_text_crashes_the_reader(text: str) -> None:
    """Whatever is sent as a cursor is refused with its reason."""
    with pytest.raises(GatewayError) as caught:
        Cursors(KEY, lambda: "epoch-1").read(text, "ann")
    assert caught.value.reason is Reason.CURSOR_INVALID


@given(POSITIONS)
def test_cursors_of_others_are_refused(positions: dict[str, int]) -> None:
    """A cursor holds for its user, its key, its record and its stream only."""
    cursors = Cursors(KEY, lambda: "epoch-1")
    orders, fills = filter_of("ORDER", (), ()), filter_of("FILL", (), ())
    text = cursors.line("ann", orders).at(positions)
    page = PageTokens(KEY).next("ann", orders_pb2.ListOrdersRequest(), "x")
    refusals: list[tuple[Any, Reason]] = [
        (lambda: cursors.read(text, "bob"), Reason.CURSOR_INVALID),
        (lambda: Cursors(KEY[::-1], lambda: "epoch-1").read(text, "ann"), Reason.CURSOR_INVALID),
        (lambda: Cursors(KEY, lambda: "epoch-2").read(text, "ann"), Reason.CURSOR_EPOCH_CHANGED),
        (lambda: cursors.read(text, "ann", fills), Reason.CURSOR_FILTER_MISMATCH),
        (lambda: cursors.read(page, "ann"), Reason.CURSOR_INVALID),
    ]
    for attempt, reason in refusals:
        with pytest.raises(GatewayError) as caught:
            attempt()
        assert caught.value.reason is reason


@given(st.lists(SYMBOLS, max_size=4), st.lists(SYMBOLS, max_size=4), st.randoms(use_true_random=False))
def test_a_filter_knows_no_order_and_no_repeats(accounts: list[str], symbols: list[str], random: Any) -> None:
    """The same accounts and symbols make the same filter however they are listed; another kind another one."""
    again = accounts * 2
    random.shuffle(again)
    assert filter_of("ORDER", accounts, symbols) == filter_of("ORDER", again, symbols[::-1])
    assert filter_of("ORDER", accounts, symbols) != filter_of("FILL", accounts, symbols)
    if sorted(set(accounts)) != sorted(set(symbols)):
        assert filter_of("ORDER", accounts, symbols) != filter_of("ORDER", symbols, accounts)


def _event(sequence: int) -> LogEvent:
    return LogEvent(
        kind=EventKind.ORDER,
        account_id="acc_1",
        sequence=sequence,
        origin=Origin.LIVE,
        event_time_ns=1,
        receive_time_ns=2,
        publish_time_ns=3,
        payload=an_order(),
    )


ORDER_SHAPE = shape_of(orders_pb2.SubscribeOrdersResponse)


def _told(told: int, others: tuple[tuple[str, int], ...], *events: LogEvent) -> EventPage:
    page = Page(events[0].sequence - 1, events[-1].sequence, events)
    return EventPage("acc_1", page, told, others)


@given(st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1), SYMBOLS, st.sampled_from(Origin))
def test_a_joined_event_is_an_ordinary_message(sequence: int, previous: int, name: str, origin: Origin) -> None:
    """The bytes joined from the shared and the subscriber's part decode to what would be written in one piece."""
    order: Order = an_order(order_id=name)
    event = replace(_event(sequence), origin=origin, payload=order)
    line = Cursors(KEY, lambda: "epoch-1").line("ann", filter_of("ORDER", (), ()))
    header = header_to_proto(event, previous, line.at({"acc_1": sequence}))
    whole = orders_pb2.SubscribeOrdersResponse(
        event=orders_pb2.OrderEvent(header=header, order=order_to_proto(order)),
    )
    frames = Frames()
    for _ in range(2):
        (frame,) = frames.chunk(ORDER_SHAPE, _told(previous, (), event), 0, line).frames
        assert orders_pb2.SubscribeOrdersResponse.FromString(frame) == whole


@given(st.lists(st.sampled_from((EventKind.ORDER, EventKind.GAP)), min_size=1, max_size=8))
def test_gaps_stand_outside_the_chain_of_events(kinds: list[EventKind]) -> None:
    """Each event follows the event before it, whatever gaps are between; each gap tells its own place and cursor."""
    gap = FeedGap("acc_1", "mock", 5, None)
    events = [
        _event(n) if kind is EventKind.ORDER else replace(_event(n), kind=kind, payload=gap)
        for n, kind in enumerate(kinds, 1)
    ]
    cursors = Cursors(KEY, lambda: "epoch-1")
    line = cursors.line("ann", filter_of("ORDER", (), ()))
    told = 0
    for n, frame in enumerate(Frames().chunk(ORDER_SHAPE, _told(0, (), *events), 0, line).frames, 1):
        message = orders_pb2.SubscribeOrdersResponse.FromString(frame)
        header = message.gap.header if message.HasField("gap") else message.event.header
        assert message.HasField("gap") is (kinds[n - 1] is EventKind.GAP)
        assert (header.sequence, header.previous_sequence) == (n, told)
        assert cursors.read(header.cursor, "ann") == {"acc_1": n}
        told = told if message.HasField("gap") else n


def test_a_large_page_is_made_ready_in_parts() -> None:
    """No more bytes than the bound are ready at once, and the parts together are the page."""
    wide = an_order(labels={f"label_{n}": "x" * 2_000 for n in range(20)})
    events = tuple(replace(_event(n), payload=wide) for n in range(1, 30))
    told, frames, first, sequences = _told(0, (), *events), Frames(), 0, list[int]()
    line = Cursors(KEY, lambda: "epoch-1").line("ann", filter_of("ORDER", (), ()))
    while first < len(events):
        chunk = frames.chunk(ORDER_SHAPE, told, first, line)
        assert sum(map(len, chunk.frames)) <= CHUNK_BYTES_MAX
        headers = [orders_pb2.SubscribeOrdersResponse.FromString(frame).event.header for frame in chunk.frames]
        assert [h.previous_sequence for h in headers] == [h.sequence - 1 for h in headers]
        sequences += [h.sequence for h in headers]
        first = chunk.ends[-1]
    assert sequences == list(range(1, 30))


@given(st.integers(0, 2**64 - 1))
def test_varints_are_the_wire_formats_own(value: int) -> None:
    """A number is written as protobuf writes it."""
    expected = streams_pb2.EventHeader(sequence=value).SerializeToString() if value < 2**63 else None
    assert expected is None or expected == (b"\x10" + varint(value) if value else b"")


@given(st.integers(100, 536_870_911).filter(lambda n: not 19_000 <= n <= 19_999), st.sampled_from(["", "stop_loss"]))
def test_unknown_fields_are_named_by_their_number(number: int, within: str) -> None:
    """Any field number that is not of the contract is found, at the top and within."""
    unknown = varint(number << 3) + b"\x01"
    body = unknown if not within else b"\x82\x01" + bytes([len(unknown)]) + unknown
    (violation,) = unknown_fields(orders_pb2.OrderSpec.FromString(body))
    assert violation.field == (f"{within}.{number}" if within else str(number))
    assert violation.reason is Reason.UNKNOWN_FIELD


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=12))
def test_a_frame_is_never_mistaken_for_another(asked: list[tuple[int, int, int]]) -> None:
    """However events, gaps and other accounts' places are mixed, each frame carries its own cursor and sequence."""
    cursors = Cursors(KEY, lambda: "epoch-1")
    frames = Frames()
    for sequence, previous, other in asked:
        user = "ann" if sequence % 2 else "bob"
        line = cursors.line(user, filter_of("ORDER", (), ()))
        others = () if other == 0 else (("acc_2", other),)
        (frame,) = frames.chunk(ORDER_SHAPE, _told(previous, others, _event(sequence)), 0, line).frames
        event = orders_pb2.SubscribeOrdersResponse.FromString(frame).event
        assert (event.header.sequence, event.header.previous_sequence) == (sequence, previous)
        assert cursors.read(event.header.cursor, user) == {"acc_1": sequence, **dict(others)}
