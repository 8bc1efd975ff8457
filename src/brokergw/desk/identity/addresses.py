"""From where a credential may be used: blocks of addresses in CIDR notation."""

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from brokergw.model.errors import GatewayError, Reason

Block: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Addresses:
    """A list of blocks; an empty one allows every address, any other none that cannot be read."""

    def __init__(self, blocks: Iterable[str]) -> None:
        self._blocks = tuple(map(block_of, blocks))
        self._allowed = ""

    def require(self, address: str) -> None:
        """Raise ADDRESS_NOT_ALLOWED for an address outside of every block."""
        if not self._blocks or (address and address == self._allowed):
            return
        if not self._holds(address):
            raise GatewayError(Reason.ADDRESS_NOT_ALLOWED, "the credential is not for use from this address")
        # A caller stays where it is, mostly.
        self._allowed = address

    def _holds(self, address: str) -> bool:
        try:
            read = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(read, ipaddress.IPv6Address) and read.ipv4_mapped is not None:
            read = read.ipv4_mapped
        return any(read in block for block in self._blocks)


def block_of(text: str) -> Block:
    """Read a block such as `10.0.0.0/8` or a single address; raises ValueError that names the rule."""
    try:
        return ipaddress.ip_network(text, strict=True)
    except ValueError:
        raise ValueError(f"{text!r} is no address and no CIDR block (the bits beyond the mask must be 0)") from None
