"""What the adapter makes of each way a query can end; an empty answer always means that Alpaca said so."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from brokergw.adapters.alpaca import AlpacaBroker, AlpacaConnection
from brokergw.adapters.alpaca.api import ORDERS_PAGE
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Absent, Budget, Found, Inconclusive
from brokergw.ports.broker import BrokerLink, BrokerUnavailable
from brokergw.transport.rows import parse_time
from tests.fixtures.alpaca_wire import KEY, NOW_NS, SECRET, ScriptedAlpaca, StillClock, answer, sample

UNAUTHORIZED = answer({"message": "unauthorized."}, 401)
NOT_FOUND = answer({"code": 40410000, "message": "order not found for X"}, 404)
THROTTLED = answer({"code": 42910000, "message": "rate limit exceeded"}, 429, {"Retry-After": "3"})

Query = Callable[[AlpacaConnection], Awaitable[Any]]

QUERIES: dict[str, Query] = {
    "authenticate": lambda broker: broker.authenticate(),
    "ping": lambda broker: broker.ping(),
    "account": lambda broker: broker.get_account(),
    "positions": lambda broker: broker.get_positions(),
    "position": lambda broker: broker.get_position("AAPL"),
    "open orders": lambda broker: broker.get_open_orders(),
    "history": lambda broker: broker.order_history(0, NOW_NS),
    "transactions": lambda broker: broker.transactions(0, NOW_NS),
    "quotes": lambda broker: broker.get_quotes(["AAPL"]),
    "instrument": lambda broker: broker.get_instrument("AAPL"),
    "contract": lambda broker: broker.get_instrument("AAPL270115C00200000"),
}


@pytest.fixture
def alpaca() -> ScriptedAlpaca:
    """An Alpaca that answers what the test tells it to."""
    return ScriptedAlpaca()


def asked_with(alpaca: ScriptedAlpaca) -> list[dict[str, list[str]]]:
    """Give the query of each request."""
    return [parse_qs(urlsplit(path).query) for path in alpaca.asked()]


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (httpx.ConnectError("refused"), Reason.BROKER_UNREACHABLE),
        (httpx.ReadTimeout("slow"), Reason.BROKER_UNREACHABLE),
        (answer("<html>Bad Gateway</html>", 502), Reason.BROKER_UNREACHABLE),
        (answer("<html></html>"), Reason.BROKER_ANSWER_UNUSABLE),
        (answer('[{"a":'), Reason.BROKER_ANSWER_UNUSABLE),
        (answer("[1]"), Reason.BROKER_ANSWER_UNUSABLE),
        (answer("<html>Not Found</html>", 404), Reason.BROKER_ANSWER_UNUSABLE),
        (answer({"code": 42210000, "message": "no such filter"}, 422), Reason.BROKER_ANSWER_UNUSABLE),
        (answer("", 302), Reason.BROKER_ANSWER_UNUSABLE),
        (UNAUTHORIZED, Reason.BROKER_CREDENTIALS_REFUSED),
        (answer("<html>401 Authorization Required</html>", 401), Reason.BROKER_CREDENTIALS_REFUSED),
        (answer({"message": "forbidden."}, 403), Reason.BROKER_CREDENTIALS_REFUSED),
        (THROTTLED, Reason.BROKER_RATE_LIMITED),
    ],
)
async def test_a_query_that_fails_raises_its_reason(
    alpaca: ScriptedAlpaca, name: str, broken: httpx.Response | Exception, reason: Reason
) -> None:
    """No failure of a query looks like an empty answer, and no error shows a secret."""
    alpaca.on("GET", "/", broken)
    with pytest.raises(GatewayError) as caught:
        await QUERIES[name](alpaca.open())
    assert caught.value.reason is reason
    shown = f"{caught.value!r} {caught.value} {caught.value.metadata}"
    assert KEY not in shown
    assert SECRET not in shown


async def test_a_throttled_query_tells_when_to_come_back(alpaca: ScriptedAlpaca) -> None:
    """The wait that Alpaca names travels with the error."""
    alpaca.on("GET", "/", THROTTLED)
    with pytest.raises(Throttled) as caught:
        await alpaca.open().get_account()
    assert caught.value.retry_after_s == 3.0


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(sample("http_get_order")), Found),
        (NOT_FOUND, Absent),
        (answer("<html>Not Found</html>", 404), Inconclusive),
        (answer(sample("http_get_order") | {"status": "brand_new_status"}), Inconclusive),
        (answer("", 500), Inconclusive),
        (httpx.ReadTimeout("slow"), Inconclusive),
        (UNAUTHORIZED, Inconclusive),
        (THROTTLED, Inconclusive),
    ],
    ids=["found", "absent", "HTML", "unknown status", "500", "timeout", "401", "429"],
)
async def test_a_look_up_is_absent_only_on_alpacas_word(
    alpaca: ScriptedAlpaca, given: httpx.Response | Exception, kind: type
) -> None:
    """Found and Absent are Alpaca's documented answers; everything else is inconclusive."""
    alpaca.on("GET", "/v2/orders", given)
    broker = alpaca.open()
    assert type(await broker.find_order("gw-limit-1")) is kind
    assert type(await alpaca.open().get_order("some-id")) is kind
    assert alpaca.asked()[0] == "/v2/orders:by_client_order_id?client_order_id=gw-limit-1"
    assert alpaca.asked()[-1] == "/v2/orders/some-id?nested=true"


