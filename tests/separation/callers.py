"""Two users of one gateway: what one of them has, and how the other asks for it."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from brokerapi.v1 import orders_pb2, trading_pb2
from google.protobuf.message import Message
from grpc import aio

from brokergw.app.build import Gateway
from brokergw.app.keys import COMMAND_LINE, request_of
from brokergw.app.settings import Settings
from brokergw.model.principal import Role, Scope
from brokergw.rpc.methods import POLICIES
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.wire.cursor import Cursors
from brokergw.rpc.wire.paging import PageTokens
from tests.fixtures.edge import Refusal, refusal_of
from tests.fixtures.patience import BUSY, Repeating

ALICE: Final = "alice"
BOB: Final = "bob"
CALL_S: Final = 10.0
_LATE: Final = frozenset({"BROKER_UNREACHABLE"})
"""What an order is told that a busy machine could not let out in time; the mock broker is never away."""

_MANAGING: Final = frozenset({Scope.KEYS_READ, Scope.KEYS_WRITE})
"""A key that trades manages no keys."""

NAMED: Final = {
    "account_id": "acc_",
    "account_ids": "acc_",
    "certificate_id": "crt_",
    "connection_id": "con_",
    "key_id": "key_",
    "order_id": "ord_",
    "reconciliation_id": "rec_",
    "user_id": "",
}
"""Fields that name a thing of somebody's by an id, and how such an id begins."""

CHOSEN: Final = frozenset({"client_order_id", "idempotency_key", "run_id", "strategy_id"})
"""Fields whose values a client chooses, each user for itself."""

TOKENS: Final = frozenset({"cursor", "min_cursor", "page_token"})
"""Fields that the gateway signs for one user."""

_WORDS: Final = """
action addresses all_users allow_duplicate asset_classes broker cash cash_tolerance cause client_id client_secret
client_time code daily_loss_max daily_volume_max data_url days enabled end environment environment_max epoch error
etag evidence expire_time exposure_max extended_hours fault fee_bps fee_per_contract flatten from_now
heartbeat_interval issuer key kind label labels leverage leverage_max limit_price live_url margin_type market_orders
match max_batch mfa_code mode name not_placed notional open_only open_orders_max order_class order_notional_max
order_quantity_max orders_per_day_max orders_per_minute_max overlap override_mismatch page_size paper_url placed_as
position_effect position_mode position_notional_max positions price_collar_percent quantity ratio reason reduce_only
region regions requests_per_minute return_partial_success role scope scopes secret set_by set_time side since_time
snapshot start state status stop_price symbol symbols time_in_force token_id trail trail_amount trail_percent type
until_time validate_only value version zone
"""
PLAIN: Final = frozenset(_WORDS.split())
"""Fields that name nothing of anybody's; the `state` of an authorisation is tried where those are."""


@dataclass(frozen=True, slots=True)
class Place:
    """A field of a request, by its names from the outside in."""

    path: tuple[str, ...]
    repeated: bool

    @property
    def name(self) -> str:
        """The field's own name."""
        return self.path[-1]

    def put(self, request: Any, value: str) -> None:
        """Set it."""
        for name in self.path[:-1]:
            request = getattr(request, name)
        if self.repeated:
            getattr(request, self.name).append(value)
        else:
            setattr(request, self.name, value)


def places_of(message: Any, path: tuple[str, ...] = ()) -> Iterator[Place]:
    """Find every field of a request that is a plain value, also in what it holds, but for lists of messages."""
    for each in message.fields:
        inner = each.message_type
        if inner is None or inner.full_name.startswith("google.") or inner.GetOptions().map_entry:
            yield Place((*path, each.name), each.is_repeated)
        elif not each.is_repeated and inner.full_name not in path:
            yield from places_of(inner, (*path, each.name))
        else:
            yield from (Place((*path, each.name, *place.path), repeated=True) for place in places_of(inner))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to: its status, and everything that it told."""

    code: grpc.StatusCode
    reason: str = ""
    text: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    details: str = ""
    told: bytes = b""

    def without(self, value: str) -> "Answer":
        """Leave out the value that was asked with, which a refusal may repeat."""
        if not value:
            return self
        metadata = tuple((name, text.replace(value, "<asked>")) for name, text in self.metadata)
        details = self.details.replace(value, "<asked>")
        return Answer(self.code, self.reason, self.text.replace(value, "<asked>"), metadata, details)


@dataclass
class Pair:
    """A gateway in this process with two users, and what belongs to the first."""

    gateway: Gateway
    channel: aio.Channel
    tokens: dict[str, str]
    managing: dict[str, str]
    has: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def secrets(self) -> list[bytes]:
        """Values of Alice's that no answer to Bob may hold."""
        kinds = ("account_id", "connection_id", "key_id", "order_id", "fill_id", "label")
        return [self.has[ALICE][kind].encode() for kind in kinds]

    async def call(self, user: str, policy: MethodPolicy, request: Message) -> Answer:
        """Call once as a user; of a stream the first message is told."""
        managing = policy.scope in _MANAGING
        identity = (("authorization", f"Bearer {(self.managing if managing else self.tokens)[user]}"),)
        try:
            if policy.streams:
                return await self._first(policy, request, identity)
            asked = self.channel.unary_unary(policy.method, type(request).SerializeToString, bytes)
            told: bytes = await asked(request, metadata=identity, timeout=CALL_S)
        except aio.AioRpcError as error:
            return _refused(refusal_of(error))
        return Answer(grpc.StatusCode.OK, told=told)

    async def _first(self, policy: MethodPolicy, request: Message, identity: Any) -> Answer:
        stream = self.channel.unary_stream(policy.method, type(request).SerializeToString, bytes)(
            request, metadata=identity, timeout=CALL_S
        )
        try:
            told = await stream.read()
        finally:
            with suppress(Exception):
                stream.cancel()
        return Answer(grpc.StatusCode.OK, told=told if isinstance(told, bytes) else b"")

    def token(self, user: str, kind: str, request: Message) -> str:
        """Make a token that is good for a user, for this very request."""
        key = self.gateway.secrets.cursor_key
        if kind == "page_token":
            return PageTokens(key).next(user, request, self.has[user]["order_id"])
        epoch = self.gateway.store.journal.epoch
        return Cursors(key, lambda: epoch).issue(user, {self.has[user]["account_id"]: 1})


