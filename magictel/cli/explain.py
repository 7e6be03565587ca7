"""`magictel explain`: the page of a code, offline."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli import output
from magictel.cli.options import FormatOption
from magictel.cli.output import Format
from magictel.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magictel.catalogue.pages import Page

SCHEMA = "magictel.explain/1"


def command(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            show_default=False,
            help="Code of a finding (tls.expired). A prefix (tls) or an exporter lists its codes.",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List every code with its title.")] = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Explain what a finding means and how to fix it."""
    from magictel.catalogue.pages import codes, explain, near

    if list_ == (code is not None):
        raise UsageError("usage.command-line", "name a code or use --list", "magictel explain --list shows every code")
    if code is None:
        _list(codes(), format_)
        return 0
    page = explain(code.strip())
    if page is None:
        below = _below(code.strip())
        if below:
            _list(below, format_)
            return 0
        close = near(code.strip())
        hint = f". Did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(
            "usage.unknown-code", f'No finding is called "{code}"{hint}', "magictel explain --list shows every code"
        )
    if format_ is Format.JSON:
        output.document({"schema": SCHEMA, **_document(page)})
    else:
        for line in text(page):
            output.say(line)
    return 0


def _list(codes: Iterable[str], how: Format) -> None:
    from magictel.catalogue.pages import explain

    pages = [page for code in codes if (page := explain(code)) is not None]
    if how is Format.JSON:
        output.document({"schema": SCHEMA, "codes": [{"code": page.code, "title": page.title} for page in pages]})
        return
    for page in pages:
        output.say(page.code)
        output.say(f"    {page.title}")


def _below(name: str) -> list[str]:
    """Return the codes that begin with a prefix (`es`, `es.auth`), or those that only an exporter's backend uses."""
    from magictel.catalogue.pages import codes
    from magictel.registry import entry_points
    from magictel.settings.names import find

    prefixes = [name.lower().rstrip(".")]
    exporter = find(name, entry_points.names())
    if exporter is not None:
        prefixes += [exporter, *entry_points.load(exporter).code_families]
    return [code for code in codes() if code.startswith(tuple(f"{prefix}." for prefix in prefixes))]


_WITHOUT_REQUEST = ("plugin.", "config.", "internal.", "usage.", "tls.unverified", "tls.expires-soon")
"""Beginnings of codes that no failed request has: there is nothing to retry."""


def text(page: Page) -> list[str]:
    """Return the lines of a page, 80 columns wide, with each command on its own line."""
    from magictel.catalogue.retry import again

    retry = f"{again(page.code, page.retry)} (class {page.retry}; with the outcome {', '.join(outcomes(page.retry))})"
    if page.code.startswith(_WITHOUT_REQUEST):
        retry = ""
    lines = [page.code, *textwrap.wrap(page.title, 80)]
    for heading, content in (
        ("What it means", (page.meaning,)),
        ("Why it matters", (page.why,)),
        ("How to fix it", page.fix),
        ("Retry", (retry,)),
        ("Reproduce", (page.again, *(("Or on this machine, without that server:", page.here) if page.here else ()))),
        ("Related", (", ".join(page.related),)),
    ):
        if not any(content):
            continue
        lines += ["", heading]
        for part in content:
            if part.startswith("$ "):
                lines.append(f"  {part}")
            else:
                lines += textwrap.wrap(
                    part,
                    80,
                    initial_indent="  ",
                    subsequent_indent="  ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
    return lines


def outcomes(retry: str) -> list[str]:
    """Return the delivery outcomes that occur with a retry class; `none`: no request was made."""
    from magictel.diagnose.diagnosis import STANDS_WITH

    return sorted(
        (outcome or "none" for outcome in STANDS_WITH[retry]), key=lambda outcome: (outcome == "none", outcome)
    )


def _document(page: Page) -> dict[str, Any]:
    return {
        "code": page.code,
        "title": page.title,
        "retry": page.retry,
        "outcomes": outcomes(page.retry),
        "meaning": page.meaning,
        "why": page.why,
        "mend": list(page.fix),
        "again": page.again,
        "here": page.here,
        "related": list(page.related),
        "commands": list(page.commands),
    }
