"""`prepare`: the preparation of a backend before data arrives; always shown, applied only on request."""

from __future__ import annotations

from dataclasses import dataclass

from magictel.model.finding import Finding
from magictel.model.verification import Unreadable
from magictel.operations.target_run import Job
from magictel.plugin.http_exporter import HttpExporter, Preparation
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
    return job.shown(_prepare(job, apply=apply))


def _prepare(job: Job, *, apply: bool) -> Plan:
    exporter, config = job.config()
    if exporter is None:
        return Plan(job.target, job.exporter, "", config=config)
    try:
        if not isinstance(exporter, HttpExporter):
            return Plan(job.target, job.exporter, exporter.endpoint())
        wire = exporter.wire()
        planned = ask(exporter.preparations, wire)
        if isinstance(planned, Unreadable):
            return Plan(job.target, job.exporter, exporter.endpoint(), trouble=planned)
        if not apply:
            return Plan(job.target, job.exporter, exporter.endpoint(), tuple(map(Prepared, planned)))
        done: list[Prepared] = []
        trouble = None
        for preparation in planned:
            if preparation.by_hand:
                done.append(Prepared(preparation))
                continue
            reply = ask(wire.request, preparation.method, preparation.path, json_body=preparation.body)
            if isinstance(reply, Unreadable):
                trouble = reply
                break
            done.append(Prepared(preparation, reply.status, wire.first_bytes(reply)))
            if done[-1].refused:
                message = f"{preparation.method} {preparation.path} was rejected with {reply.status}: {done[-1].answer}"
                trouble = Unreadable("prepare.refused", message)
                break
        return Plan(job.target, job.exporter, exporter.endpoint(), tuple(done), True, trouble)
    finally:
        exporter.shutdown(0)
