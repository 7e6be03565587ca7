"""Markdown on a terminal: plain headings, commands ready to copy, and tables that fit or become lists."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, ClassVar

from rich import box
from rich.console import Console
from rich.markdown import CodeBlock, Heading, Markdown, TableElement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, JustifyMethod, RenderResult

WIDEST = 100
"""Maximum width of a line of prose."""
_THEME = Theme(
    {
        "markdown.h1": "bold",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.code": "cyan",
        "markdown.code_block": "none",
        "markdown.item.bullet": "none",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
    }
)


def rendered(text: str, width: int, *, colour: bool) -> str:
    """Return Markdown for a terminal of this width, with or without ANSI colours."""
    page = io.StringIO()
    console = Console(
        file=page,
        width=min(width, WIDEST),
        theme=_THEME,
        highlight=False,
        force_terminal=colour,
        color_system="standard" if colour else None,
    )
    console.print(_Page(text, hyperlinks=False), crop=False)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()).strip("\n")


_GAP = 3
_ROOM = 36
"""Minimum width of a table's last column."""


class _Heading(Heading):
    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = {}


class _CodeBlock(CodeBlock):
    """A code block: indented, without colours, never wrapped, so that a command can be copied."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in str(self.text).rstrip().splitlines():
            yield Text(f"  {line}", no_wrap=True, overflow="ignore", end="\n")


class _Table(TableElement):
    """A table if its columns fit, otherwise a paragraph per row with the last cell below the others."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        header = [cell.content for cell in self.header.row.cells] if self.header and self.header.row else []
        rows = [[cell.content for cell in row.cells] for row in self.body.rows] if self.body else []
        columns = list(zip(header, *rows, strict=True))
        *before, last = [max(cell.cell_len for cell in column) for column in columns]
        if sum(before) + _GAP * len(before) + min(last, _ROOM) > options.max_width:
            for *cells, sentence in rows:
                head = Text("  ").join(cell for cell in cells if cell)
                for number, line in enumerate(head.wrap(console, options.max_width - 4)):
                    yield Padding(line, (0, 0, 0, 4 if number else 0))
                yield Padding(sentence, (0, 0, 0, 4))
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.border_style = "markdown.table.border"
        table.header_style = "markdown.table.header"
        for heading in header:
            table.add_column(heading)
        for row in rows:
            table.add_row(*row)
        yield table


class _Page(Markdown):
    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": _Heading,
        "fence": _CodeBlock,
        "code_block": _CodeBlock,
        "table_open": _Table,
    }
