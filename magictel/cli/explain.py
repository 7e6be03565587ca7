"""`magictel explain`: a finding's page, offline."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli import output
from magictel.cli.output import Format
from magictel.cli.targets import FormatOption
from magictel.errors import UsageError

if TYPE_CHECKING:
    from magictel.catalogue.pages import Page

SCHEMA = "magictel.explain/1"


def command(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", show_default=False, help="A finding's code, as tls.expired.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Every code, with one sentence.")] = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """What a finding means, and how to fix it."""
    from magictel.catalogue.pages import codes, explain, near

    if list_ == (code is not None):
        raise UsageError("usage.command-line", "give a code or --list", "magictel explain --list shows every code")
    if code is None:
        pages = [page for one in codes() if (page := explain(one)) is not None]
        if format_ is Format.JSON:
            output.document({"schema": SCHEMA, "codes": [{"code": page.code, "title": page.title} for page in pages]})
        else:
            for page in pages:
                output.say(page.code)
                output.say(f"    {page.title}")
        return 0
    found = explain(code.strip())
    if found is None:
        close = near(code.strip())
        hint = f". Did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(
            "usage.unknown-code", f'No finding is called "{code}"{hint}', "magictel explain --list shows every code"
        )
    if format_ is Format.JSON:
        output.document({"schema": SCHEMA, **_document(found)})
    else:
        for line in text(found):
            output.say(line)
    return 0


def text(page: Page) -> list[str]:
    """A page for people, 80 columns wide; commands to copy stand alone on their lines."""
    from magictel.catalogue.pages import RETRY

    again = (
        f"{RETRY.get(page.retry, page.retry)} (class {page.retry}; with the outcome {', '.join(outcomes(page.retry))})"
    )
    lines = [page.code, *textwrap.wrap(page.title, 80)]
    for heading, content in (
        ("What it means", (page.meaning,)),
        ("Why it matters", (page.why,)),
        ("How to fix it", page.mend),
        ("Sending again", (again,)),
        ("See it again", (page.again, *(("Or right here, without that server:", page.here) if page.here else ()))),
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
    """The outcomes of a delivery that a retry class may stand with; `none`: no request happened."""
    from magictel.diagnose.diagnosis import STANDS_WITH

    return sorted((one or "none" for one in STANDS_WITH[retry]), key=lambda one: (one == "none", one))


def _document(page: Page) -> dict[str, Any]:
    return {
        "code": page.code,
        "title": page.title,
        "retry": page.retry,
        "outcomes": outcomes(page.retry),
        "meaning": page.meaning,
        "why": page.why,
        "mend": list(page.mend),
        "again": page.again,
        "here": page.here,
        "related": list(page.related),
        "commands": list(page.commands),
    }
