"""For each law an exporter that breaks it: Acme's, or the one to a file, which hold all that concern them, with one member changed."""

from __future__ import annotations

import dataclasses
import errno
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import HistogramDataPoint, MetricExportResult

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.errors import WireError
from magictel.exporters import file
from magictel.http.wire import Reply, Request, Wire
from magictel.ladder.probe import probe
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Point, Series
from magictel.model.outcome import Delivered, Outcome, Partial, Receipt, Rejected, Throttled, Unavailable
from magictel.model.verification import SampleQuery, Seen, Unreadable
from magictel.plugin.any_exporter import AnyExporter
from tests.conformance.acme import AcmeEncoder, AcmeExporter, AcmeReadBack, AcmeSettings


@dataclass(frozen=True)
class Bad:
    """`law` is the one that it breaks: it holds all others."""

    law: str
    exporter: type[AnyExporter]


class FileExporter(file.FileExporter):
    """Ours as another package would inherit it."""

    interface = 2


E = TypeVar("E", bound=AnyExporter)
BAD: list[Bad] = []
_BUSY = threading.Lock()
_REMEMBERED: list[Any] = []


def breaks(law: str) -> Callable[[type[E]], type[E]]:
    def add(exporter: type[E]) -> type[E]:
        BAD.append(Bad(law, exporter))
        return exporter

    return add


def _renamed(reply: Reply, **headers: str) -> Reply:
    return dataclasses.replace(reply, headers={**reply.headers, **headers})


# ---- declared ----------------------------------------------------------------------------------------------------------


@breaks("describe.interface")
class WithoutASummary(AcmeExporter):
    summary = ""


@breaks("describe.interface")
class OfAnotherInterface(AcmeExporter):
    interface = 1