async def test_a_group_found_by_client_id_is_completed_by_its_exits(alpaca: ScriptedAlpaca) -> None:
    """The look-up by client order id tells no legs, so a group is asked for once more by id."""
    bracket = sample("http_post_order_bracket")
    alpaca.on("GET", "/v2/orders:by_client_order_id?", answer(bracket | {"legs": None}))
    alpaca.on("GET", f"/v2/orders/{bracket['id']}?nested=true", answer(bracket))
    lookup = await alpaca.open().find_order("gw-bracket-1")
    assert isinstance(lookup, Found)
    assert lookup.order.terms.take_profit_limit_price == Decimal(200)


async def test_one_position_may_be_none(alpaca: ScriptedAlpaca) -> None:
    """Alpaca's word that a position does not exist is None, its row a position."""
    alpaca.on(
        "GET",
        "/v2/positions/BTCUSD",
        answer(sample("http_get_positions")[2]),
        answer({"code": 40410000, "message": "position does not exist"}, 404),
    )
    broker = alpaca.open()
    position = await broker.get_position("BTC/USD")
    assert position is not None
    assert (position.symbol, position.quantity) == ("BTC/USD", Decimal("0.0125"))
    assert await broker.get_position("BTC/USD") is None


def orders(first: int, count: int, **changes: Any) -> list[dict[str, Any]]:
    """Make rows of orders with rising ids and times."""
    return [
        sample("http_get_order")
        | {"id": f"order-{n:06}", "submitted_at": f"2026-10-08T15:{n // 60 % 60:02}:{n % 60:02}.5Z"}
        | changes
        for n in range(first, first + count)
    ]


async def test_open_orders_come_from_every_page(alpaca: ScriptedAlpaca) -> None:
    """A full page is followed by the next one, after the last id."""
    alpaca.on("GET", "/v2/orders?", answer(orders(0, ORDERS_PAGE)), answer(orders(ORDERS_PAGE, 3)))
    found = await alpaca.open().get_open_orders()
    assert [order.broker_order_id for order in found] == [f"order-{n:06}" for n in range(ORDERS_PAGE + 3)]
    first, second = asked_with(alpaca)
    assert first == {"status": ["open"], "limit": ["500"], "direction": ["asc"], "nested": ["true"]}
    assert second["after_order_id"] == [f"order-{ORDERS_PAGE - 1:06}"]


