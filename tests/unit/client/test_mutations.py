from typing import Any

import grpc
import pytest

from brokergw.client import Client, GatewayCallError
from tests.fixtures.fake_gateway import API_KEY, Failure, FakeGateway

MARKET: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "type": "MARKET", "time_in_force": "DAY", "quantity": "1"}
KEY = "018f4e8c-7d3a-7b52-9c41-0f6f5f4f3a21"

UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE)
DRAINING = Failure(grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", "NONE", "SAME_KEY")
IN_PROGRESS = Failure(grpc.StatusCode.ABORTED, "IDEMPOTENCY_IN_PROGRESS", "POSSIBLE", "SAME_KEY", 0.001)
THROTTLED = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "NONE", "SAME_KEY", 0.001)
BUG = Failure(grpc.StatusCode.INTERNAL, "INTERNAL_ERROR", "POSSIBLE", "SAME_KEY")
DENIED = Failure(grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_BUYING_POWER", "NONE", "NEW_KEY")
REUSED = Failure(grpc.StatusCode.FAILED_PRECONDITION, "IDEMPOTENCY_KEY_REUSED", "EXISTS", "NEVER")
REVOKED = Failure(grpc.StatusCode.UNAUTHENTICATED, "API_KEY_REVOKED", "NONE", "NEVER")
NEWER = Failure(grpc.StatusCode.FAILED_PRECONDITION, "REASON_OF_NEXT_YEAR", "NONE", "ASK_AGAIN_POLITELY")
FORBIDDEN_BY_PROXY = Failure(grpc.StatusCode.PERMISSION_DENIED)


@pytest.mark.parametrize(
    "failure",
    [UNAVAILABLE, DRAINING, IN_PROGRESS, THROTTLED, BUG, Failure(grpc.StatusCode.UNKNOWN)],
    ids=lambda failure: failure.reason or failure.code.name,
)
async def test_a_doubtful_failure_is_repeated_identically_under_the_same_key(
    fake_gateway: FakeGateway, quick_client: Client, failure: Failure
) -> None:
    """On anything but OK or order_effect=NONE the very same request goes again, key included."""
    fake_gateway.fail("SubmitOrder", failure, failure)

    await quick_client.submit("acc_1", **MARKET)

    first, *others = [call.request for call in fake_gateway.seen("SubmitOrder")]
    assert len(others) == 2
    assert all(other == first for other in others)
    assert len(first.idempotency_key) == 36


@pytest.mark.parametrize("failure", [DENIED, REUSED, REVOKED, NEWER, FORBIDDEN_BY_PROXY], ids=lambda f: f.reason)
async def test_a_final_refusal_is_not_repeated(
    fake_gateway: FakeGateway, quick_client: Client, failure: Failure
) -> None:
    """A refusal that takes a new key, or none, reaches the caller after one attempt."""
    fake_gateway.fail("SubmitOrder", failure)

    with pytest.raises(GatewayCallError) as refused:
        await quick_client.submit("acc_1", **MARKET)

    assert refused.value.reason == failure.reason
    assert len(fake_gateway.seen("SubmitOrder")) == 1


async def test_an_answer_that_never_comes_is_asked_for_again_within_the_deadline(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """An attempt takes half of the caller's time at most, so that its key can be asked once more."""
    fake_gateway.fail("SubmitOrder", 30.0)

    await quick_client.submit("acc_1", timeout_s=2.0, **MARKET)

    first, second = fake_gateway.seen("SubmitOrder")
    assert first.request.idempotency_key == second.request.idempotency_key
    assert first.timeout_s is not None
    assert first.timeout_s < 1.1


async def test_the_deadline_ends_repetition_and_the_error_hands_the_key_back(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """When time is up the caller learns that an order may exist, and the key that finds out."""
    fake_gateway.fail("SubmitOrder", 30.0, 30.0, 30.0)

    with pytest.raises(GatewayCallError) as failed:
        await quick_client.submit("acc_1", timeout_s=1.2, idempotency_key=KEY, **MARKET)

    assert failed.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert failed.value.order_effect == "POSSIBLE"
    assert failed.value.idempotency_key == KEY
    assert failed.value.retry == "SAME_KEY"


async def test_a_wait_longer_than_the_deadline_is_not_begun(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """A server that asks for a minute gets its caller's error at once."""
    slow = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "NONE", "SAME_KEY", 60.0)
    fake_gateway.fail("SubmitOrder", slow)

    with pytest.raises(GatewayCallError) as failed:
        await quick_client.submit("acc_1", **MARKET)

    assert failed.value.retry_after_s == 60.0
    assert len(fake_gateway.seen("SubmitOrder")) == 1


async def test_a_refusal_at_the_door_does_not_settle_an_earlier_attempt(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """An attempt whose answer was lost stays in doubt when the next is refused before its key is looked at."""
    fake_gateway.fail("SubmitOrder", UNAVAILABLE, REVOKED)

    with pytest.raises(GatewayCallError) as failed:
        await quick_client.submit("acc_1", **MARKET)

    assert failed.value.reason == "API_KEY_REVOKED"
    assert failed.value.order_effect == "POSSIBLE"
    assert failed.value.retry == "SAME_KEY"


async def test_a_decision_on_the_key_settles_an_earlier_attempt(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """A gate's denial under the key proves that the attempt before it left nothing either."""
    fake_gateway.fail("SubmitOrder", UNAVAILABLE, DENIED)

    with pytest.raises(GatewayCallError) as failed:
        await quick_client.submit("acc_1", **MARKET)

    assert failed.value.order_effect == "NONE"
    assert failed.value.retry == "NEW_KEY"


async def test_each_intent_gets_a_key_of_its_own(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Two calls are two intents, so their keys differ; a key that is given is used."""
    await quick_client.submit("acc_1", **MARKET)
    await quick_client.submit("acc_1", **MARKET)
    await quick_client.submit("acc_1", idempotency_key=KEY, **MARKET)

    keys = [call.request.idempotency_key for call in fake_gateway.seen("SubmitOrder")]
    assert len(set(keys)) == 3
    assert keys[2] == KEY


async def test_every_mutation_of_the_contract_carries_a_key(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Modify, cancel, cancel-all, flatten and close-all are keyed like a submit."""
    await quick_client.modify("ord_1", quantity="2")
    await quick_client.cancel("ord_1", etag='"3"')
    await quick_client.cancel_all("acc_1", symbol="AAPL")
    await quick_client.flatten("acc_1")
    await quick_client.close_all()

    methods = ["ModifyOrder", "CancelOrder", "CancelAllOrders", "Flatten", "CloseAll"]
    assert [call.method for call in fake_gateway.calls] == methods
    assert all(call.request.idempotency_key for call in fake_gateway.calls)


async def test_a_connection_is_created_once_whatever_happens(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """CreateConnection has no key, so it is never repeated."""
    fake_gateway.fail("CreateConnection", UNAVAILABLE)

    with pytest.raises(GatewayCallError):
        await quick_client.create_connection("alpaca", "paper", key="id", secret="hidden")

    assert len(fake_gateway.seen("CreateConnection")) == 1


async def test_the_api_key_travels_as_a_bearer_token_and_is_never_shown(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """The key is in the metadata of the call and in no repr."""
    await quick_client.submit("acc_1", **MARKET)

    assert fake_gateway.calls[0].metadata["authorization"] == f"Bearer {API_KEY}"
    assert API_KEY not in repr(quick_client)
    assert API_KEY not in repr(quick_client._caller)
