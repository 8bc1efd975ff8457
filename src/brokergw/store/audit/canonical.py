"""The hash of an audit row: SHA-256 over one canonical text, so that any language can work it out again.

The text is a JSON array without spaces, everything beyond ASCII escaped: the name of the form, the chain, the row's
number in it, the hash of the row before (`GENESIS` for the first), then every other column in the table's order.
"""

import hashlib
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

from brokergw.store.encoding.rows import Row

FORM: Final = "brokergw.audit.v1"
GENESIS: Final = "0" * 64
LEAD: Final = 4
"""How many columns stand before the content: chain, sequence, previous hash, hash."""


def canonical_text(chain: str, sequence: int, previous: str, content: Row) -> str:
    """Write the text that is hashed; it is what `json.dumps` makes of the array, in a third of the time."""
    user, time_ns, *others, duration_ns = content
    texts = ",".join(map(quoted, others))
    duration = "null" if duration_ns is None else duration_ns
    return f'["{FORM}",{quoted(chain)},{sequence},"{previous}",{quoted(user)},{time_ns},{texts},{duration}]'


def row_hash(chain: str, sequence: int, previous: str, content: Row) -> str:
    """Give the hash of a row from its place and its content, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_text(chain, sequence, previous, content).encode()).hexdigest()


def link(chain: str, sequence: int, previous: str, content: Row) -> Row:
    """Make a row of `broker_audit_log` out of what it tells and the place that it takes."""
    return (chain, sequence, previous, row_hash(chain, sequence, previous, content), *content)