async def test_pages_that_repeat_are_no_listing(alpaca: ScriptedAlpaca) -> None:
    """A server that gives the same page for ever ends in an error instead of a loop."""
    alpaca.on("GET", "/v2/orders?", answer(orders(0, ORDERS_PAGE)))
    with pytest.raises(BrokerUnavailable):
        await alpaca.open().get_open_orders()


async def test_exits_are_rows_of_their_own_and_outlive_their_entry(alpaca: ScriptedAlpaca) -> None:
    """Open exits are listed beside their open entry, and alone once the entry is filled."""
    bracket = sample("http_post_order_bracket")
    legs = [leg["id"] for leg in bracket["legs"]]
    filled = bracket | {"status": "filled", "filled_qty": "10"}
    alpaca.on("GET", "/v2/orders?", answer([bracket]), answer([filled]))
    broker = alpaca.open()
    whole = await broker.get_open_orders()
    assert [order.broker_order_id for order in whole] == [bracket["id"], *legs]
    assert [leg.broker_order_id for leg in whole[0].legs] == legs
    assert [order.broker_order_id for order in await broker.get_open_orders()] == legs


async def test_the_legs_of_a_multi_leg_order_are_no_orders_of_their_own(alpaca: ScriptedAlpaca) -> None:
    """A spread is one open order."""
    alpaca.on("GET", "/v2/orders?", answer([sample("http_post_order_mleg")]))
    assert len(await alpaca.open().get_open_orders()) == 1


async def test_the_fills_of_a_replaced_order_include_its_generations(alpaca: ScriptedAlpaca) -> None:
    """A replacing order starts with what its predecessor had filled, so those executions are its own too."""
    old = sample("http_get_order") | {"status": "replaced", "filled_qty": "4", "filled_avg_price": "180.2"}
    new = sample("http_patch_order") | {"status": "filled", "filled_qty": "10", "filled_avg_price": "180.14"}
    rows = sample("http_get_activities_fill")
    rows[1]["order_id"] = new["id"]
    alpaca.on("GET", f"/v2/orders/{new['id']}", answer(new))
    alpaca.on("GET", f"/v2/orders/{old['id']}", answer(old))
    alpaca.on("GET", "/v2/account/activities/FILL?", answer(rows))
    broker = alpaca.open()
    lookup = await broker.get_order(new["id"])
    assert isinstance(lookup, Found)
    reports = await broker.fills_of(lookup.order)
    assert [report.fill.execution_id for report in reports if report.fill] == [f"{old['id']}:4", f"{new['id']}:10"]


async def test_one_unreadable_order_makes_the_listing_unusable(alpaca: ScriptedAlpaca) -> None:
    """A list of open orders with one left out would lie."""
    alpaca.on("GET", "/v2/orders?", answer([*orders(0, 2), *orders(2, 1, status="brand_new_status")]))
    with pytest.raises(BrokerUnavailable):
        await alpaca.open().get_open_orders()


async def test_history_pages_by_time_without_losing_ties(alpaca: ScriptedAlpaca) -> None:
    """The next page starts a hair before the last row, and rows seen twice are given once."""
    first = orders(0, ORDERS_PAGE)
    alpaca.on("GET", "/v2/orders?", answer(first), answer([first[-1], *orders(ORDERS_PAGE, 2)]))
    since_ns, until_ns = NOW_NS - 10**12, NOW_NS + 10**12
    found = await alpaca.open().order_history(since_ns, until_ns)
    assert [order.broker_order_id for order in found] == [f"order-{n:06}" for n in range(ORDERS_PAGE + 2)]
    page_one, page_two = asked_with(alpaca)
    assert page_one["after"] == ["2026-10-08T14:53:37.999999999Z"]
    assert page_one["until"] == page_two["until"] == ["2026-10-08T15:26:58.000000000Z"]
    assert page_two["after"] == ["2026-10-08T15:08:19.499999000Z"]
    assert page_one["status"] == ["all"]


