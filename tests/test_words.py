"""Names and English: variables say what they are, in tests too; the product speaks plainly (CONTRIBUTING, "Words")."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "magictel"

VAGUE = {"one", "found", "made", "told", "held", "said", "own"}
"""Names that say how a value came, or nothing, instead of what it is."""

BANNED = re.compile(
    r"\b(mend|not asked|nobody|whoever|somebody|as far as|in vain|by its looks|to be had|without a word|who answers"
    r"|(?<!what )stands(?! for)|is told|are told)\b",
    re.IGNORECASE,
)
"""Words and phrases for which there is a plain one: fix, skipped, OK, is, reported, unreachable."""


def files(suffix: str) -> list[Path]:
    return sorted(PACKAGE.rglob(f"*{suffix}"))


def vague(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield functions, variables, parameters and attributes with a vague name; a field `found` is a count."""
    fields = {
        id(item.target)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.AnnAssign)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) if id(node) not in fields or name != "found":
                pass
            case ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.FunctionDef(name=name):
                pass
            case _:
                continue
        if name.strip("_") in VAGUE:
            yield node.lineno, name


def vague_lines(tree: ast.AST) -> list[str]:
    return [f"line {line}: {name}" for line, name in vague(tree)]


def sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the texts of at least three words, docstrings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") > 1:
            yield node.lineno, node.value


@pytest.mark.parametrize("file", files(".py"), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_names_what_it_holds_and_speaks_plainly(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    assert vague_lines(tree) == []
    banned = [(line, BANNED.search(text)) for line, text in sentences(tree)]
    assert [f"line {line}: {match[0]}" for line, match in banned if match] == []


@pytest.mark.parametrize("room", sorted({file.parent for file in TESTS.rglob("*.py")}), ids=str)
def test_a_room_of_tests_names_its_variables(room: Path) -> None:
    vague_names = {file.name: vague_lines(ast.parse(file.read_text("utf-8"))) for file in room.glob("*.py")}
    assert {name: lines for name, lines in vague_names.items() if lines} == {}


@pytest.mark.parametrize(
    "file", [*files(".toml"), *files(".md"), *files(".in")], ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_a_page_speaks_plainly(file: Path) -> None:
    lines = enumerate(file.read_text("utf-8").splitlines(), 1)
    assert [f"line {number}: {match[0]}" for number, line in lines if (match := BANNED.search(line))] == []
