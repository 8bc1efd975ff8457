"""Large JSON, read in turns: the same document as in one go, and no piece of work that takes long."""

import asyncio
import gc
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.transport import turns
from brokergw.transport.rows import DECODER, Unusable, read_json
from brokergw.transport.turns import read_in_turns

ROW = {
    "id": "904837e3",
    "legs": [{"id": 1, "px": 1.25}, {"id": 2}],
    "note": 'a "quoted", text',
    "none": None,
    "ok": True,
}
MIB = 1024 * 1024

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False).map(str) | st.text(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=5), inner, max_size=8),
    max_leaves=60,
)


def walked(text: str) -> Any:
    """Read a text piece by piece, without the rests."""
    walk = turns._Walk(text).whole()
    while True:
        try:
            next(walk)
        except StopIteration as end:
            return end.value


def outcome(read: Any, text: str) -> Any:
    try:
        return read(text)
    except (ValueError, RecursionError):
        return ValueError


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make nearly everything too large for the window."""
    monkeypatch.setattr(turns, "_WINDOW", 16)


@given(documents, st.sampled_from([None, 1]), st.data())
@pytest.mark.usefixtures("small_window")
def test_the_document_is_the_same(document: Any, indent: int | None, data: st.DataObject) -> None:
    """Whatever is written, whole or with a part cut out, is read as in one go, or refused as in one go."""
    text = json.dumps(document, indent=indent)
    assert walked(text) == DECODER.decode(text)
    first = data.draw(st.integers(0, len(text)))
    cut = text[:first] + text[first + data.draw(st.integers(1, 3)) :]
    assert outcome(walked, cut) == outcome(DECODER.decode, cut)


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize(
    "text",
    ["[1,]", "[,1]", '{"a":1,}', "{,}", "[1 2]", "[NaN]", "[01]", "[1]]", "", " ", "[", '{"a"}', "{1:2}", '["a]'],
)
@pytest.mark.parametrize("padding", ["", '"long enough for a window",'])
def test_what_is_no_json_is_refused(text: str, padding: str) -> None:
    """No leniency comes in with the pieces."""
    padded = f"[{padding}{text},1]" if padding else text
    assert outcome(walked, padded) is ValueError


@pytest.mark.parametrize("digits", [15, 16, 17, 40])
@pytest.mark.usefixtures("small_window")
def test_a_number_is_never_cut(digits: int) -> None:
    """A number that reaches the window's end goes on behind it."""
    assert walked("[[" + "7" * digits + "]]") == [[int("7" * digits)]]


@pytest.mark.parametrize(("depth", "read"), [(63, True), (64, True), (65, False)])
@pytest.mark.usefixtures("small_window")
def test_what_is_large_and_nests_deep_is_refused(depth: int, *, read: bool) -> None:
    """Each level costs a look at a window, so there are only so many."""
    text = "[" * depth + '"long enough for more than a window"' + "]" * depth
    assert (outcome(walked, text) == DECODER.decode(text)) is read


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps([ROW] * 8_000), id="rows"),
        pytest.param(json.dumps({"orders": [ROW] * 8_000, "snapshot": True}), id="rows in a row"),
        pytest.param("[" + "1.25," * 200_000 + "1]", id="numbers"),
        pytest.param('{"a":{"b":[' + "1.25," * 200_000 + "1]}}", id="numbers further down"),
        pytest.param("[" + "[]," * 30_000 + "1]", id="empty arrays"),
        pytest.param("{" + ",".join(f'"{n}":1' for n in range(90_000)) + "}", id="one flat row"),
        pytest.param('["' + "x" * MIB + '"]', id="one text"),
        pytest.param("[" * MIB, id="nothing but depth"),
        pytest.param("[" + "1.25," * 200_000, id="numbers without an end"),
    ],
)
async def test_nobody_waits_long_for_a_large_answer(text: str) -> None:
    """What others have to do meanwhile is done again and again, and the document is the one that is read in one go."""
    longest = await _longest_wait(text)
    began = time.process_time()
    expected = outcome(DECODER.decode, text)
    whole_s = time.process_time() - began
    read = await read_in_turns(text.encode(), asyncio.Lock())
    assert read == text.encode()
    assert outcome(read_json, read) == expected  # type: ignore[arg-type]
    assert longest < max(0.02, whole_s / 4)


async def _longest_wait(text: str) -> float:
    """Give how much of the processor the longest piece of work took, in seconds."""
    walk, longest = turns._Walk(text).whole(), 0.0
    # What the collector of garbage takes, it takes from any parser.
    gc.disable()
    try:
        while True:
            began = time.process_time()
            next(walk)
            longest = max(longest, time.process_time() - began)
    except (StopIteration, ValueError):
        return longest
    finally:
        gc.enable()


@pytest.mark.parametrize(("values", "read"), [(9, True), (10, True), (11, False)])
async def test_what_would_take_much_memory_is_refused(values: int, *, read: bool) -> None:
    """A short text may hold very many values, so these are counted before they are made."""
    answer = await read_in_turns("[" + ",".join("1" * values) + "]", asyncio.Lock(), 10)
    assert outcome(read_json, answer) == ([1] * values if read else ValueError)  # type: ignore[arg-type]


async def test_the_document_is_read_once() -> None:
    """Who reads it then has it at once, text or bytes; what is no JSON is told then, too."""
    text = json.dumps([ROW, Decimal(1).__str__()])
    for data in (text, text.encode()):
        read = await read_in_turns(data, asyncio.Lock())
        assert read == data
        assert read_json(read) is read_json(read)
    with pytest.raises(Unusable):
        read_json(await read_in_turns(b"\xff[", asyncio.Lock()))


async def test_one_is_read_at_a_time() -> None:
    """Two large answers of one broker take no more of the loop than one does."""
    lock = asyncio.Lock()
    async with lock:
        second = asyncio.create_task(read_in_turns("[1]", lock))
        await asyncio.sleep(0.01)
        assert not second.done()
    assert read_json(await second) == [1]
