"""Prometheus remote write 1.0: Prometheus, Mimir, Cortex, Thanos, VictoriaMetrics and whoever else takes it.

Protobuf in snappy's block format, and a reply without item verdicts. Prometheus takes all of a request or nothing
(one bad sample costs the good ones), so a request refused for its points is halved until the bad ones stand alone; sending
a stored sample again is no error. It also answers 204 for series it drops in silence: only the read-back shows it.
"""

from __future__ import annotations

import base64
import math
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import cramjam

from magictel.address import parse_endpoint
from magictel.delivery.retry import Attempted
from magictel.exporters.prometheus_encoding import Encoder
from magictel.exporters.prometheus_names import label_name
from magictel.exporters.prometheus_reading import declared, expected, key_in, seen
from magictel.exporters.prometheus_refusals import refusal
from magictel.finding import Finding, Rung, SideEffect
from magictel.http_exporter import HttpExporter, judge_status
from magictel.ladder.http import answered
from magictel.ladder.probe import probe
from magictel.model import Group, Point, Series
from magictel.outcome import Outcome, Rejected, Throttled, TooLarge
from magictel.payload import Payload, Route
from magictel.secrets import Secret
from magictel.settings.model import HttpSettings, Problem, option
from magictel.sources.sample import RUN_ID
from magictel.templates import Withheld
from magictel.verification import Expected, SampleQuery, Seen, Unreadable, Value
from magictel.wire import Endpoint, Reply, Wire

_RUN = label_name(RUN_ID)
_WRITE_PATHS = (("/api/v1/write", ""), ("/api/v1/push", "/prometheus"), ("/api/prom/push", "/api/prom"))
"""How a write path ends, and what stands there for queries: Prometheus and VictoriaMetrics, Mimir, Grafana Cloud and Cortex."""
_ALL_BAD = 32


class PrometheusRemoteWriteSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and how remote write goes."""

    env_prefix = "PROMETHEUS_REMOTE_WRITE_"

    url: Annotated[
        str,
        option(
            "The remote-write address, path included.",
            example="https://prometheus.example.net/api/v1/write",
            address=True,
        ),
    ]
    query_url: Annotated[
        str | None,
        option(
            "Where read-back asks: what stands before /api/v1/query. Default: url without its last path segments.",
            example="https://prometheus.example.net",
            address=True,
        ),
    ] = None
    username: Annotated[str | None, option("User for basic authentication.", example="123456")] = None
    password: Annotated[Secret | None, option("Password for basic authentication.")] = None
    bearer_token: Annotated[Secret | None, option("Token for bearer authentication.")] = None
    org_id: Annotated[
        str | None, option("Tenant, sent as X-Scope-OrgID: Mimir, Cortex and Loki's kin.", example="team-a")
    ] = None
    protocol: Annotated[Literal["1.0"], option("Version of the remote-write protocol.")] = "1.0"
    name_suffixes: Annotated[
        bool, option("Whether a metric's name ends in its unit and type, as in _seconds and _total.")
    ] = True
    scope_labels: Annotated[
        bool, option("Whether series carry otel_scope_name and otel_scope_version; two scopes may share a name.")
    ] = True
    target_info: Annotated[
        bool, option("Whether a resource's attributes beyond job and instance are sent, as the series target_info.")
    ] = True
    compression: Annotated[Literal["snappy"], option("How request bodies travel: remote write knows no other way.")] = (
        "snappy"  # type: ignore[assignment] # narrower than its parent's
    )
    temporality: Annotated[Literal["cumulative"], option("Prometheus needs sums that count from the start.")] = (
        "cumulative"
    )

    def problems(self) -> Iterable[Problem]:
        """Adds: credentials of two kinds, a password without its user, a URL without path."""
        yield from super().problems()
        if self.bearer_token and (self.username or self.password):
            yield (
                "bearer_token",
                "config.value",
                "bearer_token: there is a username or password as well",
                "set one of them",
            )
        if self.password and not self.username and "@" not in self.url:
            yield "password", "config.value", "password: there is no username", "set username as well"


class PrometheusRemoteWriteExporter(HttpExporter[PrometheusRemoteWriteSettings]):
    """Sends metrics by remote write 1.0."""

    name = "prometheus-remote-write"
    summary = "Prometheus, Mimir, VictoriaMetrics by remote write 1.0"
    Settings = PrometheusRemoteWriteSettings
    content_type = "application/x-protobuf"
    in_time_order = True
    temporalities = ("cumulative",)
    limits = (
        "Delta points and exponential histograms are withheld: remote write 1.0 can carry neither.",
        "Every number is a 64-bit float: integers beyond 2^53 lose digits. Times are cut to milliseconds.",
        "Names and attribute keys become letters, digits and underscores; values become text; start times, minima and maxima stay behind.",
        "A point's own job, instance or le is kept as exported_job and so on.",
    )
    cost = "One series per number; a histogram of n buckets is n + 3 series. Prometheus' memory grows with the series, not the samples."

    def __init__(self, settings: PrometheusRemoteWriteSettings | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self._encoder = Encoder(suffixes=self.settings.name_suffixes, scope_labels=self.settings.scope_labels)
        self._names: dict[str, set[str]] = {}
        self._asked = 0
        self._refused_in_a_row = 0

    @classmethod
    def check_settings(cls, settings: PrometheusRemoteWriteSettings) -> None:
        """The addresses parse, and the one for writing has a path."""
        parse_endpoint(settings.url)
        if settings.query_url:
            parse_endpoint(settings.query_url, field="query_url")

    # ---- encoding ----------------------------------------------------------------------------------------------------

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point's `TimeSeries` messages."""
        return self._encoder.encode(series, point)

    def template(self) -> Encoder:
        """The same bytes by column."""
        return self._encoder

    def lead(self, group: Group) -> bytes:
        """The resource's `target_info`."""
        return self._encoder.target_info(group) if self.settings.target_info else b""

    def route(self) -> Route:
        """The write path stands in the endpoint."""
        return Route("", self.settings.max_batch_points, self.settings.max_batch_bytes)

    def compress(self, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """Snappy's block format; the framed one is refused."""
        return bytes(cramjam.snappy.compress_raw(body)), {
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }

    # ---- where, and with which credentials -----------------------------------------------------------------------------

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The write address."""
        return (parse_endpoint(self.settings.url).endpoint,)

    def headers(self) -> Mapping[str, str]:
        """Credentials and tenant."""
        own = self.settings
        made = {"X-Scope-OrgID": own.org_id} if own.org_id else {}
        address = parse_endpoint(own.url)
        username = own.username or address.username
        password = own.password or address.password
        if own.bearer_token:
            made["Authorization"] = f"Bearer {own.bearer_token.reveal()}"
        elif username:
            pair = f"{username}:{password.reveal() if password else ''}"
            made["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return made

    def window(self) -> tuple[float, float]:
        """Prometheus takes nothing older than an hour before its newest sample; 3 refuses beyond +10 minutes, 2 is poisoned by it."""
        return 3600.0, 600.0

    def reading(self, wire: Wire) -> Wire | None:
        """A wire to the query API, or None where its address cannot be guessed from the write address."""
        if self.settings.query_url:
            return wire.at(parse_endpoint(self.settings.query_url).endpoint)
        here = wire.endpoint
        for ending, instead in _WRITE_PATHS:
            if here.path.endswith(ending):
                return wire.at(Endpoint(here.scheme, here.host, here.port, here.path.removesuffix(ending) + instead))
        return None

    # ---- verdicts ------------------------------------------------------------------------------------------------------

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """A 2xx delivers all; a sentence that blames points halves the payload, whose last single point is rejected."""
        row = refusal(reply)
        if row is None:
            return judge_status(reply, self.clock.now())
        if row.act == "wait":
            return Throttled(row.code, row.message, reply.retry_after(self.clock.now()))
        if row.act in ("isolate", "halve"):
            return TooLarge(row.code, row.message)
        return Rejected(row.code, row.message, row.remedy, " ".join(reply.text[:200].split()))

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Send once. After many refused points in a row nothing is halved any more: a whole replay may be too old."""
        attempted = super().attempt(payload, timeout)
        outcome = attempted.outcome
        if not isinstance(outcome, TooLarge):
            self._refused_in_a_row = 0
        elif payload.points <= 1:
            self._refused_in_a_row += 1
        elif self._refused_in_a_row >= _ALL_BAD and outcome.code not in ("prom.rw.too-large", "http.too-large"):
            message = (
                f"{outcome.message} (so were the {self._refused_in_a_row} points before: these were not told apart)"
            )
            return Attempted(Rejected(outcome.code, message), attempted.bytes)
        return attempted

    # ---- the ladder ----------------------------------------------------------------------------------------------------

    @probe(Rung.HTTP, "remote write is spoken at this address")
    def door(self, wire: Wire) -> Finding:
        """GET on the write path writes nothing: 405 says that it is there (Prometheus, Mimir)."""
        reply = answered(wire, "")
        if isinstance(reply, Finding):
            return reply
        product = self._product(wire, reply)
        seen = {"status": reply.status, "product": product}
        if reply.status == 404:
            return Finding.failed(
                Rung.HTTP,
                "prom.rw.path",
                f"{wire.endpoint} is no remote-write path of {product}",
                "Prometheus' is /api/v1/write, Mimir's /api/v1/push, VictoriaMetrics' /api/v1/write",
                **seen,
            )
        if reply.status in (401, 403):
            return Finding.passed(Rung.HTTP, f"{product} answers, and asks who we are ({reply.status})", **seen)
        if reply.status == 405:
            return Finding.passed(Rung.HTTP, f"{product}, and the write path is there", **seen)
        if reply.status >= 500:
            return Finding.failed(
                Rung.HTTP,
                "http.server-error",
                f"{product} answers {reply.status}",
                None,
                **seen,
                body=wire.first_bytes(reply),
            )
        return Finding.passed(Rung.HTTP, f"{product} answers; its answer proves no write path", **seen)

    @probe(Rung.AUTH, "the credentials are taken")
    def credentials(self, wire: Wire) -> Finding:
        """Asks the write path and the query API; only the query API refusing is a warning: exporting does not need it."""
        given = "Authorization" in self._all_headers()
        reply = wire.get("")
        if reply.status in (401, 403):
            return self._refused(Rung.AUTH, wire, reply, given)
        reading = self.reading(wire)
        if reading is None:
            return Finding.passed(Rung.AUTH, "the write path does not refuse us; no query API is known to ask further")
        reply = reading.get("/api/v1/query?query=vector(1)")
        row = refusal(reply)
        if row is not None and row.code.startswith("mimir."):
            return self._refused(Rung.AUTH, reading, reply, given)
        if reply.status in (401, 403):
            return Finding.warned(
                Rung.AUTH,
                "prom.read.forbidden",
                f"the query API refuses these credentials ({reply.status}): what is sent cannot be read back",
                "use credentials that may read as well, or query_url",
                status=reply.status,
            )
        if not given:
            return Finding.passed(Rung.AUTH, "no credentials are set, and none are asked for", status=reply.status)
        anonymous = wire.request("GET", "", credentials=False)
        if anonymous.status in (401, 403):
            return Finding.passed(Rung.AUTH, "the credentials are taken, and asked for", without=anonymous.status)
        return Finding.passed(
            Rung.AUTH, "the credentials are not refused; without them we are not either", status=reply.status
        )

    @probe(Rung.HEALTH, "the backend says that it is ready")
    def ready(self, wire: Wire) -> Finding:
        """Prometheus' and VictoriaMetrics' /-/ready, else /health."""
        reading = self.reading(wire)
        for path in ("/-/ready", "/health") if reading is not None else ():
            assert reading is not None
            reply = reading.get(path)
            said = reading.first_bytes(reply)
            if reply.ok and not reply.looks_like_html:
                return Finding.passed(Rung.HEALTH, said or "ready", path=path)
            if reply.status in (401, 403):
                return Finding.warned(
                    Rung.HEALTH, "prom.health.forbidden", f"{path} may not be read ({reply.status})", None
                )
            if reply.status >= 500:
                return Finding.failed(
                    Rung.HEALTH,
                    "prom.health.not-ready",
                    f"not ready ({reply.status}): {said}",
                    "magictel check --wait 60s (a Prometheus that starts replays its log first)",
                    path=path,
                )
        return Finding.skipped(Rung.HEALTH, "this backend has no /-/ready that we know of")

    @probe(Rung.WRITE, "the remote-write receiver is switched on")
    def receiver(self, wire: Wire) -> Finding:
        """Prometheus tells its flags; who else writes may only be seen by writing."""
        ask = "whether we may write shows only an empty write: add --allow empty-write"
        reading = self.reading(wire)
        flags = reading.get("/api/v1/status/flags").json() if reading is not None else None
        values = flags.get("data") if isinstance(flags, dict) else None
        if not isinstance(values, dict) or "web.enable-remote-write-receiver" not in values:
            return Finding.skipped(Rung.WRITE, ask)
        on = values["web.enable-remote-write-receiver"] == "true"
        if not on and "remote-write-receiver" not in str(values.get("enable-feature", "")):
            return Finding.failed(
                Rung.WRITE,
                "prom.rw.disabled",
                "this Prometheus' remote-write receiver is switched off",
                "start it with --web.enable-remote-write-receiver",
            )
        return Finding.passed(
            Rung.WRITE, "the remote-write receiver is switched on; Prometheus has no rights of its own"
        )

    @probe(Rung.WRITE, "an empty write is taken", SideEffect.EMPTY_WRITE)
    def empty_write(self, wire: Wire) -> Finding:
        """A request without series: it goes the whole way and stores nothing (Prometheus 2 and 3, VictoriaMetrics: 2xx)."""
        body, headers = self.compress(b"")
        reply = wire.request("POST", "", body=body, headers={"Content-Type": self.content_type, **headers})
        if reply.ok and not reply.looks_like_html:
            return Finding.passed(Rung.WRITE, f"an empty write is taken ({reply.status})", status=reply.status)
        if reply.status in (401, 403):
            return self._refused(Rung.WRITE, wire, reply, "Authorization" in self._all_headers())
        verdict = self.judge(Payload(b"", 0, lambda _: []), reply)
        return Finding.failed(
            Rung.WRITE,
            getattr(verdict, "code", "http.not-a-backend"),
            getattr(verdict, "message", f"{reply.status}"),
            getattr(verdict, "remedy", None),
            status=reply.status,
            body=wire.first_bytes(reply),
        )

    def _refused(self, rung: Rung, wire: Wire, reply: Reply, given: bool) -> Finding:
        row = refusal(reply)
        seen = {"status": reply.status, "body": wire.first_bytes(reply)}
        if row is not None:
            return Finding.failed(rung, row.code, row.message, row.remedy, **seen)
        if reply.status == 403:
            return Finding.failed(rung, "http.forbidden", "these credentials may not do this (403)", None, **seen)
        if given:
            remedy = "check username and password, or bearer_token"
            return Finding.failed(rung, "http.unauthorized", "the credentials are refused (401)", remedy, **seen)
        return Finding.failed(
            rung,
            "http.unauthorized",
            "credentials are asked for (401)",
            "set username and password, or bearer_token",
            **seen,
        )

    def _product(self, wire: Wire, reply: Reply) -> str:
        """Which product answers, by its own words; "the backend" where it says none."""
        if "x-server-hostname" in reply.headers:
            return "VictoriaMetrics"
        reading = self.reading(wire)
        told = reading.get("/api/v1/status/buildinfo").json() if reading is not None else None
        info = told.get("data") if isinstance(told, dict) else None
        if not isinstance(info, dict) or "version" not in info:
            return "the backend"
        return f"{info.get('application') or 'Prometheus'} {info['version']}"

    # ---- the way back --------------------------------------------------------------------------------------------------

    def expect(self, series: Series, point: Point) -> Expected | None:
        """How a query shows the point."""
        one = expected(self._encoder, series, point, target_info=self.settings.target_info)
        if one is not None:
            self._names.setdefault(series.stream.name, set()).add(self._encoder.name(series.stream) or "")
        return one

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Milliseconds, text, normalised names, 64-bit floats, and what remote write does not carry."""
        return declared(field, sent, seen, self._names)

    def item_key(self, item: bytes) -> str | None:
        """The sample's name for a point."""
        return key_in(item)

    def read_back(self, wire: Wire, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """The raw samples of the run, by the query API."""
        results = self._samples(wire, f'{_RUN}="{query.run_id}"', query)
        if isinstance(results, Unreadable):
            return results
        infos: Sequence[Any] = []
        jobs = sorted({str(one.fields["labels.job"]) for one in query.expected if "labels.job" in one.fields})
        instances = sorted({str(one.fields.get("labels.instance", "")) for one in query.expected})
        if self.settings.target_info and jobs:
            wanted = f'__name__="target_info",job=~{_any_of(jobs)},instance=~{_any_of(instances)}'
            told = self._samples(wire, wanted, query)
            if isinstance(told, Unreadable):
                return told
            infos = told
        return seen(results, infos, query.expected)

    def visible_after(self, wire: Wire) -> float | Unreadable:
        """Prometheus shows a sample at once; VictoriaMetrics after it has flushed (measured: 1 to 2 s, 5 at worst)."""
        if self.reading(wire) is None:
            return _no_query_api(wire)
        return 5.0 if "x-server-hostname" in wire.get("").headers else 1.0

    def count_run(self, wire: Wire, run_id: str) -> int | Unreadable:
        """How many points of the run are stored."""
        found = self._ask(wire, f"/api/v1/series?{_encoded({'match[]': self._selector(_run(run_id))})}")
        if isinstance(found, Unreadable):
            return found
        rest = ({name: value for name, value in one.items() if name not in ("__name__", "le")} for one in found)
        return len({tuple(sorted(own.items())) for own in rest})

    def delete_run(self, wire: Wire, run_id: str) -> int | Unreadable:
        """Prometheus' and VictoriaMetrics' delete_series; a run's `target_info` is told by the instance that the sample names."""
        count = self.count_run(wire, run_id)
        reading = self.reading(wire)
        if isinstance(count, Unreadable) or reading is None:
            return count if isinstance(count, Unreadable) else _no_query_api(wire)
        wanted = [f"{{{_run(run_id)}}}", f'target_info{{instance="sample-{run_id}"}}']
        path = f"/api/v1/admin/tsdb/delete_series?{_encoded({'match[]': wanted})}"
        reply = reading.request("POST", path)
        if reply.ok:
            return count
        said = reading.first_bytes(reply)
        return Unreadable(
            "verify.no-clean",
            f"the backend does not delete series ({reply.status}): {said}",
            "start Prometheus with --web.enable-admin-api, or let the sample age out",
        )

    def _samples(self, wire: Wire, matchers: str, query: SampleQuery) -> Sequence[Any] | Unreadable:
        until = math.ceil(query.until)
        window = max(1, until - math.floor(query.since))
        asked = _encoded({"query": f"{self._selector(matchers)}[{window}s]", "time": str(until)})
        return self._ask(wire, f"/api/v1/query?{asked}")

    def _selector(self, matchers: str) -> str:
        """A selector nobody has asked before: VictoriaMetrics remembers that an earlier one found nothing."""
        self._asked += 1
        return f'{{{matchers},magictel_poll!="{self._asked}-{self.clock.now():.3f}"}}'

    def _ask(self, wire: Wire, path: str) -> list[Any] | Unreadable:
        reading = self.reading(wire)
        if reading is None:
            return _no_query_api(wire)
        reply = reading.get(path)
        told = reply.json()
        if reply.ok and isinstance(told, dict) and told.get("status") == "success":
            data = told.get("data")
            result = data.get("result") if isinstance(data, dict) else data
            return result if isinstance(result, list) else []
        said = reading.first_bytes(reply)
        if reply.status in (401, 403):
            return Unreadable(
                "prom.read.forbidden",
                f"the query API refuses these credentials ({reply.status})",
                "use credentials that may read as well",
            )
        if reply.status >= 500 or reply.status == 429:
            return Unreadable("prom.read.failed", f"the query failed ({reply.status}): {said}", None, final=False)
        return Unreadable(
            "prom.read.no-query-api",
            f"{reading.endpoint} has no query API as Prometheus has ({reply.status}): {said}",
            "set query_url to what stands before /api/v1/query",
        )


def _no_query_api(wire: Wire) -> Unreadable:
    return Unreadable(
        "prom.read.no-query-api",
        f"where to query cannot be told from {wire.endpoint}",
        "set query_url to what stands before /api/v1/query",
    )


def _run(run_id: str) -> str:
    return f'{_RUN}="{run_id}"'


def _encoded(parameters: Mapping[str, str | list[str]]) -> str:
    return urllib.parse.urlencode(parameters, doseq=True)


def _any_of(values: Sequence[str]) -> str:
    """A regular expression for exactly these values, as a PromQL string."""
    escaped = "|".join("".join(f"\\{one}" if one in r"\.+*?()|[]{}^$" else one for one in value) for value in values)
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'
