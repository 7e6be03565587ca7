"""`magictel guide`: the manual, offline."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from magictel.cli import output
from magictel.cli.environment import environment
from magictel.cli.options import FormatOption
from magictel.cli.output import Format
from magictel.errors import UsageError
from magictel.guide.topics import TOPICS, Topic, topic

SCHEMA = "magictel.guide/1"


def command(
    wanted: Annotated[
        str | None, typer.Argument(metavar="TOPIC", show_default=False, help="A topic. Without one: list the topics.")
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Show the manual. In a pipe, a topic is plain Markdown."""
    if wanted is None:
        _list([page for known in TOPICS if (page := topic(known)) is not None], format_)
        return 0
    page = topic(wanted.strip().lower().removesuffix(".md"))
    if page is None:
        raise UsageError("usage.unknown-topic", _unknown(wanted), "magictel guide lists every topic")
    if format_ is Format.JSON:
        rest = {"topic": page.name, "title": page.title, "summary": page.summary, "markdown": page.markdown}
        output.document({"schema": SCHEMA, **rest})
    else:
        _show(page)
    return 0


def _list(pages: list[Topic], how: Format) -> None:
    if how is Format.JSON:
        rows = [{"topic": page.name, "title": page.title, "summary": page.summary} for page in pages]
        output.document({"schema": SCHEMA, "topics": rows})
        return
    width = max(len(page.name) for page in pages)
    for page in pages:
        output.say(f"  {page.name:<{width}}  {page.summary}")


def _unknown(name: str) -> str:
    from magictel.settings.names import did_you_mean

    hint = did_you_mean(name, TOPICS)
    return f'The guide has no topic "{name}"' + (f". {hint}" if hint else "")


def _show(page: Topic) -> None:
    from magictel.reporters.symbols import writable
    from magictel.reporters.tty import width_of

    width = width_of(sys.stdout, environment())
    if width is None:
        text = page.markdown.rstrip("\n")
    else:
        from magictel.cli.markdown import rendered

        text = rendered(page.markdown, width, colour=output.coloured())
    output.say(writable(text, sys.stdout.encoding))
