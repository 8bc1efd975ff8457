"""What every source file must hold to. A rule takes a file and gives its breaches, one line each."""

import ast
from collections.abc import Iterator
from typing import Final

from tests.architecture.sources import Source

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 70
VAGUE_NAMES: Final = frozenset({"utils", "util", "helpers", "helper", "misc", "common"})

CLOCK_FREE_EXCEPT: Final = ("src/brokergw/app", "src/brokergw/transport")
READS_THE_CLOCK: Final = frozenset(
    {
        "asyncio.sleep",
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "time.sleep",
        "time.time",
        "time.time_ns",
    }
)
MAY_READ_THE_CLOCK: Final = {
    # Ids only need to sort roughly by creation; no rule reads the time back.
    ("src/brokergw/model/ids.py", "time.time_ns"),
}

EXACT: Final = ("src/brokergw/model", "src/brokergw/exchange")
DECIMAL_ONLY: Final = (*EXACT, "src/brokergw/desk")

SKIP_REGISTRY: Final = "tests/reasons.py"
SKIPS: Final = frozenset(
    {
        "pytest.exit",
        "pytest.importorskip",
        "pytest.mark.skip",
        "pytest.mark.skipif",
        "pytest.mark.xfail",
        "pytest.skip",
        "pytest.xfail",
        "unittest.SkipTest",
        "unittest.skip",
        "unittest.skipIf",
        "unittest.skipUnless",
    }
)


def long_file(source: Source) -> Iterator[str]:
    """A file fits a reader's head."""
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield f"{source.path}: {lines} lines, at most {FILE_LINES_MAX}"


def long_functions(source: Source) -> Iterator[str]:
    """A function fits a screen."""
    for function in source.functions():
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{source.at(function)}: {function.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def vague_name(source: Source) -> Iterator[str]:
    """A module is named for what it holds."""
    for part in (*source.path.parts[:-1], source.path.stem):
        if part in VAGUE_NAMES:
            yield f"{source.path}: {part} says nothing of what is inside"


def clock_reads(source: Source) -> Iterator[str]:
    """Time comes in through a port, so that a test can own it."""
    if source.within(*CLOCK_FREE_EXCEPT):
        return
    for node, name in _uses(source.tree):
        called = isinstance(node, ast.Call)
        if called and name in READS_THE_CLOCK and (str(source.path), name) not in MAY_READ_THE_CLOCK:
            yield f"{source.at(node)}: {name}() reads the clock; take a Clock or a function"


def floats(source: Source) -> Iterator[str]:
    """Money is Decimal; a float may only hold a duration in seconds (its name ends in `_s`)."""
    if source.within(*DECIMAL_ONLY):
        for node, name in _uses(source.tree):
            if isinstance(node, ast.Call) and name == "float":
                yield f"{source.at(node)}: float() in a money path"
    if source.within(*EXACT):
        yield from _float_literals(source)
        yield from _float_annotations(source)


def undocumented_module(source: Source) -> Iterator[str]:
    """A module's first line says what it holds."""
    if not ast.get_docstring(source.tree):
        yield f"{source.path}: no docstring"


def unclaimed_tests(source: Source) -> Iterator[str]:
    """A test's docstring is its claim."""
    for function in source.functions():
        if function.name.startswith("test_") and not ast.get_docstring(function):
            yield f"{source.at(function)}: {function.name} claims nothing"


def unregistered_skips(source: Source) -> Iterator[str]:
    """A test is skipped through the registry of reasons or not at all."""
    if str(source.path) == SKIP_REGISTRY:
        return
    for node, name in _uses(source.tree):
        if name in SKIPS and not isinstance(node, ast.Call):
            yield f"{source.at(node)}: {name} goes past {SKIP_REGISTRY}"


def _float_literals(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{source.at(node)}: float literal {node.value}"


def _float_annotations(source: Source) -> Iterator[str]:
    for name, annotation in _annotations(source.tree):
        mentioned = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
        if "float" in mentioned and not name.endswith("_s"):
            yield f"{source.at(annotation)}: {name} is a float"


def _annotations(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=target, annotation=annotation):
                yield ast.unparse(target), annotation
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                yield name, annotation
            case ast.FunctionDef(name=name, returns=ast.expr() as annotation):
                yield name, annotation
            case ast.AsyncFunctionDef(name=name, returns=ast.expr() as annotation):
                yield name, annotation
            case _:
                pass


def _uses(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Give every dotted name and every call, under the name it was imported by originally."""
    imported = _imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.Call):
            dotted = _dotted(node.func if isinstance(node, ast.Call) else node)
            head, _, rest = dotted.partition(".")
            if head:
                origin = imported.get(head, head)
                yield node, f"{origin}.{rest}" if rest else origin


def _imported_names(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""