class Unexplained(AcmeSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mystery: int = 3


@breaks("describe.options")
class WithAnUnexplainedOption(AcmeExporter):
    def __init__(self, settings: Any = None, **options: Any) -> None:
        super().__init__(Unexplained(**msgspec.structs.asdict(settings)), **options)


@breaks("describe.cost")
class OfUnknownCost(AcmeExporter):
    cost = ""


@breaks("secrets.nowhere")
class Talkative(AcmeExporter):
    def __repr__(self) -> str:
        return f"Acme({dict(self.headers())})"


@breaks("probes.hold")
class WithABrokenProbe(AcmeExporter):
    @probe(Rung.HEALTH, "Acme is well")
    def health(self, wire: Wire) -> Finding:
        raise KeyError("status")


@breaks("probes.side-effects")
class WithAProbeThatWrites(AcmeExporter):
    @probe(Rung.HEALTH, "Acme takes a line")
    def health(self, wire: Wire) -> Finding:
        wire.request("POST", "/points", body=b'{"attributes":{}}\n')
        return Finding.passed(Rung.HEALTH, "it took one")


# ---- bytes -------------------------------------------------------------------------------------------------------------


class LikeTheFirst(AcmeEncoder):
    """What the first point is, whole or decimal, all are taken for."""

    def columns(self, stream: Any, points: Any) -> Any:
        filled = super().columns(stream, points)
        if filled is None or not isinstance(points[0].value, int):
            return filled
        whole = [b"%d" % point.value for point in points]
        return msgspec.structs.replace(filled, columns=[filled.columns[0], whole])


@breaks("encode.template")
class WithAnotherTemplate(AcmeExporter):
    Encoder = LikeTheFirst


class CutsWithinTexts(AcmeEncoder):
    def split(self, body: bytes) -> list[bytes]:
        return body.replace(b"\\n", b"\n").splitlines(keepends=True)


@breaks("encode.items")
class ThatCutsWithinTexts(AcmeExporter):
    Encoder = CutsWithinTexts


class WritesTheDay(AcmeEncoder):
    def encode(self, series: Series, point: Point) -> Any:
        item = super().encode(series, point)
        if not isinstance(item, bytes) or not isinstance(point, HistogramDataPoint):
            return item
        return item[:-2] + b',"encoded":%d}\n' % (self.exporter.clock.now() // 86_400)


@breaks("encode.repeatable")
class ThatWritesTheDay(AcmeExporter):
    Encoder = WritesTheDay


# ---- points ------------------------------------------------------------------------------------------------------------


class LeavesNotes(AcmeEncoder):
    def encode(self, series: Series, point: Point) -> Any:
        if isinstance(point, HistogramDataPoint):
            point.exemplars.append(Exemplar({}, 1.0, 0, None, None))  # type: ignore[attr-defined]
        return super().encode(series, point)


@breaks("input.not-mutated")
class ThatLeavesNotes(AcmeExporter):
    Encoder = LeavesNotes


class HoldsBackWithoutAWord(AcmeEncoder):
    def encode(self, series: Series, point: Point) -> Any:
        if series.stream.name.endswith("delta_histogram"):
            return Withheld("", "", "")
        return super().encode(series, point)


@breaks("input.shapes")
class ThatHoldsBackWithoutAWord(AcmeExporter):
    Encoder = HoldsBackWithoutAWord


@breaks("input.shapes")
class ThatRejectsDeltasForNoReasonOfItsOwn(AcmeExporter):
    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        delta = b"delta_histogram" in payload.body
        return Rejected("http.refused", "400") if delta else super().judge(payload, reply)


@breaks("input.shapes")
class ThatRejectsDeltasWithoutACode(AcmeExporter):
    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        return Rejected("", "") if b"delta_histogram" in payload.body else super().judge(payload, reply)


@breaks("input.odd-values")
class ThatLetsNeighboursPay(AcmeExporter):
    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        return Rejected("acme.odd", "NaN") if b"NaN" in payload.body else super().judge(payload, reply)


@breaks("input.redacted")
class ThatScrubsNothing(AcmeExporter):
    def __init__(self, settings: Any = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self.redaction = iter  # type: ignore[assignment]


@breaks("input.fates")
class ThatNamesNobody(AcmeExporter):
    def deliver(self, data: Any, *, on_refused: Any = None, **options: Any) -> Receipt:  # type: ignore[misc]
        return super().deliver(data, **options)


# ---- delivery ----------------------------------------------------------------------------------------------------------


@breaks("bounds.deadline")
class ThatTakesItsTime(AcmeExporter):
    def deliver(self, data: Any, *, seconds: float = 30.0, **options: Any) -> Receipt:  # type: ignore[misc]
        return super().deliver(data, seconds=10 * seconds, **options)


@breaks("bounds.breaker")
class ThatNeverRests(AcmeExporter):
    def __init__(self, settings: Any = None, **options: Any) -> None:
        super().__init__(msgspec.structs.replace(settings, breaker_failures=10**6), **options)


@breaks("bounds.outbox")
class ThatKeepsAll(AcmeExporter):
    def __init__(self, settings: Any = None, **options: Any) -> None:
        super().__init__(msgspec.structs.replace(settings, outbox_points=10**6), **options)


@breaks("bounds.templates")
class ThatRemembersAll(AcmeExporter):
    def payloads(self, data: Any) -> Any:  # type: ignore[misc]
        _REMEMBERED.append(data)
        return super().payloads(data)


@breaks("bounds.batches")
class InOnePiece(AcmeExporter):
    def route(self) -> Route:
        return Route("/points", 10**6, 10**9)


# ---- faults ------------------------------------------------------------------------------------------------------------


def _judging(statuses: Sequence[int], change: Callable[[Outcome, Reply], Outcome]) -> Any:
    def judge(self: Any, payload: Payload, reply: Reply) -> Outcome:
        outcome = AcmeExporter.judge(self, payload, reply)
        return change(outcome, reply) if reply.status in statuses else outcome

    return judge


def _rejected(outcome: Outcome, reply: Reply) -> Outcome:
    return Rejected("acme.refused", f"{reply.status}")


@breaks("retry.throttled")
class ThatWaitsOnlyWhenToldHowLong(AcmeExporter):
    judge = _judging(
        [429], lambda outcome, reply: outcome if reply.headers.get("retry-after") else _rejected(outcome, reply)
    )


@breaks("retry.unavailable")
class ThatTakesMaintenanceForGood(AcmeExporter):
    judge = _judging([503], lambda outcome, reply: _rejected(outcome, reply) if reply.looks_like_html else outcome)


@breaks("retry.gateway")
class ThatGivesUpAtAGateway(AcmeExporter):
    judge = _judging([502, 504], _rejected)


@breaks("fault.table")
class ThatTakesAnyTypeForGood(AcmeExporter):
    judge = _judging([415], lambda outcome, reply: Unavailable(outcome.code, outcome.message))


@breaks("retry.refused")
class ThatInsists(AcmeExporter):
    judge = _judging([400], lambda outcome, reply: Unavailable("acme.refused", "400"))


@breaks("retry.after-seconds")
class ThatReadsNoSeconds(AcmeExporter):
    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        digits = reply.headers.get("retry-after", "").isdigit()
        return super().judge(payload, _renamed(reply, **{"retry-after": ""}) if digits else reply)


@breaks("retry.after-date")
class ThatReadsNoDates(AcmeExporter):
    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        digits = reply.headers.get("retry-after", "").isdigit()
        return super().judge(payload, reply if digits else _renamed(reply, **{"retry-after": ""}))


@breaks("split.too-large")
class ThatDoesNotHalve(AcmeExporter):
    judge = _judging([413], _rejected)


@breaks("split.single")
class ThatInsistsOnOne(AcmeExporter):
    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        outcome = super().judge(payload, reply)
        return Throttled("acme.large", "413") if reply.status == 413 and payload.points == 1 else outcome


@breaks("fault.reset")
class ThatGivesUpAtAClose(AcmeExporter):
    def classify_wire_error(self, failure: WireError) -> Outcome:
        return (
            Rejected(failure.code, failure.message)
            if "closed" in failure.code
            else super().classify_wire_error(failure)
        )


@breaks("fault.truncated")
class ThatTrustsACut(AcmeExporter):
    def classify_wire_error(self, failure: WireError) -> Outcome:
        return Delivered() if "truncated" in failure.code else super().classify_wire_error(failure)


@breaks("fault.time-out")
class Patient(AcmeExporter):
    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        return super().attempt(payload, 60.0 if self.settings.timeout == 0.5 else timeout)


@breaks("fault.web-page")
class Gullible(AcmeExporter):
    judge = _judging([200], lambda outcome, reply: Delivered() if reply.looks_like_html else outcome)


@breaks("partial.items")
class ThatReadsOnlyWhatMayBeSentAgain(AcmeExporter):
    judge = _judging(
        [200], lambda outcome, reply: Delivered() if isinstance(outcome, Partial) and not outcome.retry else outcome
    )


@breaks("credentials.waiting")
class ThatDropsForAKey(AcmeExporter):
    def _kept_waiting(self, outcome: Outcome, reply: Reply) -> Outcome:
        return outcome if reply.status == 403 else super()._kept_waiting(outcome, reply)


def _as_at_first(method: Callable[[Any], Any]) -> Any:
    known: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
    return lambda self: known.setdefault(self, method(self))


@breaks("credentials.rotated")
class ThatRemembersItsKey(AcmeExporter):
    headers = _as_at_first(AcmeExporter.headers)


def _blamed(outcome: Outcome, reply: Reply) -> Outcome:
    if not isinstance(outcome, Partial) or not outcome.unnamed or outcome.why is None:
        return outcome
    return Partial(dict.fromkeys(range(1, outcome.unnamed + 1), outcome.why))


@breaks("partial.blame")
class ThatBlamesAnybody(AcmeExporter):
    judge = _judging([200], _blamed)


@breaks("partial.blame")
class ThatCountsFromOne(AcmeExporter):
    judge = _judging(
        [200],
        lambda outcome, reply: (
            Partial({index + 1: why for index, why in outcome.rejected.items()})
            if isinstance(outcome, Partial) and outcome.rejected.keys() == {0, 2, 4, 6, 8}
            else outcome
        ),
    )


@breaks("partial.only-refused")
class ThatRepeatsAll(AcmeExporter):
    judge = _judging(
        [200],
        lambda outcome, reply: (
            Throttled("acme.busy", "") if isinstance(outcome, Partial) and outcome.retry else outcome
        ),
    )


@breaks("ids.no-duplicates")
class ThatNumbersItsRepeats(AcmeExporter):
    def request(self, endpoint: Any, payload: Payload) -> Request:
        if payload.attempted:
            payload = dataclasses.replace(payload, body=payload.body.replace(b'"time":', b'"again":1,"time":'))
        return super().request(endpoint, payload)


@breaks("ledger.identity")
class ThatBoasts(AcmeExporter):
    @property
    def ledger(self) -> Receipt:  # type: ignore[misc]
        true = super().ledger
        if true.sent in range(10) or true.sent == 80 or true.kept:
            return true
        return msgspec.structs.replace(true, sent=true.sent + 1, delivered=true.delivered + 1)


# ---- the system --------------------------------------------------------------------------------------------------------


@breaks("system.refused")
class ThatBelievesInAFullDisk(FileExporter):
    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        attempted = super().attempt(payload, timeout)
        full = getattr(attempted.outcome, "code", "") == "file.full"
        return Attempted(Delivered()) if full and not self.ledger.sent else attempted


@breaks("system.fixed")
class ThatGivesUpAtAFolder(FileExporter):
    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        attempted = super().attempt(payload, timeout)
        code = getattr(attempted.outcome, "code", "")
        return Attempted(Rejected(code, "a folder")) if code == "file.is-directory" else attempted


@breaks("system.partly")
class ThatLeavesItsHalves(FileExporter):
    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        line = self.encoder.frame(payload)
        try:
            with Path(self.endpoint()).open("ab", buffering=0) as file:
                whole = file.write(line) == len(line)
        except OSError as failure:
            return Attempted(self.refused_by_system(failure))
        return Attempted(Delivered() if whole else self.refused_by_system(OSError(errno.EFBIG, "")))


@breaks("system.table")
class ThatDiagnosesAnotherWay(FileExporter):
    def refused_by_system(self, failure: OSError) -> Outcome:
        return Rejected("file.full", "full") if failure.errno == errno.ENOSPC else super().refused_by_system(failure)


# ---- the way back ------------------------------------------------------------------------------------------------------


Read = Callable[[list[Seen], SampleQuery], list[Seen]]


def _reading(change: Read) -> Any:
    class Changed(AcmeReadBack):
        def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
            seen = super().seen(query)
            return seen if isinstance(seen, Unreadable) else change(list(seen), query)

    return Changed


def _once(seen: list[Seen], query: SampleQuery) -> list[Seen]:
    return list({point.key: point for point in seen}.values())


def _as_hoped(seen: list[Seen], query: SampleQuery) -> list[Seen]:
    hoped = {expected_point.key: expected_point.fields for expected_point in query.expected}
    return [msgspec.structs.replace(point, fields=hoped.get(point.key, point.fields)) for point in seen]


def _all_there(seen: list[Seen], query: SampleQuery) -> list[Seen]:
    keys = {point.key for point in seen}
    return [
        *seen,
        *(
            Seen(expected_point.key, expected_point.fields)
            for expected_point in query.expected
            if seen and expected_point.key not in keys
        ),
    ]


@breaks("read-back.true")
class ThatOverlooksOne(AcmeExporter):
    ReadBack = _reading(lambda seen, query: seen[:-1] if len(seen) == 12 else seen)


@breaks("read-back.lost")
class ThatFindsWhatIsNotThere(AcmeExporter):
    ReadBack = _reading(lambda seen, query: _all_there(seen, query) if len(seen) == 10 else seen)


@breaks("read-back.altered")
class ThatSeesWhatItHopes(AcmeExporter):
    ReadBack = _reading(_as_hoped)


@breaks("read-back.doubled")
class ThatSeesEachOnce(AcmeExporter):
    ReadBack = _reading(lambda seen, query: _once(seen, query) if len(seen) > 12 else seen)


def _of_another_run(seen: list[Seen], query: SampleQuery) -> list[Seen]:
    if seen or len(query.expected) != 12:
        return seen
    return [Seen(point.key, point.fields) for point in query.expected]


@breaks("read-back.other-runs")
class ThatMixesRuns(AcmeExporter):
    ReadBack = _reading(_of_another_run)


# ---- life --------------------------------------------------------------------------------------------------------------


@breaks("life.export")
class ThatReportsFailure(AcmeExporter):
    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **_: Any) -> Any:  # type: ignore[misc]
        result = super().export(metrics_data, timeout_millis)
        return result if metrics_data.resource_metrics else MetricExportResult.FAILURE


@breaks("life.odd-calls")
class ThatWantsTime(AcmeExporter):
    def force_flush(self, timeout_millis: float = 10_000, **_: Any) -> bool:  # type: ignore[misc]
        if timeout_millis < 0:
            raise ValueError("negative")
        return super().force_flush(timeout_millis)


@breaks("life.failure-is-told")
class Cheerful(AcmeExporter):
    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **_: Any) -> Any:  # type: ignore[misc]
        super().export(metrics_data, timeout_millis)
        return MetricExportResult.FAILURE if self._shut.is_set() else MetricExportResult.SUCCESS


@breaks("life.export-after-shutdown")
class Undead(AcmeExporter):
    def _closed_because(self) -> tuple[str, str] | None:
        return None


@breaks("life.shutdown-twice")
class ThatEndsOnce(AcmeExporter):
    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # type: ignore[misc]
        if self._shut.is_set() and timeout_millis == 1000:
            raise RuntimeError("shut down already")
        super().shutdown(timeout_millis, **kwargs)


@breaks("life.shutdown-sends")
class ThatLeavesAtOnce(AcmeExporter):
    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # type: ignore[misc]
        super().shutdown(0)


@breaks("life.shutdown-in-time")
class ThatLeavesLate(AcmeExporter):
    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # type: ignore[misc]
        super().shutdown(200 * max(0.0, timeout_millis), **kwargs)


@breaks("life.shutdown-counts")
class ThatLeavesInSilence(AcmeExporter):
    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # type: ignore[misc]
        if timeout_millis > 0:
            self.observers.reset()
        super().shutdown(timeout_millis, **kwargs)


@breaks("life.never-shut-down")
class ThatIsForgotten(AcmeExporter):
    def __del__(self) -> None:
        self.close()


@breaks("life.flush")
class ThatSaysYes(AcmeExporter):
    def force_flush(self, timeout_millis: float = 10_000, **_: Any) -> bool:  # type: ignore[misc]
        super().force_flush(timeout_millis)
        return True


@breaks("life.flush-in-time")
class ThatFlushesLong(AcmeExporter):
    def force_flush(self, timeout_millis: float = 10_000, **_: Any) -> bool:  # type: ignore[misc]
        return super().force_flush(200 * timeout_millis)


@breaks("life.export-in-time")
class ThatExportsLong(AcmeExporter):
    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **_: Any) -> Any:  # type: ignore[misc]
        if self.settings.timeout == 40.0 and timeout_millis < 1000:
            time.sleep(6)
        return super().export(metrics_data, timeout_millis)


@breaks("life.threads")
class ThatSendsOneAtATime(AcmeExporter):
    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        if not _BUSY.acquire(blocking=False):
            return Attempted(Delivered())
        try:
            return super().attempt(payload, timeout)
        finally:
            _BUSY.release()


@breaks("life.fork")
class ThatStaysItsParent(AcmeExporter):
    def _after_fork(self) -> None:
        pass
