"""Frames that leave under a permit: it is spent by the first byte, in the step that gives it to the socket."""

from functools import partial

import aiohttp

from brokergw.ports.permit import Permit, PermitExpired, PermitSpent
from brokergw.transport.connecting import OUTLET, Outlet
from brokergw.transport.http import NotSentError, UnknownError


def guard_by(permit: Permit, socket: aiohttp.ClientWebSocketResponse) -> None:
    """Have a permit spent by the next bytes of a socket; raises NotSentError where there is no way out any more."""
    outlet = socket.get_extra_info(OUTLET)
    if not isinstance(outlet, Outlet):
        raise NotSentError("the link is lost")
    outlet.ask(partial(_spend, permit, outlet))


def _spend(permit: Permit, outlet: Outlet) -> bool:
    if outlet.stuck:
        raise NotSentError("the other side is behind in its reading")
    try:
        permit.spend()
    except PermitExpired as expired:
        raise NotSentError(str(expired)) from expired
    except PermitSpent as spent:
        raise UnknownError(str(spent)) from spent
    return True
