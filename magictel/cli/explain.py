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
    from magictel.catalogue.pages import Page

SCHEMA = "magictel.explain/1"


def command(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", show_default=False, help="Code of a finding, for example tls.expired."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List every code with its title.")] = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Explain what a finding means and how to fix it."""
    from magictel.catalogue.pages import codes, explain, near

    if list_ == (code is not None):
        raise UsageError("usage.command-line", "name a code or use --list", "magictel explain --list shows every code")
    if code is None:
        pages = [page for known in codes() if (page := explain(known)) is not None]
        if format_ is Format.JSON:
            output.document({"schema": SCHEMA, "codes": [{"code": page.code, "title": page.title} for page in pages]})
        else:
            for page in pages:
                output.say(page.code)
                output.say(f"    {page.title}")
        return 0
    page = explain(code.strip())
    if page is None:
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


_WITHOUT_REQUEST = ("plugin.", "config.", "internal.", "usage.", "tls.unverified", "tls.expires-soon")
"""Beginnings of codes that no failed request has: there is nothing to retry."""


def _names_credentials(code: str) -> bool:
    return ".auth." in code or ".authz." in code or code in {"http.unauthorized", "http.forbidden"}


def text(page: Page) -> list[str]:
    """Return the lines of a page, 80 columns wide, with each command on its own line."""
    from magictel.catalogue.retry import RETRY

    again = (
        f"{RETRY.get(page.retry, page.retry)} (class {page.retry}; with the outcome {', '.join(outcomes(page.retry))})"
    )
    if _names_credentials(page.code):
        again += ". A running exporter keeps the points waiting, and tries again with the credentials read anew"
    elif page.code.startswith("tls.") and page.retry == "no":
        again += ". A running exporter keeps the points waiting, and tries again with the TLS files read anew"
    if page.code.startswith(_WITHOUT_REQUEST):
        again = ""
    lines = [page.code, *textwrap.wrap(page.title, 80)]
    for heading, content in (
        ("What it means", (page.meaning,)),
        ("Why it matters", (page.why,)),
        ("How to fix it", page.fix),
        ("Retry", (again,)),
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
