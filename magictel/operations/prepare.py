"""`prepare`: the preparation of a backend before data arrives; always shown, applied only on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from magictel.model.finding import Finding
from magictel.model.verification import Unreadable
from magictel.operations.target_run import Job
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.http_interface import Preparation
from magictel.verify.asking import ask


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request of the plan; its status and the start of the reply if it was sent, otherwise None."""

    preparation: Preparation
    status: int | None = None
    answer: str = ""

    @property
    def refused(self) -> bool:
        """Return whether it was sent and rejected."""
        return self.status is not None and not 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Plan:
    """A target's preparations, in order; `trouble` is why there is no plan, or why it stopped."""

    target: str
    exporter: str
    endpoint: str
    requests: tuple[Prepared, ...] = ()
    applied: bool = False
    trouble: Unreadable | None = None
    config: Finding | None = None
    """The failed config rung if the settings are unusable."""


def prepare(job: Job, *, apply: bool) -> Plan:
    """Return the exporter's plan; with `apply`, send it request by request and stop at the first rejection.

    Manual requests are part of the plan and are never sent.
    """
    plan = partial(Plan, job.target, job.exporter)
    return job.use(
        lambda config: plan("", config=config),
        lambda exporter: _prepare(partial(plan, exporter.endpoint()), exporter, apply),
    )


def _prepare(plan: Callable[..., Plan], exporter: AnyExporter, apply: bool) -> Plan:
    if not isinstance(exporter, HttpExporter):
        return plan()
    wire = exporter.wire()
    planned = ask(exporter.preparations, wire)
    if isinstance(planned, Unreadable):
        return plan(trouble=planned)
    if not apply:
        return plan(tuple(map(Prepared, planned)))
    done: list[Prepared] = []
    for preparation in planned:
        if preparation.by_hand:
            done.append(Prepared(preparation))
            continue
        reply = ask(wire.request, preparation.method, preparation.path, json_body=preparation.body)
        if isinstance(reply, Unreadable):
            return plan(tuple(done), True, reply)
        done.append(Prepared(preparation, reply.status, wire.first_bytes(reply)))
        if done[-1].refused:
            message = f"{preparation.method} {preparation.path} was rejected with {reply.status}: {done[-1].answer}"
            return plan(tuple(done), True, Unreadable("prepare.refused", message))
    return plan(tuple(done), True)
