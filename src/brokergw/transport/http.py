"""One HTTP attempt, and whether it left the house.

Theory of operation: an order may be sent once. So every attempt ends in one of three ways: a `Reply`, a `NotSentError`
(no connection was ever handed over, hence no byte left) or an `UnknownError` (everything else). The proof of "not
sent" is taken at the one place that can give it, inside aiohttp around the hand-over of the connection, because layers
above lose it: a server that hangs up after reading the request can look like a failed connect there.
The same place keeps aiohttp from repeating PUT, DELETE and GET by itself when a kept-alive connection turns out dead.

A request under a permit has a better proof. Its permit is spent where headers and body, in one piece, are given to the
socket, after pool, DNS, TCP and TLS (aiohttp keeps the headers back until the body comes). So whatever went wrong, a
permit that can still be withdrawn means that no byte has left; and one that has expired meanwhile keeps them here.

A broker may be sick, and the others must not feel it. So a host has connections of its own, of which requests other
than cancels leave some free; what one broker's large answers hold together is bounded, and they are read at a bounded
pace; an answer that says itself that it is too large is not read at all.

Every answer tells the broker's time beside what it was asked for. Whoever wants to know says so of a host once, and
what its answers say is then kept for all who share the pool; the moments that it lies between are the hand-over of the
connection and the arrival of the head.

aiohttp's session is driven directly: httpx in front of it costs each request some 100 µs of processor time, and its
client would add redirects, cookies and hooks that an order must not meet. What stands in for the network in tests is
one of httpx's transports all the same.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from ssl import SSLContext
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection

from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit, PermitExpired, PermitSpent
from brokergw.transport.bodies import Bodies, TooLarge
from brokergw.transport.connecting import Connector, Outlet
from brokergw.transport.heard_clock import HeardClock, Question
from brokergw.transport.intake import MIB, Intake

logger = logging.getLogger(__name__)

_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_SECRET_WORDS: Final = ("key", "secret", "token", "sign", "passphrase")
_ALWAYS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "brokergw"}
_CANCEL_SHARE: Final = 0.1
"""The part of a host's connections that only cancels take."""


class NotSentError(Exception):
    """Proved: not one byte of the request left."""


class UnknownError(Exception):
    """The request may or may not have been received and acted upon.

    `stale` tells that the other side hung up without an answer, as a kept-alive connection does that has grown old.
    """

    def __init__(self, why: str, *, stale: bool = False) -> None:
        super().__init__(why)
        self.stale = stale


class _NeverConnected(aiohttp.ClientError):
    """No connection was handed to the request."""


class _HungUp(aiohttp.ClientError):
    """The connection broke after the request was handed to it."""


class _Refused(aiohttp.ClientError):
    """The permit did not let the request out."""


_permit: ContextVar[Permit | None] = ContextVar("permit", default=None)
"""What the attempt under way needs to let its first byte out; aiohttp has no other way to pass it down."""

