"""Where a call comes from: the peer's address out of what gRPC says of it, never out of what the caller sends."""

import ipaddress
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

_REMEMBERED: Final = 8_192
_NETWORK_BITS: Final = 64


@lru_cache(_REMEMBERED)
def address_of(peer: str) -> str:
    """Give the address without port of a peer such as `ipv4:10.0.0.1:50000`; empty where it has none.

    An IPv4 address in IPv6 clothes is given as what it is.
    """
    kind, _, rest = peer.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return ""
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


@lru_cache(_REMEMBERED)
def neighbourhood_of(peer: str) -> str:
    """Give whom a peer's failures count for: its address, or its IPv6 network, of which one host has 2^64 addresses."""
    address = address_of(peer)
    if ":" not in address:
        return address or peer.partition(":")[0]
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False))