async def test_transactions_come_from_every_page(alpaca: ScriptedAlpaca) -> None:
    """Activities are read page by page, by the id of the last row."""
    row = sample("http_get_activities")[2]
    full = [row | {"id": f"a{n}"} for n in range(100)]
    alpaca.on("GET", "/v2/account/activities?", answer(full), answer([row | {"id": "b"}]))
    found = await alpaca.open().transactions(NOW_NS - 10**12, NOW_NS)
    assert [each.transaction_id for each in found] == [*(f"a{n}" for n in range(100)), "b"]
    assert asked_with(alpaca)[1]["page_token"] == ["a99"]
    assert asked_with(alpaca)[0]["direction"] == ["desc"]


async def test_quotes_are_asked_of_the_right_market(alpaca: ScriptedAlpaca) -> None:
    """Stocks, options and crypto are asked for where they trade; an unquoted symbol is left out, order is kept."""
    crypto = {"t": "2026-10-08T15:10:18Z", "bp": 64000.1, "bs": 0.5, "ap": 64001.2, "as": 1.25}
    option = {"t": "2026-10-08T15:10:18Z", "bp": 1.2, "bs": 10, "ap": 1.3, "as": 12}
    alpaca.on("GET", "/v2/stocks/quotes/latest?", answer(sample("http_get_quotes_stocks")))
    alpaca.on("GET", "/v1beta3/crypto/us/latest/quotes?", answer({"quotes": {"BTC/USD": crypto}}))
    alpaca.on("GET", "/v1beta1/options/quotes/latest?", answer({"quotes": {"AAPL270115C00200000": option}}))
    symbols = ["BTC/USD", "TSLA", "NOPE", "AAPL270115C00200000", "AAPL"]
    quotes = await alpaca.open().get_quotes(symbols)
    assert [quote.symbol for quote in quotes] == ["BTC/USD", "TSLA", "AAPL270115C00200000", "AAPL"]
    assert quotes[0].ask_size == Decimal("1.25")
    assert {str(request.url.host) for request in alpaca.requests} == {"data.alpaca.markets"}
    assert {"symbols": ["TSLA,NOPE,AAPL"], "feed": ["iex"]} in asked_with(alpaca)


async def test_no_symbols_cost_no_request(alpaca: ScriptedAlpaca) -> None:
    """Asking for nothing asks nobody."""
    assert await alpaca.open().get_quotes([]) == []
    assert not alpaca.requests


async def test_an_instrument_is_none_only_on_alpacas_word(alpaca: ScriptedAlpaca) -> None:
    """An asset that Alpaca does not know is None, and a pair's slash travels encoded."""
    missing = answer({"code": 40410000, "message": "asset not found for ZZZZ"}, 404)
    alpaca.on("GET", "/v2/assets/", missing)
    alpaca.on("GET", "/v2/assets/BTC%2FUSD", answer(sample("http_get_asset_crypto")))
    alpaca.on("GET", "/v2/options/contracts/AAPL270115C00200000", answer(sample("http_get_option_contract")))
    broker = alpaca.open()
    assert await broker.get_instrument("ZZZZ") is None
    for symbol in ("BTC/USD", "AAPL270115C00200000"):
        instrument = await broker.get_instrument(symbol)
        assert instrument is not None
        assert instrument.symbol == symbol


async def test_a_query_on_a_dead_connection_is_tried_once_more(alpaca: ScriptedAlpaca) -> None:
    """A read may be repeated when the peer hung up, which a kept-alive connection does when it grows old."""
    from brokergw.transport.http import _HungUp

    alpaca.on("GET", "/v2/account", _HungUp("gone"), answer(sample("http_get_account")))
    assert (await alpaca.open().get_account()).currency == "USD"
    alpaca.on("GET", "/v2/account", _HungUp("gone"))
    with pytest.raises(BrokerUnavailable):
        await alpaca.open().get_account()
    assert len(alpaca.requests) == 4


