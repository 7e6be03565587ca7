"""`magictel prepare`: show what a backend needs before data arrives, and send it with `--apply`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli import output
from magictel.cli.options import ConfigOption, DebugOption, FormatOption, SandboxOption, SetOption
from magictel.cli.output import Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magictel.operations.prepare import Plan, Prepared

SCHEMA = "magictel.prepare/1"
_WIDTH = 60


def command(
    target: Annotated[str, typer.Argument(metavar="TARGET", show_default=False, help="A target, or an exporter.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Send the requests in order; stop at the first rejection.")
    ] = False,
    sandbox: SandboxOption = False,
    debug: DebugOption = False,
    format_: FormatOption = Format.TEXT,
    sets: SetOption = None,
    config: ConfigOption = None,
) -> int:
    """Show the exact requests that prepare a backend before data arrives; --apply sends them."""
    from magictel.cli import sandbox_targets
    from magictel.operations.prepare import prepare
    from magictel.reporters.json import plain

    with sandbox_targets.targets([target], config=config, sets=sets, sandbox=sandbox, bare=True) as chosen:
        plan = prepare(chosen[0].job(), apply=apply)
    if format_ is Format.JSON:
        output.document(plain(_document(plan)))
    else:
        sheet = output.page()
        for line in _lines(plan):
            sheet.verbatim(line)
    return _code(plan)


def _code(plan: Plan) -> int:
    from magictel.cli.exit_codes import Ending, exit_code

    refused = plan.trouble is not None or any(request.refused for request in plan.requests)
    return exit_code(Ending(unusable=plan.config is not None, failed=refused))


def _lines(plan: Plan) -> Iterator[str]:
    yield f"{plan.target}  {plan.endpoint}".rstrip()
    for request in plan.requests:
        yield from _request(request)
    if plan.config is not None:
        origin = plan.config.evidence.get("origin")
        yield from output.finding_lines(plan.config.code, plan.config.message, plan.config.remedy, origin)
    elif plan.trouble is not None:
        yield from output.finding_lines(plan.trouble.code, plan.trouble.message, plan.trouble.remedy)
    yield ""
    yield _verdict(plan)


def _request(request: Prepared) -> Iterator[str]:
    asked = request.preparation
    yield ""
    yield f"# {'manual: ' if asked.by_hand else ''}{asked.purpose}"
    yield f"{asked.method} {asked.path}"
    yield _json(asked.body, 0)
    if request.status is not None:
        yield f"→ {request.status} {request.answer}".rstrip()


def _json(value: Any, indent: int) -> str:
    """Return readable JSON: a value that fits on a line is on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, Mapping) or len(flat) + indent <= _WIDTH:
        return flat
    inner = " " * (indent + 2)
    rows = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_json(item, indent + 2)}" for key, item in value.items()]
    return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"


def _verdict(plan: Plan) -> str:
    if plan.config is not None or plan.trouble is not None:
        return f"{plan.target} is not prepared"
    if not plan.requests:
        return f"{plan.target} needs no preparation"
    ours = [request for request in plan.requests if not request.preparation.by_hand]
    count, left = len(ours), len(plan.requests) - len(ours)
    if plan.applied and left:
        return (
            f"{plan.target} is prepared for new indices only: {count} request{'s' * (count > 1)} sent; "
            f"the existing index keeps its types until you send the {left} manual requests"
        )
    if plan.applied:
        return f"{plan.target} is prepared: {count} request{'s' * (count > 1)} sent"
    rest = f"; {left} must be sent manually" if left else ""
    sends = (
        ("it" if not left else "the first") if count == 1 else f"{'the first' if left else 'these'} {count} requests"
    )
    return f"nothing was sent: magictel prepare {plan.target} --apply sends {sends}{rest}"


def _document(plan: Plan) -> dict[str, Any]:
    why = plan.config or plan.trouble
    return {
        "schema": SCHEMA,
        "outcome": "failed" if why is not None else "applied" if plan.applied else "planned",
        "target": plan.target,
        "exporter": plan.exporter,
        "endpoint": plan.endpoint,
        "applied": plan.applied,
        "code": why.code if why else None,
        "message": why.message if why else None,
        "remedy": why.remedy if why else None,
        "requests": [
            {
                **{key: getattr(request.preparation, key) for key in ("purpose", "method", "path", "body", "by_hand")},
                "status": request.status,
                "answer": request.answer,
            }
            for request in plan.requests
        ],
    }
