"""Where a call comes from."""

import pytest

from brokergw.rpc.peers import address_of, neighbourhood_of


@pytest.mark.parametrize(
    ("peer", "address", "neighbourhood"),
    [
        ("ipv4:10.0.0.1:50000", "10.0.0.1", "10.0.0.1"),
        ("ipv6:%5B::1%5D:50000", "::1", "::/64"),
        ("ipv6:[2001:db8::1:2]:50000", "2001:db8::1:2", "2001:db8::/64"),
        ("ipv6:[2001:db8:0:1::1]:1", "2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("ipv6:%5B::ffff:10.0.0.1%5D:50000", "10.0.0.1", "10.0.0.1"),
        ("ipv6:[fe80::1%25eth0]:50000", "fe80::1", "fe80::/64"),
        ("unix:", "", "unix"),
        ("unix:/run/brokergw.sock", "", "unix"),
        ("ipv4:somewhere:1", "", "ipv4"),
        ("", "", ""),
    ],
)
def test_an_address_is_read_from_the_connection(peer: str, address: str, neighbourhood: str) -> None:
    """Without its port, IPv4 as itself; what cannot be read is no address. Failures of IPv6 count for its network."""
    assert address_of(peer) == address
    assert neighbourhood_of(peer) == neighbourhood