async def test_the_budget_is_what_the_headers_said_last(alpaca: ScriptedAlpaca) -> None:
    """Limit, remainder and reset follow the trading host's headers; before any, nothing is claimed."""
    headers = {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "150", "X-RateLimit-Reset": "1791472260"}
    alpaca.on("GET", "/v2/account", answer(sample("http_get_account"), 200, headers))
    alpaca.on("GET", "/v2/stocks", answer({"quotes": {}}, 200, headers | {"X-RateLimit-Remaining": "1"}))
    broker = alpaca.open()
    assert broker.budget() == Budget(None, None, None)
    await broker.get_account()
    await broker.get_quotes(["AAPL"])
    assert broker.budget() == Budget(200, 150, 1_791_472_260_000_000_000)


async def test_the_fills_of_an_order_rebuild_its_story(alpaca: ScriptedAlpaca) -> None:
    """Each execution comes with the order as it stood after it: total, average price and state."""
    filled = sample("http_get_order") | {"status": "filled", "filled_qty": "10", "filled_avg_price": "180.14"}
    stranger = sample("http_get_activities_fill")[0] | {"id": "x", "order_id": "another-order"}
    alpaca.on("GET", "/v2/orders/", answer(filled))
    alpaca.on("GET", "/v2/account/activities/FILL?", answer([stranger, *sample("http_get_activities_fill")]))
    broker = alpaca.open()
    lookup = await broker.get_order(filled["id"])
    assert isinstance(lookup, Found)
    reports = await broker.fills_of(lookup.order)
    assert [(r.order.cum_quantity, r.order.average_price, r.order.state) for r in reports] == [
        (Decimal(4), Decimal("180.2"), State.PARTIAL),
        (Decimal(10), Decimal("180.14"), State.FILLED),
    ]
    assert all(report.replayed for report in reports)


def _span_s(url: httpx.URL) -> int:
    """Give how many seconds a question about activities spans."""
    after, until = (parse_time(url.params[name]) for name in ("after", "until"))
    return round((until - after) / 1_000_000_000)


@pytest.mark.parametrize(("told", "asked"), [(2, 1), (1, 2)])
async def test_executions_are_looked_for_near_their_order_first(alpaca: ScriptedAlpaca, told: int, asked: int) -> None:
    """What an account trades in a minute may be thousands of rows: it is read only where an execution is missing."""
    filled = sample("http_get_order") | {"status": "filled", "filled_qty": "10", "filled_avg_price": "180.14"}
    rows = sample("http_get_activities_fill")
    alpaca.on("GET", "/v2/orders/", answer(filled))
    alpaca.on("GET", "/v2/account/activities/FILL?", answer(rows[:told]), answer(rows))
    broker = alpaca.open()
    lookup = await broker.get_order(filled["id"])
    assert isinstance(lookup, Found)
    reports = await broker.fills_of(lookup.order)
    assert [report.order.cum_quantity for report in reports] == [Decimal(4), Decimal(10)]
    spans = [_span_s(request.url) for request in alpaca.requests if "activities" in request.url.path]
    assert len(spans) == asked
    assert spans[1:] == [spans[0] + 110] * (asked - 1), "a minute on both sides in place of five seconds"


@pytest.mark.parametrize("environment", [Environment.MOCK])
def test_a_connection_without_keys_or_environment_is_not_opened(environment: Environment) -> None:
    """Alpaca needs keys, and knows paper and live only."""
    broker = AlpacaBroker(StillClock())
    for credentials, where in ((None, Environment.PAPER), (None, environment)):
        link = BrokerLink(connection_id="c", account_id="a", environment=where, credentials=credentials)
        with pytest.raises(GatewayError) as caught:
            broker.open(link)
        assert caught.value.reason is Reason.CONNECTION_NOT_USABLE


async def test_an_adapter_prints_no_secret(alpaca: ScriptedAlpaca) -> None:
    """Neither the adapter nor anything one step inside it shows the key or its secret."""
    broker = alpaca.open()
    inside: Sequence[Any] = [broker, *vars(broker).values(), *vars(broker._session).values()]
    shown = " ".join(repr(each) for each in inside if not isinstance(each, dict))
    assert KEY not in shown
    assert SECRET not in shown