def _refused(refusal: Refusal) -> Answer:
    metadata = {name: text for name, text in refusal.metadata.items() if name not in {"incident", "request_id"}}
    told = {name: str(each) for name, each in refusal.details.items() if name not in {"ErrorInfo", "RequestInfo"}}
    return Answer(
        refusal.code, refusal.reason, refusal.text, tuple(sorted(metadata.items())), str(sorted(told.items()))
    )


@asynccontextmanager
async def opened_pair(settings: Settings) -> AsyncIterator[Pair]:
    """Run a gateway where each of two users has a key, an account, orders and fills."""
    gateway = Gateway.build(settings)
    scopes = {policy.scope for policy in POLICIES if policy.scope is not None and Role.USER in policy.roles}
    keys, managing = {}, {}
    issue = gateway.identity.access.keys.issue
    for user in (ALICE, BOB):
        keys[user] = await issue(COMMAND_LINE, user, request_of("tests", sorted(scopes - _MANAGING)))
        _, managing[user] = await issue(COMMAND_LINE, user, request_of("keys", sorted(_MANAGING)))
    port = await gateway.start()
    channel = aio.insecure_channel(
        f"127.0.0.1:{port}", options=(("grpc.use_local_subchannel_pool", 1),), interceptors=[Repeating(BUSY | _LATE)]
    )
    try:
        pair = Pair(gateway, channel, {user: secret for user, (_, secret) in keys.items()}, managing)
        for user in (ALICE, BOB):
            await _settle(pair, user, keys[user][0].key_id)
        yield pair
    finally:
        await channel.close()
        await gateway.drain()
        await gateway.stop()


async def _settle(pair: Pair, user: str, key_id: str) -> None:
    (connection,) = await pair.gateway.store.connections.list(user)
    pair.has[user] = {
        "user_id": user,
        "key_id": key_id,
        "connection_id": connection.connection_id,
        "account_id": connection.account_id,
    }
    await _trade(pair, user)


async def _trade(pair: Pair, user: str) -> None:
    """Have one order filled and leave one open."""
    has = pair.has[user]
    has |= {"idempotency_key": str(uuid.uuid4()), "client_order_id": f"chosen-{user}"}
    has |= {"strategy_id": f"alpha-{user}", "run_id": f"run-of-{user}"}
    submit = next(policy for policy in POLICIES if policy.method.endswith("/SubmitOrder"))
    for limit, chosen in (("", ""), ("1.00", has["client_order_id"])):
        request = order_request(has["account_id"], limit)
        request.strategy_id, request.run_id, request.client_order_id = has["strategy_id"], has["run_id"], chosen
        request.labels["note"] = has["label"] = f"only {user} knows"
        request.idempotency_key = has["idempotency_key"] if chosen else str(uuid.uuid4())
        answer = await pair.call(user, submit, request)
        assert answer.code is grpc.StatusCode.OK, answer
        has["order_id"] = orders_pb2.SubmitOrderResponse.FromString(answer.told).order.order_id
    fills = await pair.gateway.store.journal.fills(user, (has["account_id"],))
    has["fill_id"] = fills[0].fill_id


def order_request(account_id: str, limit: str = "") -> orders_pb2.SubmitOrderRequest:
    """Make a small order at the mock broker."""
    request = orders_pb2.SubmitOrderRequest(account_id=account_id, allow_duplicate=True)
    order = request.order
    order.symbol, order.side = "AAPL", trading_pb2.SIDE_BUY
    order.quantity = "1"
    order.time_in_force = trading_pb2.TIME_IN_FORCE_DAY
    order.type = trading_pb2.ORDER_TYPE_LIMIT if limit else trading_pb2.ORDER_TYPE_MARKET
    if limit:
        order.limit_price = limit
    return request
