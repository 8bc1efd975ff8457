"""TLS that follows its files, and plaintext only where nobody listens in."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from brokerapi.v1 import orders_pb2 as pb
from brokerapi.v1 import orders_pb2_grpc
from grpc import aio

from brokergw.rpc.settings import RpcSettings, TlsSettings
from brokergw.rpc.tls import StartRefused, TlsFiles, credentials_of, is_loopback
from tests.fixtures.certificates import Authority
from tests.fixtures.edge import KEY, Edge, MakeEdge

GET = pb.GetOrderRequest(order_id="ord_1")


def _write(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)


def _remove(path: str) -> None:
    Path(path).unlink()


async def _get(edge: Edge, roots: bytes, leaf: Any = None) -> grpc.StatusCode:
    pair = {"private_key": leaf.private_key, "certificate_chain": leaf.certificate} if leaf else {}
    credentials = grpc.ssl_channel_credentials(root_certificates=roots, **pair)
    options = (("grpc.ssl_target_name_override", "localhost"),)
    async with aio.secure_channel(f"127.0.0.1:{edge.port}", credentials, options=options) as channel:
        try:
            await orders_pb2_grpc.OrderServiceStub(channel).GetOrder(GET, metadata=KEY, timeout=5)
        except aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_a_new_certificate_is_used_without_a_restart(make_edge: MakeEdge, tmp_path: Path) -> None:
    """Once the files are exchanged, new connections see the new certificate; broken files leave the old one in use."""
    old, new = Authority("old"), Authority("new")
    certificate, key = old.leaf().write(tmp_path)
    edge = await make_edge(tls=TlsSettings(certificate=certificate, private_key=key))
    assert await _get(edge, old.pem) is grpc.StatusCode.OK
    new.leaf().write(tmp_path)
    assert await _get(edge, old.pem) is grpc.StatusCode.UNAVAILABLE
    assert await _get(edge, new.pem) is grpc.StatusCode.OK
    _remove(certificate)
    assert await _get(edge, new.pem) is grpc.StatusCode.OK


async def test_half_a_pair_leaves_the_old_one_in_use(make_edge: MakeEdge, tmp_path: Path) -> None:
    """A certificate whose key has not arrived yet is not used; the pair is, once both are there."""
    old, new = Authority("old"), Authority("new")
    certificate, key = old.leaf().write(tmp_path)
    edge = await make_edge(tls=TlsSettings(certificate=certificate, private_key=key))
    leaf = new.leaf()
    _write(certificate, leaf.certificate)
    assert await _get(edge, old.pem) is grpc.StatusCode.OK
    _write(key, leaf.private_key)
    assert await _get(edge, new.pem) is grpc.StatusCode.OK


async def test_a_client_ca_lets_only_its_clients_in(make_edge: MakeEdge, tmp_path: Path) -> None:
    """With a client CA a connection needs a certificate of it, beside the key of the call."""
    server, clients, strangers = Authority("server"), Authority("clients"), Authority("strangers")
    certificate, key = server.leaf().write(tmp_path)
    ca = tmp_path / "clients.pem"
    ca.write_bytes(clients.pem)
    edge = await make_edge(tls=TlsSettings(certificate=certificate, private_key=key, client_ca=str(ca)))
    assert await _get(edge, server.pem, clients.leaf()) is grpc.StatusCode.OK
    assert await _get(edge, server.pem) is grpc.StatusCode.UNAVAILABLE
    assert await _get(edge, server.pem, strangers.leaf()) is grpc.StatusCode.UNAVAILABLE


def test_an_unreadable_file_refuses_the_start(tmp_path: Path) -> None:
    """A path that cannot be read, or a pair that does not belong together, is told before the server listens."""
    certificate, key = Authority("a").leaf().write(tmp_path)
    with pytest.raises(StartRefused, match="none cannot be read"):
        credentials_of(RpcSettings(tls=TlsSettings(certificate=str(tmp_path / "none"), private_key=key)))
    Path(key).write_bytes(Authority("b").leaf().private_key)
    with pytest.raises(StartRefused, match="do not belong together"):
        TlsFiles(TlsSettings(certificate=certificate, private_key=key)).credentials()


def test_plaintext_is_for_loopback_unless_forced() -> None:
    """Beyond loopback the start is refused with what to do, unless plaintext is allowed in so many words."""
    for host in ("0.0.0.0", "10.1.2.3", "::", "gateway.example", ""):
        assert not is_loopback(host)
        with pytest.raises(StartRefused, match="TLS certificate"):
            credentials_of(RpcSettings(host=host))
        assert credentials_of(RpcSettings(host=host, allow_plaintext=True)) is None
    for host in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "unix:/run/gw.sock"):
        assert is_loopback(host)
        assert credentials_of(RpcSettings(host=host)) is None


async def test_a_taken_port_refuses_the_start(make_edge: MakeEdge) -> None:
    """Two servers never share a port: the second one is refused."""
    first = await make_edge()
    with pytest.raises(StartRefused, match="cannot listen"):
        await make_edge(port=first.port)
