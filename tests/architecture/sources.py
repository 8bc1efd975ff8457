"""Python files as the architecture rules see them: a path inside the repository, a syntax tree."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TypeAlias

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One file; `path` is relative to the repository."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str, text: str) -> "Source":
        """Read a file's text."""
        return cls(PurePosixPath(path), text, ast.parse(text))

    def within(self, *folders: str) -> bool:
        """Tell whether the file lies in one of some folders."""
        return any(self.path.is_relative_to(folder) for folder in folders)

    def functions(self) -> Iterator[Function]:
        """Give every function and method, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    def at(self, node: ast.stmt | ast.expr | ast.arg) -> str:
        """Name a place as editors do."""
        return f"{self.path}:{node.lineno}"


def read_sources(*folders: str) -> list[Source]:
    """Read every Python file of some folders of the repository."""
    return [_read(file) for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


@cache
def _read(file: Path) -> Source:
    return Source.parse(file.relative_to(ROOT).as_posix(), file.read_text("utf-8"))
