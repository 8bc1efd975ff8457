"""Every rule holds for the whole tree, and every rule can tell a bad file from a good one."""

from collections.abc import Callable, Iterator

import pytest

from tests.architecture import rules
from tests.architecture.sources import Source, read_sources
from tests.reasons import SkipReason

Rule = Callable[[Source], Iterator[str]]

OURS = ("src", "tests", "bench")
PRODUCT = ("src", "bench")
SCOPE: dict[Rule, tuple[str, ...]] = {
    rules.long_file: OURS,
    rules.long_functions: OURS,
    rules.vague_name: OURS,
    rules.clock_reads: ("src",),
    rules.floats: ("src",),
    rules.undocumented_module: PRODUCT,
    rules.unclaimed_tests: ("tests",),
    rules.unregistered_skips: ("tests", "bench"),
}

LONG_BODY = "    x = 1\n" * rules.FUNCTION_LINES_MAX

BAD = [
    (rules.long_file, "src/a.py", "x = 1\n" * (rules.FILE_LINES_MAX + 1)),
    (rules.long_functions, "src/a.py", "def f():\n" + LONG_BODY),
    (rules.long_functions, "src/a.py", "class A:\n  async def f(self):\n" + LONG_BODY),
    (rules.vague_name, "src/utils.py", ""),
    (rules.vague_name, "tests/common/test_orders.py", ""),
    (rules.clock_reads, "src/brokergw/desk/a.py", "import time\ntime.time_ns()"),
    (rules.clock_reads, "src/brokergw/desk/a.py", "from time import time as clock\nclock()"),
    (rules.clock_reads, "src/brokergw/store/a.py", "from datetime import datetime, UTC\ndatetime.now(UTC)"),
    (rules.clock_reads, "src/brokergw/rpc/a.py", "import datetime as dt\ndt.datetime.now()"),
    (rules.clock_reads, "src/brokergw/sim/a.py", "import asyncio\nasync def f():\n    await asyncio.sleep(1)"),
    (rules.clock_reads, "src/brokergw/model/ids.py", "import time\ntime.time()"),
    (rules.floats, "src/brokergw/model/a.py", "price = 0.5"),
    (rules.floats, "src/brokergw/model/a.py", "class A:\n    price: float | None"),
    (rules.floats, "src/brokergw/exchange/a.py", "def price() -> float: ..."),
    (rules.floats, "src/brokergw/exchange/a.py", "def at(price: dict[str, float]): ..."),
    (rules.floats, "src/brokergw/desk/a.py", "float(order.quantity)"),
    (rules.undocumented_module, "src/a.py", "x = 1"),
    (rules.undocumented_module, "src/a.py", ""),
    (rules.unclaimed_tests, "tests/test_a.py", "def test_it(): ..."),
    (rules.unclaimed_tests, "tests/test_a.py", "class TestA:\n    async def test_it(self): ..."),
    (rules.unregistered_skips, "tests/a.py", "import pytest\npytest.skip('later')"),
    (rules.unregistered_skips, "tests/a.py", "from pytest import mark\n@mark.xfail\ndef test_it(): ..."),
    (rules.unregistered_skips, "tests/a.py", "import pytest\npytestmark = pytest.mark.skipif(True, reason='x')"),
    (rules.unregistered_skips, "tests/a.py", "import pytest\nx = pytest.importorskip('java')"),
]

GOOD = [
    (rules.long_file, "src/a.py", "x = 1\n" * rules.FILE_LINES_MAX),
    (rules.long_functions, "src/a.py", "def f():\n" + LONG_BODY.removesuffix("    x = 1\n")),
    (rules.vague_name, "src/brokergw/model/money.py", ""),
    (rules.clock_reads, "src/brokergw/app/a.py", "import time\ntime.time_ns()"),
    (rules.clock_reads, "src/brokergw/model/ids.py", "import time\ntime.time_ns()"),
    (rules.clock_reads, "src/brokergw/sim/a.py", "import time\ndef f(now_ns=time.time_ns):\n    return now_ns()"),
    (rules.floats, "src/brokergw/model/a.py", "retry_after_s: float | None = None"),
    (rules.floats, "src/brokergw/desk/a.py", "wait_s = 0.5"),
    (rules.undocumented_module, "src/a.py", '"""What it holds."""'),
    (rules.unclaimed_tests, "tests/test_a.py", 'def test_it():\n    """It holds."""'),
    (rules.unregistered_skips, "tests/a.py", "from tests.reasons import skip\nskip(SkipReason.GO_MISSING)"),
    (rules.unregistered_skips, "tests/reasons.py", "import pytest\npytest.skip('x')"),
]


@pytest.mark.parametrize("rule", SCOPE, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    """Not one file of the repository breaks the rule."""
    assert [breach for source in read_sources(*SCOPE[rule]) for breach in rule(source)] == []


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_a_breach_is_found(rule: Rule, path: str, text: str) -> None:
    """The rule finds what it is there to find."""
    assert list(rule(Source.parse(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_a_sound_file_is_left_alone(rule: Rule, path: str, text: str) -> None:
    """The rule has nothing to say about a file that keeps it."""
    assert list(rule(Source.parse(path, text))) == []


def test_every_skip_reason_is_in_use() -> None:
    """The registry holds no reason that nobody gives any more."""
    given = "".join(source.text for source in read_sources("tests") if not source.within("tests/architecture"))
    assert [reason.name for reason in SkipReason if f"SkipReason.{reason.name}" not in given] == []
