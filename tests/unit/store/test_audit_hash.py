import hashlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from brokergw.store.audit.canonical import FORM, GENESIS, LEAD, canonical_text, link, row_hash
from brokergw.store.sql.statements import column_types
from brokergw.store.tables import AUDIT

_KINDS: dict[str, Any] = {"text": st.text(), "bigint": st.integers(-(2**63), 2**63 - 1)}
CONTENTS = st.tuples(*(_KINDS[kind] for kind in column_types(AUDIT)[LEAD:-1]), st.none() | st.integers(0, 2**63 - 1))


@given(st.text(), st.integers(1), CONTENTS)
def test_the_text_is_that_of_the_json_array(chain: str, sequence: int, content: tuple[Any, ...]) -> None:
    """What is hashed is the JSON array that the documentation describes, for any content."""
    written = json.dumps([FORM, chain, sequence, GENESIS, *content], separators=(",", ":"))
    assert canonical_text(chain, sequence, GENESIS, content) == written


def test_the_hash_of_a_known_row_stays() -> None:
    """The form has a version: the hash of a row as it was once written never changes."""
    content = ("ann", 1, "req_1", "key_1", "API_KEY", "ipv4:10.0.0.1", "SubmitOrder", "orders.write", "OK")
    row = link("chn_1", 1, GENESIS, (*content, "", "acc_1", "ord_1", "it's 5 \u20ac", '{"a":1}', None))
    text = (
        f'["{FORM}","chn_1",1,"{GENESIS}","ann",1,"req_1","key_1","API_KEY","ipv4:10.0.0.1","SubmitOrder",'
        '"orders.write","OK","","acc_1","ord_1","it\'s 5 \\u20ac","{\\"a\\":1}",null]'
    )
    assert row[3] == hashlib.sha256(text.encode()).hexdigest()


@given(CONTENTS, st.data())
def test_every_column_counts(content: tuple[Any, ...], data: st.DataObject) -> None:
    """A change of any column, or of the row's place, gives another hash."""
    hashed = row_hash("chn_1", 7, GENESIS, content)
    place = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(CONTENTS)[place]
    if other != content[place]:
        assert row_hash("chn_1", 7, GENESIS, (*content[:place], other, *content[place + 1 :])) != hashed
    assert row_hash("chn_1", 8, GENESIS, content) != hashed
    assert row_hash("chn_2", 7, GENESIS, content) != hashed
    assert row_hash("chn_1", 7, "1" * 64, content) != hashed
