"""`magictel prepare`: what a backend should have before data comes; shown always, done only with `--apply`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli.check import SandboxOption
from magictel.cli.debug import DebugOption
from magictel.cli.output import Format
from magictel.cli.targets import ConfigOption, FormatOption, SetOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magictel.operations.prepare import Plan, Prepared

SCHEMA = "magictel.prepare/1"
_WIDTH = 60


def command(
    target: Annotated[str, typer.Argument(metavar="TARGET", show_default=False, help="A target, or an exporter.")],
    apply: Annotated[bool, typer.Option("--apply", help="Send the requests, in order, until one is refused.")] = False,
    sandbox: SandboxOption = False,
    debug: DebugOption = False,
    format_: FormatOption = Format.TEXT,
    sets: SetOption = None,
    config: ConfigOption = None,
) -> int:
    """Show what the backend should have before data comes, as the exact requests; --apply sends them."""
    from magictel.cli import output, sandbox_targets
    from magictel.cli.stdout import page
    from magictel.operations.prepare import prepare
    from magictel.reporters.json import plain

    with sandbox_targets.targets([target], config=config, sets=sets, sandbox=sandbox, bare=True) as chosen:
        plan = prepare(chosen[0].job(), apply=apply)
    if format_ is Format.JSON:
        output.document(plain(_document(plan)))
    else:
        sheet = page()
        for line in _lines(plan):
            sheet.verbatim(line)
    return _code(plan)


def _code(plan: Plan) -> int:
    from magictel.cli.exit_codes import Ending, exit_code

    refused = plan.trouble is not None or any(one.refused for one in plan.requests)
    return exit_code(Ending(unusable=plan.config is not None, failed=refused))


def _lines(plan: Plan) -> Iterator[str]:
    yield f"{plan.target}  {plan.endpoint}".rstrip()
    for one in plan.requests:
        yield from _request(one)
    if plan.config is not None:
        origin = plan.config.evidence.get("origin")
        yield from _trouble(plan.config.code, plan.config.message, plan.config.remedy, origin)
    elif plan.trouble is not None:
        yield from _trouble(plan.trouble.code, plan.trouble.message, plan.trouble.remedy, None)
    yield ""
    yield _verdict(plan)


def _request(one: Prepared) -> Iterator[str]:
    asked = one.preparation
    yield ""
    yield f"# {'by hand: ' if asked.by_hand else ''}{asked.purpose}"
    yield f"{asked.method} {asked.path}"
    yield _json(asked.body, 0)
    if one.status is not None:
        yield f"→ {one.status} {one.answer}".rstrip()


def _json(value: Any, indent: int) -> str:
    """JSON as a person would write it: what fits on a line stands on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, Mapping) or len(flat) + indent <= _WIDTH:
        return flat
    inner = " " * (indent + 2)
    rows = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_json(item, indent + 2)}" for key, item in value.items()]
    return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"


def _trouble(code: str | None, message: str, remedy: str | None, origin: Any) -> Iterator[str]:
    yield f"  {message}"
    if origin:
        yield f"      from {origin}"
    if remedy:
        yield f"      fix:   {remedy}"
    yield f"      more:  magictel explain {code}"


def _verdict(plan: Plan) -> str:
    if plan.config is not None or plan.trouble is not None:
        return f"{plan.target} is not prepared"
    if not plan.requests:
        return f"{plan.target} needs nothing to be prepared"
    ours = [one for one in plan.requests if not one.preparation.by_hand]
    count, left = len(ours), len(plan.requests) - len(ours)
    if plan.applied and left:
        return (
            f"{plan.target} is prepared for new indices only: {count} request{'s' * (count > 1)} done; "
            f"the index that exists keeps its types until you send the {left} requests marked by hand"
        )
    if plan.applied:
        return f"{plan.target} is prepared: {count} request{'s' * (count > 1)} done"
    rest = f"; {left} are left to you, by hand" if left else ""
    sends = (
        ("it" if not left else "the first") if count == 1 else f"{'the first' if left else 'these'} {count} requests"
    )
    return f"nothing was done: magictel prepare {plan.target} --apply sends {sends}{rest}"


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
                "purpose": one.preparation.purpose,
                "method": one.preparation.method,
                "path": one.preparation.path,
                "body": one.preparation.body,
                "by_hand": one.preparation.by_hand,
                "status": one.status,
                "answer": one.answer,
            }
            for one in plan.requests
        ],
    }
