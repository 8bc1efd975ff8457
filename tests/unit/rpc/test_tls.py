"""TLS that follows its files, and plaintext only where nobody listens in."""

import asyncio
import contextlib
import socket
import ssl
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from brokerapi.v1 import fills_pb2, fills_pb2_grpc, orders_pb2_grpc
from brokerapi.v1 import orders_pb2 as pb
from grpc import aio

from brokergw.rpc.settings import RpcSettings, TlsSettings
from brokergw.rpc.tls import StartRefused, TlsFiles, credentials_of, is_loopback
from tests.fixtures.certificates import Authority
from tests.fixtures.edge import KEY, Edge, MakeEdge
from tests.reasons import SkipReason, skip

OLD = [(ssl.TLSVersion.TLSv1, "TLSv1"), (ssl.TLSVersion.TLSv1_1, "TLSv1.1")]
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


def _shake_hands(port: int, version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> tuple[str, str]:
    """Try a handshake that offers one version; gives what was agreed on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        # It is old versions that are offered.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), 5) as wire,
        context.wrap_socket(wire, server_hostname="localhost") as channel,
    ):
        agreed = channel.cipher()
        return str(channel.version()), agreed[0] if agreed else ""


def _old_server(certificate: str, key: str, version: ssl.TLSVersion) -> tuple[socket.socket, threading.Thread]:
    """Serve one handshake of an old version, whatever the machine's own rules are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        wire, _ = listening.accept()
        with wire, contextlib.suppress(ssl.SSLError, OSError), context.wrap_socket(wire, server_side=True) as channel:
            channel.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listening, thread


@pytest.mark.parametrize(("version", "name"), OLD)
def test_the_client_of_these_tests_speaks_old_versions(tmp_path: Path, version: ssl.TLSVersion, name: str) -> None:
    """Where somebody lets it: so a refusal by the gateway is the gateway's own."""
    certificate, key = Authority("server").leaf().write(tmp_path)
    listening, thread = _old_server(certificate, key, version)
    try:
        assert _shake_hands(listening.getsockname()[1], version)[0] == name
    except ssl.SSLError as error:
        skip(SkipReason.OLD_TLS_MISSING, str(error.reason))
    finally:
        thread.join(5)
        listening.close()


async def test_a_server_that_speaks_1_2_where_1_3_is_the_least_does_not_start(
    make_edge: MakeEdge, tmp_path: Path
) -> None:
    """GRPC in this process was loaded without the ciphers that leave TLS 1.3 alone, and that is found out."""
    certificate, key = Authority("server").leaf().write(tmp_path)
    files = TlsSettings(certificate=certificate, private_key=key, version_min="1.3")
    for settings in (files, replace(files, client_ca=certificate)):
        with pytest.raises(StartRefused, match=r"TLS 1\.2 is spoken"):
            await make_edge(tls=settings)


async def test_old_versions_and_weak_ciphers_are_refused(make_edge: MakeEdge, tmp_path: Path) -> None:
    """TLS 1.2 and 1.3 are spoken, with ciphers that keep what was said secret for good; 1.0 and 1.1 are not."""
    certificate, key = Authority("server").leaf().write(tmp_path)
    edge = await make_edge(tls=TlsSettings(certificate=certificate, private_key=key))
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        spoken, cipher = await asyncio.to_thread(_shake_hands, edge.port, version)
        assert spoken == name
        assert cipher.startswith(("ECDHE-", "TLS_"))
        assert "GCM" in cipher or "CHACHA20" in cipher
    for version, _ in OLD:
        with pytest.raises((ssl.SSLError, OSError)):
            await asyncio.to_thread(_shake_hands, edge.port, version)
    for weak in ("AES128-SHA:@SECLEVEL=0", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"):
        with pytest.raises((ssl.SSLError, OSError)):
            await asyncio.to_thread(_shake_hands, edge.port, ssl.TLSVersion.TLSv1_2, weak)


async def test_a_new_certificate_cuts_no_stream(make_edge: MakeEdge, tmp_path: Path) -> None:
    """A stream that stands goes on over the exchange of the files; its connection was shaken hands on before."""
    old, new = Authority("old"), Authority("new")
    certificate, key = old.leaf().write(tmp_path)
    edge = await make_edge(tls=TlsSettings(certificate=certificate, private_key=key))
    credentials = grpc.ssl_channel_credentials(root_certificates=old.pem)
    options = (("grpc.ssl_target_name_override", "localhost"),)
    async with aio.secure_channel(f"127.0.0.1:{edge.port}", credentials, options=options) as channel:
        stream = fills_pb2_grpc.FillServiceStub(channel).SubscribeFills(fills_pb2.SubscribeFillsRequest(), metadata=KEY)
        await stream.initial_metadata()
        new.leaf().write(tmp_path)
        assert await _get(edge, new.pem) is grpc.StatusCode.OK
        assert not stream.done()
        answer = await orders_pb2_grpc.OrderServiceStub(channel).GetOrder(GET, metadata=KEY, timeout=5)
        assert answer.order.order_id
        stream.cancel()
