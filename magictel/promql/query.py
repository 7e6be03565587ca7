"""The query API of Prometheus, as far as a read-back asks it: raw samples, how many points of a run there are, deleting them."""

from __future__ import annotations

import itertools
import math
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from magictel.formats.prometheus.names import label_name
from magictel.http.asking import ask
from magictel.http.error_rules import Rule
from magictel.http.wire import Wire
from magictel.model.verification import Unreadable
from magictel.sources.sample import RUN_ID

_RUN = label_name(RUN_ID)
_polls = itertools.count()


class QueryApi:
    """What is asked of `{wire}/api/v1/…`; `now` in Unix seconds; `rules` read what is no answer.

    Every answer may be `Unreadable`; raises `WireError`.
    """

    def __init__(self, wire: Wire, now: float, rules: Sequence[Rule]) -> None:
        self._wire, self._now, self._rules = wire, now, rules

    def of_run(self, run_id: str, since: float, until: float) -> list[Any] | Unreadable:
        """The raw samples of a run, as rows of a `matrix`."""
        return self.samples(_run(run_id), since, until)

    def infos(
        self, jobs: Sequence[str], instances: Sequence[str], since: float, until: float
    ) -> list[Any] | Unreadable:
        """The `target_info` of these jobs and instances, as rows of a `matrix`."""
        wanted = f'__name__="target_info",job=~{any_of(jobs)},instance=~{any_of(instances)}'
        return self.samples(wanted, since, until)

    def samples(self, matchers: str, since: float, until: float) -> list[Any] | Unreadable:
        """A range selector: the only query that shows samples with their own times."""
        end = math.ceil(until)
        # VictoriaMetrics 1.79 shows nothing of a window that begins before 1970.
        window = max(1, end - max(0, math.floor(since)))
        return self._ask("/api/v1/query", {"query": f"{self._selector(matchers)}[{window}s]", "time": str(end)})

    def count(self, run_id: str) -> int | Unreadable:
        """How many points of the run are stored, of the last 30 days."""
        rows = self.samples(_run(run_id), self._now - 30 * 86_400, self._now + 600)
        if isinstance(rows, Unreadable):
            return rows
        own = [{name: value for name, value in row["metric"].items() if name not in ("__name__", "le")} for row in rows]
        return len({tuple(sorted(labels.items())) for labels in own})

    def delete(self, run_id: str) -> int | Unreadable:
        """Delete a run's series, and its `target_info` (by the instance that the sample names); how many points are gone."""
        before = self.count(run_id)
        if isinstance(before, Unreadable):
            return before
        wanted = [f"{{{_run(run_id)}}}", f'target_info{{instance="sample-{run_id}"}}']
        reply = self._wire.request("POST", f"/api/v1/admin/tsdb/delete_series?{_encoded({'match[]': wanted})}")
        if not reply.ok:
            return Unreadable(
                "verify.no-clean",
                f"the backend does not delete series ({reply.status}): {self._wire.first_bytes(reply)}",
                "start Prometheus with --web.enable-admin-api, or let the sample age out",
            )
        left = self.count(run_id)
        return left if isinstance(left, Unreadable) else before - left

    def _selector(self, matchers: str) -> str:
        """A selector nobody has asked before: VictoriaMetrics remembers that an earlier one found nothing."""
        return f'{{{matchers},magictel_poll!="{next(_polls)}-{self._now:.3f}"}}'

    def _ask(self, path: str, parameters: Mapping[str, str]) -> list[Any] | Unreadable:
        # Labels are compared: one that is a secret of ours by chance must stay.
        answer = ask(self._wire, f"{path}?{_encoded(parameters)}", self._rules, accept=_succeeded, masked=False)
        if isinstance(answer, Unreadable):
            return answer
        data = answer.get("data")
        rows = data.get("result") if isinstance(data, dict) else None
        return rows if isinstance(rows, list) else []


def _succeeded(answer: Mapping[str, Any]) -> bool:
    return answer.get("status") == "success"


def _run(run_id: str) -> str:
    return f'{_RUN}="{run_id}"'


def _encoded(parameters: Mapping[str, str | list[str]]) -> str:
    return urllib.parse.urlencode(parameters, doseq=True)


def any_of(values: Sequence[str]) -> str:
    """A regular expression for exactly these values, as a PromQL string."""
    escaped = "|".join("".join(f"\\{one}" if one in r"\.+*?()|[]{}^$" else one for one in value) for value in values)
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'
