"""Whatever bytes come, to whatever method: a published reason or gRPC's own refusal, and nothing of the inside."""

import random
import re
import zlib
from typing import Any

import grpc
import pytest
from grpc import aio

from brokergw.rpc.methods import POLICIES
from brokergw.rpc.policy import MethodPolicy
from tests.fixtures.edge import KEY, Edge, MakeEdge, refusal_of

INSIDE = re.compile(
    r"Traceback|Error\b.*\(|\.py\b|google\.protobuf|<class|object at 0x|DecodeError|brokergw\.(rpc|desk)"
)
_ROUNDS = 8


def bodies(seed: int) -> list[bytes]:
    """Make bytes of every bad kind: noise, broken text, endless lengths, deep nests, floods of a field."""
    dice = random.Random(seed)
    nest = b""
    for _ in range(200):
        nest = b"\x1a" + bytes([min(len(nest), 127)]) + nest[:127]
    noise = [dice.randbytes(dice.randrange(1, 200)) for _ in range(_ROUNDS)]
    return [b"\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f", nest, b"\x0a\x01x" * 20_000, b"\x0b" * 300, *noise]


async def _said(edge: Edge, policy: MethodPolicy, body: bytes) -> tuple[grpc.StatusCode, str] | None:
    channel: Any = edge.channel
    if policy.streams:
        call = channel.unary_stream(policy.method)(body, metadata=KEY, timeout=5)
        waiting = call.read()
    else:
        call = channel.unary_unary(policy.method)(body, metadata=KEY, timeout=5)
        waiting = call
    try:
        await waiting
    except aio.AioRpcError as error:
        details = str(refusal_of(error).details) if error.trailing_metadata() else ""
        return error.code(), f"{error.details()} {details}"
    call.cancel()
    return None


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.method.rpartition(".")[2])
async def test_no_bytes_bring_the_inside_out(edge: Edge, policy: MethodPolicy) -> None:
    """Each answer is a status with details of ours, never UNKNOWN, and shows no class, file or module."""
    for body in bodies(zlib.crc32(policy.method.encode())):
        said = await _said(edge, policy, body)
        if said is not None:
            code, text = said
            assert code is not grpc.StatusCode.UNKNOWN, (body[:40], text)
            assert INSIDE.search(text) is None, text


async def test_a_compressed_bomb_is_refused_small(make_edge: MakeEdge) -> None:
    """A message that grows beyond the limit when it is unpacked is refused by the transport, before the gateway."""
    edge = await make_edge()
    channel: Any = edge.channel
    call = channel.unary_unary("/brokerapi.v1.OrderService/GetOrder")(
        b"\0" * 64_000_000, metadata=KEY, timeout=20, compression=grpc.Compression.Gzip
    )
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert edge.desk.seen == []
