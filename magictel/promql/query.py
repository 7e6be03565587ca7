"""The part of Prometheus' query API that a read-back needs: raw samples, the number of points of a run, and their deletion."""

from __future__ import annotations

import itertools
import math
import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from magictel.formats.prometheus.names import label_name
from magictel.http.asking import ask
from magictel.http.error_rules import Rule
from magictel.http.wire import Wire
from magictel.model.verification import RUN_ID, Unreadable
from magictel.net.endpoint import Endpoint

_PLAIN = re.compile("[A-Za-z_][A-Za-z0-9_]*")
"""Label names that need no quotes in a selector."""
_polls = itertools.count()


class QueryApi:
    """Queries to `{wire}/api/v1/…`; `now` in Unix seconds; `rules` classify error replies; `run_label`: the label of a run's id.

    Every result may be `Unreadable`; raises `WireError`.
    """

    def __init__(self, wire: Wire, now: float, rules: Sequence[Rule], run_label: str = label_name(RUN_ID)) -> None:
        self._wire, self._now, self._rules = wire, now, rules
        self._run_label = run_label if _PLAIN.fullmatch(run_label) else f'"{run_label}"'

    def of_run(self, run_id: str, since: float, until: float) -> list[Any] | Unreadable:
        """Return the raw samples of a run as rows of a `matrix`."""
        return self.samples(self._run(run_id), since, until)

    def infos(
        self, jobs: Sequence[str], instances: Sequence[str], since: float, until: float
    ) -> list[Any] | Unreadable:
        """Return the `target_info` of these jobs and instances as rows of a `matrix`."""
        wanted = f'__name__="target_info",job=~{any_of(jobs)},instance=~{any_of(instances)}'
        return self.samples(wanted, since, until)

    def samples(self, matchers: str, since: float, until: float) -> list[Any] | Unreadable:
        """Query a range selector, the only query that shows samples with their own times."""
        end = math.ceil(until)
        # VictoriaMetrics 1.79 shows nothing of a window that begins before 1970.
        window = max(1, end - max(0, math.floor(since)))
        return self._ask("/api/v1/query", {"query": f"{self._selector(matchers)}[{window}s]", "time": str(end)})

    def count(self, run_id: str) -> int | Unreadable:
        """Return the number of stored points of the run, in the last 30 days."""
        rows = self.samples(self._run(run_id), self._now - 30 * 86_400, self._now + 600)
        if isinstance(rows, Unreadable):
            return rows
        label_sets = [
            {name: value for name, value in row["metric"].items() if name not in ("__name__", "le")} for row in rows
        ]
        return len({tuple(sorted(labels.items())) for labels in label_sets})

    def delete(self, run_id: str) -> int | Unreadable:
        """Delete a run's series and its `target_info` (by the sample's instance); return the number of deleted points."""
        before = self.count(run_id)
        if isinstance(before, Unreadable):
            return before
        wanted = [f"{{{self._run(run_id)}}}", f'target_info{{instance="sample-{run_id}"}}']
        reply = self._wire.request("POST", f"/api/v1/admin/tsdb/delete_series?{_encoded({'match[]': wanted})}")
        if not reply.ok:
            return Unreadable(
                "verify.no-clean",
                f"the backend does not delete series ({reply.status}): {self._wire.first_bytes(reply)}",
                "start Prometheus with --web.enable-admin-api, or wait for retention",
            )
        left = self.count(run_id)
        return left if isinstance(left, Unreadable) else before - left

    def _run(self, run_id: str) -> str:
        return f'{self._run_label}="{run_id}"'

    def _selector(self, matchers: str) -> str:
        """Return a new selector: VictoriaMetrics caches an earlier empty result."""
        return f'{{{matchers},magictel_poll!="{next(_polls)}-{self._now:.3f}"}}'

    def _ask(self, path: str, parameters: Mapping[str, str]) -> list[Any] | Unreadable:
        # Labels are compared: a label that equals a secret by chance must not be masked.
        answer = ask(self._wire, f"{path}?{_encoded(parameters)}", self._rules, accept=_succeeded, masked=False)
        if isinstance(answer, Unreadable):
            return answer
        data = answer.get("data")
        rows = data.get("result") if isinstance(data, dict) else None
        return rows if isinstance(rows, list) else []


def query_wire(wire: Wire, query: Endpoint | None, endings: Iterable[tuple[str, str]]) -> Wire | None:
    """Return a wire to the query API: at `query`, or derived from the wire's own path by `endings`, pairs of the end of a write path and
    its replacement; None where neither gives the address.
    """
    if query is not None:
        return wire.at(query)
    here = wire.endpoint
    for ending, instead in endings:
        if here.path.endswith(ending):
            return wire.at(Endpoint(here.scheme, here.host, here.port, here.path.removesuffix(ending) + instead))
    return None


def _succeeded(answer: Mapping[str, Any]) -> bool:
    return answer.get("status") == "success"


def _encoded(parameters: Mapping[str, str | list[str]]) -> str:
    return urllib.parse.urlencode(parameters, doseq=True)


def any_of(values: Sequence[str]) -> str:
    """Return a regular expression for exactly these values as a PromQL string."""
    escaped = "|".join(
        "".join(f"\\{character}" if character in r"\.+*?()|[]{}^$" else character for character in value)
        for value in values
    )
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'
