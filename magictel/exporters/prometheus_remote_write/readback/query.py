"""The query API of Prometheus, as far as a read-back asks it: raw samples, how many points of a run there are, deleting them."""

from __future__ import annotations

import itertools
import math
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from magictel.formats.prometheus.names import label_name
from magictel.http.wire import Reply, Wire
from magictel.model.verification import Unreadable
from magictel.sources.sample import RUN_ID

_RUN = label_name(RUN_ID)
_polls = itertools.count()


class QueryApi:
    """What is asked of `{wire}/api/v1/…`; `now` in Unix seconds. Every answer may be `Unreadable`; raises `WireError`."""

    def __init__(self, wire: Wire, now: float) -> None:
        self._wire = wire
        self._now = now

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
        reply = self._wire.get(f"{path}?{_encoded(parameters)}")
        told = reply.json(masked=False)  # labels are compared: one that is a secret of ours by chance must stay
        if reply.ok and isinstance(told, dict) and told.get("status") == "success":
            data = told.get("data")
            rows = data.get("result") if isinstance(data, dict) else None
            return rows if isinstance(rows, list) else []
        return self._not_told(reply)

    def _not_told(self, reply: Reply) -> Unreadable:
        said = self._wire.first_bytes(reply)
        if reply.status in (401, 403):
            return Unreadable(
                "prom.read.forbidden",
                f"the query API refuses these credentials ({reply.status})",
                "use credentials that may read as well",
            )
        if reply.status >= 500 or reply.status == 429:
            return Unreadable("prom.read.failed", f"the query failed ({reply.status}): {said}", None, final=False)
        return no_query_api(f"{self._wire.endpoint} has no query API as Prometheus has ({reply.status}): {said}")


def no_query_api(why: str) -> Unreadable:
    """Nobody can be asked."""
    return Unreadable("prom.read.no-query-api", why, "set query_url to what stands before /api/v1/query")


def _run(run_id: str) -> str:
    return f'{_RUN}="{run_id}"'


def _encoded(parameters: Mapping[str, str | list[str]]) -> str:
    return urllib.parse.urlencode(parameters, doseq=True)


def any_of(values: Sequence[str]) -> str:
    """A regular expression for exactly these values, as a PromQL string."""
    escaped = "|".join("".join(f"\\{one}" if one in r"\.+*?()|[]{}^$" else one for one in value) for value in values)
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'