_question: ContextVar[Question | None] = ContextVar("question", default=None)
"""When the attempt under way went out at the earliest, for whoever compares clocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Bounds of one attempt, in seconds; `total` runs from the call to the last byte of the answer."""

    connect: float = 3.0
    pool: float = 2.0
    read: float = 10.0
    total: float = 15.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer of any status."""

    status: int
    headers: httpx.Headers
    body: bytes


def redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """Copy headers with everything that may authenticate replaced by stars."""
    return {name: "***" if _may_authenticate(name.lower()) else value for name, value in headers.items()}


class Http:
    """A pool of connections, so many to each host, that sends each request at most once and follows no redirect.

    Several connections to one broker may share it: each `retain` is matched by a `release`, and the last one closes
    the pool; the next request would open a new one. `transport` replaces the network in tests.
    """

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        answer_bytes_max: int = 16 * MIB,
        connections_max: int = 100,
        transport: httpx.AsyncBaseTransport | None = None,
        intake: Intake | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._connections_max = connections_max
        self._given = transport
        self._bodies = Bodies(intake or Intake(bytes_per_s=8 * MIB), answer_bytes_max)
        self._rooms: dict[str, asyncio.Semaphore] = {}
        self._heard: dict[str, HeardClock] = {}
        self._session: aiohttp.ClientSession | None = None
        self._users = 0
        # aiohttp counts waiting for the pool and connecting as one span, so that span gets both.
        self._bounds = aiohttp.ClientTimeout(
            connect=self._timeouts.pool + self._timeouts.connect,
            sock_connect=self._timeouts.connect,
            sock_read=self._timeouts.read,
        )

    def retain(self) -> None:
        """Count one more user of the pool."""
        self._users += 1

    async def release(self) -> None:
        """Count one user less; the last one closes the pool."""
        self._users -= 1
        if self._users > 0:
            return
        if self._given is not None:
            await self._given.aclose()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def heard_clock(self, url: str, clock: Clock) -> HeardClock:
        """Give what the answers of a URL's host say of its clock, compared with `clock`, from the first call on."""
        return self._heard.setdefault(urlsplit(url).netloc, HeardClock(clock))

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        permit: Permit | None = None,
    ) -> Reply:
        """Make one attempt, under a permit where it has one; raises NotSentError or UnknownError."""
        if permit is None:
            return await self._attempt(method, url, headers, content)
        assert content, "a permit is spent where the body is written"
        token = _permit.set(permit)
        try:
            reply = await self._attempt(method, url, headers, content)
        except UnknownError as error:
            if permit.withdraw():
                raise NotSentError(f"not let out: {error}") from error
            raise
        finally:
            _permit.reset(token)
        if permit.withdraw():
            raise NotSentError("an answer came before the request")
        return reply

    async def _attempt(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Reply:
        whole = {**_ALWAYS, **headers}
        exchange = self._over_network if self._given is None else self._over_given
        host = urlsplit(url).netloc
        heard = self._heard.get(host)
        _question.set(None if heard is None else heard.ask())
        async with self._room(method, host):
            try:
                async with asyncio.timeout(self._timeouts.total):
                    reply = await exchange(method, url, whole, content)
            except TimeoutError:
                raise UnknownError(f"no complete answer within {self._timeouts.total:g} s") from None
        if logger.isEnabledFor(logging.DEBUG):
            where = httpx.URL(url)
            logger.debug("%s %s%s -> %d %s", method, where.host, where.path, reply.status, redacted(whole))
        return reply

    @asynccontextmanager
    async def _room(self, method: str, host: str) -> AsyncIterator[None]:
        """Wait for one of the host's connections, of which a cancel finds one sooner; raises NotSentError."""
        if method == "DELETE":
            yield
            return
        room = self._rooms.get(host)
        if room is None:
            most = self._connections_max - int(self._connections_max * _CANCEL_SHARE)
            room = self._rooms[host] = asyncio.Semaphore(most)
        try:
            async with asyncio.timeout(self._timeouts.pool):
                await room.acquire()
        except TimeoutError:
            raise NotSentError(f"no connection was free for {self._timeouts.pool:g} s") from None
        try:
            yield
        finally:
            room.release()

    async def _over_network(self, method: str, url: str, headers: dict[str, str], content: bytes | None) -> Reply:
        if self._session is None:
            self._session = self._open_session()
        with _head_understood():
            response = await self._session.request(
                method, url, headers=headers, data=content or None, allow_redirects=False, auto_decompress=False,
                timeout=self._bounds,
            )  # fmt: skip
        _hear(response.headers)
        try:
            body = await self._body(response.content.iter_any(), response.content_length or 0)
        except BaseException:
            # Also keeps what is left of the answer from being taken for the next one.
            response.close()
            raise
        return Reply(response.status, httpx.Headers(response.raw_headers), body)

    async def _over_given(self, method: str, url: str, headers: dict[str, str], content: bytes | None) -> Reply:
        assert self._given is not None
        with _head_understood():
            if (permit := _permit.get()) is not None:
                _spend(permit)
            request = httpx.Request(method, url, headers=headers, content=content)
            response = await self._given.handle_async_request(request)
        _hear(response.headers)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        try:
            body = await self._body(response.stream)
        finally:
            await response.aclose()
        return Reply(response.status_code, response.headers, body)

    async def _body(self, arriving: AsyncIterable[bytes], declared: int = 0) -> bytes:
        try:
            self._bodies.require_fitting(declared)
            return await self._bodies.take(arriving)
        except TooLarge as error:
            raise UnknownError(str(error)) from error
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise UnknownError(f"the answer broke off: {_words(error)}") from error

    def _open_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=Connector(limit_per_host=self._connections_max, ssl=_tls()),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_tell_phases,),
            request_class=_PermittedRequest,
        )


@contextmanager
def _head_understood() -> Iterator[None]:
    """Say of whatever keeps the head of an answer from coming whether the request left."""
    try:
        yield
    except TimeoutError:
        raise
    except _Refused as error:
        raise UnknownError(str(error)) from error
    except Exception as error:
        if _nothing_left(error):
            raise NotSentError(f"not connected: {_words(error)}") from error
        raise UnknownError(f"no answer: {_words(error)}", stale=isinstance(error, _HungUp)) from error


class _PermittedRequest(aiohttp.ClientRequest):
    """A request that asks its permit in the step that writes."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Go out on a connection: nothing has left before."""
        if (question := _question.get()) is not None:
            question.leaves()
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Write headers and body, or nothing."""
        if (permit := _permit.get()) is not None:
            if not isinstance(conn.transport, Outlet):
                _tell(conn, aiohttp.ClientConnectionResetError("the connection was lost"))
                return
            conn.transport.ask(partial(_let_out, permit, conn))
        await super().write_bytes(writer, conn, content_length)


def _let_out(permit: Permit, conn: Connection) -> bool:
    try:
        _spend(permit)
    except _Refused as refused:
        _tell(conn, refused)
        return False
    return True


def _spend(permit: Permit) -> None:
    try:
        permit.spend()
    except (PermitExpired, PermitSpent) as error:
        raise _Refused(str(error)) from error


def _tell(conn: Connection, error: Exception) -> None:
    """Have whoever waits for the answer hear of an error: headers and body may be written in a task of their own."""
    if conn.protocol is not None:
        conn.protocol.set_exception(error)


def _hear(headers: Mapping[str, str]) -> None:
    if (question := _question.get()) is not None:
        question.answered(headers.get("Date"), headers.get("Age"))


async def _tell_phases(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Name the phase an attempt broke in, by errors that no layer above repeats or renames.

    aiohttp raises the first group only while it acquires a connection (pool, DNS, TCP, TLS).
    """
    try:
        return await handler(request)
    except (
        aiohttp.ConnectionTimeoutError,
        aiohttp.ClientConnectorError,
        aiohttp.ClientConnectorSSLError,
        aiohttp.ClientConnectorCertificateError,
    ) as error:
        raise _NeverConnected(_words(error)) from error
    except _Refused:
        raise
    except (aiohttp.ClientError, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise _HungUp(_words(error)) from error


def _nothing_left(error: Exception) -> bool:
    if isinstance(error, _NeverConnected):
        return True
    # These are proofs only where httpx itself made them; translated from an aiohttp error they are not.
    proved = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return proved and not isinstance(error.__cause__, aiohttp.ClientError)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__.lstrip('_')}: {error}"[:200]


def _may_authenticate(name: str) -> bool:
    return name in _SECRET_HEADERS or any(word in name for word in _SECRET_WORDS)


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)
