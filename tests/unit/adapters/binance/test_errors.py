"""What Binance's refusals come to; only the table refuses."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.adapters.binance.config import Product
from brokergw.adapters.binance.errors import RULES, judged, read_refusal
from brokergw.transport.answers import Verdict
from brokergw.transport.http import Reply

REFUSED, NOT_TAKEN, UNKNOWN = Verdict.REFUSED, Verdict.NOT_TAKEN, Verdict.UNKNOWN
BALANCE = "Account has insufficient balance for requested action."
BUSY = "Internal error; unable to process your request. Please try again."
PERHAPS = "Unknown error, please check your request or try again later."
SPOT = [
    (400, -1013, "Filter failure: PRICE_FILTER", REFUSED, "INVALID_PRICE"),
    (400, -1013, "Filter failure: LOT_SIZE", REFUSED, "INVALID_QUANTITY"),
    (400, -1013, "Filter failure: MARKET_LOT_SIZE", REFUSED, "INVALID_QUANTITY"),
    (400, -1013, "Filter failure: NOTIONAL", REFUSED, "MINIMUM_SIZE"),
    (400, -1013, "Filter failure: MIN_NOTIONAL", REFUSED, "MINIMUM_SIZE"),
    (400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", REFUSED, "PRICE_OUTSIDE_BAND"),
    (400, -1013, "Filter failure: MAX_NUM_ALGO_ORDERS", REFUSED, "TOO_MANY_ORDERS"),
    (400, -1013, "Filter failure: SOMETHING_NEW", UNKNOWN, ""),
    (400, -2010, BALANCE, REFUSED, "INSUFFICIENT_FUNDS"),
    (400, -2010, "Duplicate order sent.", REFUSED, "DUPLICATE_CLIENT_ID"),
    (400, -2010, "Market is closed.", REFUSED, "MARKET_CLOSED"),
    (400, -2010, "Order would trigger immediately.", REFUSED, "STOP_WOULD_TRIGGER"),
    (400, -2010, "Order would immediately match and take.", REFUSED, "WOULD_TAKE_LIQUIDITY"),
    (400, -2010, "This symbol is not permitted for this account.", REFUSED, "NOT_PERMITTED"),
    (400, -2010, "words that nobody has read yet", UNKNOWN, ""),
    (400, -2011, "Unknown order sent.", REFUSED, "NOT_FOUND"),
    (400, -2011, "Order was not canceled due to cancel restrictions.", REFUSED, "ORDER_NOT_OPEN"),
    (400, -2022, "Order cancel-replace failed.", REFUSED, "REPLACE_REJECTED"),
    (409, -2021, "Order cancel-replace partially failed.", UNKNOWN, ""),
]
FUTURES = [
    (400, -2021, "Order would immediately trigger.", REFUSED, "STOP_WOULD_TRIGGER"),
    (400, -2022, "ReduceOnly Order is rejected.", REFUSED, "REDUCE_ONLY_REJECTED"),
    (400, -2019, "Margin is insufficient.", REFUSED, "INSUFFICIENT_FUNDS"),
    (400, -4116, "ClientOrderId is duplicated.", REFUSED, "DUPLICATE_CLIENT_ID"),
    (400, -4164, "Order's notional must be no smaller than 50", REFUSED, "MINIMUM_SIZE"),
    (400, -4046, "No need to change margin type.", REFUSED, "NOTHING_TO_DO"),
    (400, -4061, "Order's position side does not match user's setting.", REFUSED, "POSITION_MODE"),
    (400, -5022, "Post Only order will be rejected.", REFUSED, "WOULD_TAKE_LIQUIDITY"),
    (503, None, BUSY, NOT_TAKEN, "BROKER_BUSY"),
    (503, None, "Service Unavailable.", NOT_TAKEN, "BROKER_BUSY"),
    (503, None, PERHAPS, UNKNOWN, ""),
    (400, -2010, BALANCE, UNKNOWN, ""),
]
BOTH = [
    (429, -1003, "Too much request weight used", NOT_TAKEN, "RATE_LIMITED"),
    (418, -1003, "banned", NOT_TAKEN, "RATE_LIMITED"),
    (429, -1015, "Too many new orders", NOT_TAKEN, "ORDER_RATE_LIMITED"),
    (400, -1021, "Timestamp for this request is outside of the recvWindow.", NOT_TAKEN, "CLOCK_SKEW"),
    (503, -1008, "Server is currently overloaded", NOT_TAKEN, "BROKER_BUSY"),
    (400, -1022, "Signature for this request is not valid.", NOT_TAKEN, "CREDENTIALS_REFUSED"),
    (401, -2015, "Invalid API-key, IP, or permissions for action.", NOT_TAKEN, "CREDENTIALS_REFUSED"),
    (400, -2014, "API-key format invalid.", NOT_TAKEN, "CREDENTIALS_REFUSED"),
    (400, -1121, "Invalid symbol.", REFUSED, "UNKNOWN_SYMBOL"),
    (400, -1102, "Mandatory parameter", REFUSED, "INVALID_TERMS"),
    (400, -2013, "Order does not exist.", REFUSED, "NOT_FOUND"),
    (504, -1007, "Timeout waiting for response from backend server.", UNKNOWN, ""),
    (400, -1006, "An unexpected response was received from the message bus.", UNKNOWN, ""),
    (500, -1000, "An unknown error occurred", UNKNOWN, ""),
    (500, -1121, "Invalid symbol.", UNKNOWN, ""),
    (403, None, "<html>", UNKNOWN, ""),
]
CASES = [
    *((Product.SPOT, *each) for each in SPOT + BOTH),
    *((Product.FUTURES, *each) for each in FUTURES + BOTH),
]


@pytest.mark.parametrize(("product", "status", "code", "words", "verdict", "reason"), CASES)
def test_each_answer_has_its_meaning(
    product: Product, status: int, code: int | None, words: str, verdict: Verdict, reason: str
) -> None:
    """A product's code and words come to one verdict and one canonical reason."""
    body = {"msg": words} if code is None else {"code": code, "msg": words}
    refusal = judged(product, status, body)
    assert (refusal.verdict, refusal.reason) == (verdict, reason)


@given(status=st.integers(500, 599), code=st.sampled_from([rule.code for rule in RULES if rule.code]))
def test_no_trouble_inside_is_a_refusal(status: int, code: str) -> None:
    """A status of 500 or above never proves that a command was refused, whatever code comes with it."""
    body = json.dumps({"code": int(code), "msg": "words"}).encode()
    for product in Product:
        assert read_refusal(product, Reply(status, httpx.Headers(), body)).verdict is not REFUSED
