"""Laws know only a stage: an agent for datagrams, or a plugin's own server. Each kind of exporter has the laws that concern it."""

from __future__ import annotations

import errno
import importlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest

from magictel import sandbox
from magictel.clock import Clock, SystemClock
from magictel.conformance import LAWS, Place, Stage, Subject, Write, run
from magictel.conformance.runner import LawVerdict
from magictel.conformance.stages import DatagramStage, HttpStage
from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.errors import UsageError
from magictel.http.wire import Reply, Request
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Point, Series
from magictel.model.outcome import Delivered, Outcome, TooLarge, Unavailable, Unconfirmed
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import Encoder
from magictel.sandbox import table
from magictel.sandbox.datagrams import DatagramServer
from magictel.sandbox.faults import parse_faults
from magictel.settings.model import ExporterSettings, option
from tests.cli.running import magictel
from tests.conformance.acme import AcmeEmulator
from tests.plugins import install


class LinesSettings(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    env_prefix = "LINES_"

    port: Annotated[int, option("Where the agent listens.", example=8125, address=True)] = 8125


class LinesEncoder(Encoder["LinesExporter"]):
    def encode(self, series: Series, point: Point) -> bytes:
        attributes = {key: str(value) for key, value in series.attributes.items()}
        return f"{series.stream.name} {attributes!r} {point!r}".encode("utf-8", "replace").hex().encode() + b"\n"

    def split(self, body: bytes) -> list[bytes]:
        return body.splitlines(keepends=True)


class LinesExporter(Exporter[LinesSettings]):
    """A line for each point, in datagrams."""

    interface = 2
    name = "lines"
    summary = "lines in datagrams"
    Settings = LinesSettings
    Encoder = LinesEncoder
    confirms = False
    limits = ("Only the number of a point is sent.",)
    cost = "A line."

    def route(self) -> Route:
        return Route("", self.settings.max_batch_points, min(8192, self.settings.max_batch_bytes))

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        try:
            self._send(payload.body, timeout)
        except OSError as failure:
            return Attempted(self.refused_by_system(failure))
        return Attempted(Unconfirmed("lines.unconfirmed", "UDP has no replies"), len(payload.body))

    def refused_by_system(self, failure: OSError) -> Outcome:
        if failure.errno == errno.EMSGSIZE:
            return TooLarge("lines.too-large", str(failure))
        return Unavailable("lines.unreachable", str(failure))

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        return {Rung.WRITE: lambda: Finding.passed(Rung.WRITE, "nothing is sent")}

    def _send(self, body: bytes, timeout: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(timeout)
            sender.sendto(body, ("127.0.0.1", self.settings.port))


class Agent:
    """What receives them."""

    name = "lines"

    def __init__(self, clock: Clock | None = None) -> None:
        self.lines: list[bytes] = []

    @property
    def stored(self) -> int:
        return len(self.lines)

    def environment(self, origin: str) -> dict[str, str]:
        return {"LINES_PORT": origin.rpartition(":")[2]}

    def receive(self, datagram: bytes) -> None:
        self.lines += datagram.splitlines()


class Hasty(LinesExporter):
    """It says that a full send buffer took a datagram."""

    def refused_by_system(self, failure: OSError) -> Outcome:
        return Delivered() if failure.errno == errno.ENOBUFS else super().refused_by_system(failure)


class Undivided(LinesExporter):
    """It sends a datagram that is too large again and again."""

    def refused_by_system(self, failure: OSError) -> Outcome:
        return Unavailable("lines.unreachable", str(failure))


class Twice(LinesExporter):
    """It sends every datagram twice."""

    def _send(self, body: bytes, timeout: float) -> None:
        super()._send(body, timeout)
        super()._send(body, timeout)


class Endless(LinesExporter):
    """It waits for a blocked socket, whatever its timeout."""

    def _send(self, body: bytes, timeout: float) -> None:
        super()._send(body, 600.0)


def verdicts(exporter: type[Exporter[Any]], emulator: Any = Agent, ids: Sequence[str] = ()) -> dict[str, LawVerdict]:
    def create(place: Place) -> Any:
        known = exporter.Settings.__struct_fields__
        settings = {key: value for key, value in place.settings.items() if key in known}
        return exporter(exporter.Settings(port=place.port, **settings), clock=place.clock)

    laws = [law for law in LAWS if not ids or law.id in ids]
    return {result.law.id: result.verdict for result in run(Subject("lines", create, lambda clock: emulator()), laws)}


def test_datagrams_obey_every_law_that_needs_no_reply_and_no_read_back() -> None:
    results = verdicts(LinesExporter)
    assert LawVerdict.BROKEN not in results.values(), results
    skipped = {law for law, verdict in results.items() if verdict is LawVerdict.SKIPPED}
    families = ("retry.", "fault.", "credentials.", "partial.", "read-back.", "page.")
    assert {law for law in skipped if not law.startswith(families)} == {
        "ids.no-duplicates",
        "system.partly",
    }
    assert {law.id for law in LAWS if law.id.startswith(families)} <= skipped


@pytest.mark.parametrize(
    ("exporter", "law"),
    [
        (Hasty, "system.refused"),
        (Undivided, "split.single"),
        (Twice, "ledger.identity"),
        (Endless, "life.export-in-time"),
    ],
)
def test_a_wrong_exporter_of_datagrams_breaks_a_law(exporter: type[LinesExporter], law: str) -> None:
    assert verdicts(exporter, ids=[law]) == {law: LawVerdict.BROKEN}
    assert verdicts(LinesExporter, ids=[law]) == {law: LawVerdict.PASSED}


def test_a_fault_of_datagrams_ends_after_its_count_and_with_the_stage() -> None:
    agent = Agent()
    plain = socket.socket.sendto
    stage = DatagramStage(agent, SystemClock())
    assert socket.socket.sendto is not plain
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", int(stage.origin.rpartition(":")[2])))
        stage.script("too-large x1")
        with pytest.raises(OSError, match="too long") as refused:
            sender.send(b"a line\n")
        assert refused.value.errno == errno.EMSGSIZE
        sender.sendmsg([b"another ", b"line\n"])
        assert stage.settle(10)
        assert (agent.lines, len(stage.writes())) == ([b"another line"], 2)
        stage.script("a send buffer that stays full")
        sender.settimeout(0.01)
        with pytest.raises(TimeoutError):
            sender.sendall(b"a line\n")
        stage.stop()
    assert socket.socket.sendto is plain


def test_the_sandbox_reports_datagrams_that_are_not_empty() -> None:
    seen: list[tuple[bytes, None]] = []
    server = DatagramServer(Agent(), seen=lambda request, status: seen.append((request.body, status))).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for body in (b"", b"a line\n"):
            sender.sendto(body, ("127.0.0.1", server.port))
    assert server.settle(10)
    server.stop()
    assert seen == [(b"a line\n", None)]


def test_the_sandbox_scripts_no_fault_for_datagrams() -> None:
    with pytest.raises(UsageError, match="receives datagrams and sends no replies"):
        DatagramServer(Agent(), faults=parse_faults("429"))


class OwnStage(Stage):
    """A protocol of a plugin's own: every write is stored, or, while it is away, rejected."""

    def __init__(self) -> None:
        self.faults = {"refuses": ("away",)}
        self._agent = DatagramStage(Agent(), SystemClock())
        self.origin = self._agent.origin

    @property
    def stored(self) -> int | None:
        return self._agent.stored

    def script(self, text: str) -> None:
        self._agent.script("a firewall" if text == "away" else text)

    def writes(self) -> Sequence[Write]:
        return self._agent.writes()

    def settle(self, timeout: float) -> bool:
        return self._agent.settle(timeout)

    def stop(self) -> None:
        self._agent.stop()


def test_an_emulator_of_another_protocol_is_a_stage_itself() -> None:
    ids = ["life.export", "life.flush", "ledger.identity", "bounds.breaker"]
    assert set(verdicts(LinesExporter, OwnStage, ids).values()) == {LawVerdict.PASSED}
    assert verdicts(LinesExporter, OwnStage, ["system.fixed"]) == {"system.fixed": LawVerdict.SKIPPED}


def own_stage(clock: Clock) -> OwnStage:
    return OwnStage()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`lines` in another package, with a stage in the entry point of its emulator."""
    install(tmp_path, "lines-exporter", {"lines": f"{__name__}:LinesExporter"}, {})
    install(tmp_path, "lines-emulator", {"lines": f"{__name__}:own_stage"}, {}, group=table.GROUP)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    table._points.cache_clear()
    yield
    table._points.cache_clear()


@pytest.mark.usefixtures("installed")
def test_an_installed_stage_serves_laws() -> None:
    ids = ["life.export", "ledger.identity"]
    passed = verdicts(LinesExporter, lambda: table.make("lines", SystemClock()), ids)
    assert passed == dict.fromkeys(ids, LawVerdict.PASSED)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("command", ["sandbox --only lines --for 1s", "check lines --sandbox"])
def test_an_installed_stage_is_stopped_and_not_served(command: str, tmp_path: Path) -> None:
    plain = socket.socket.sendto
    ran = magictel(*command.split(), folder=tmp_path)
    assert ran.code == 2
    assert "the emulator for lines works with magictel conformance only" in ran.err
    assert "magictel conformance lines" in ran.err
    assert socket.socket.sendto is plain


@pytest.mark.usefixtures("installed")
def test_without_a_name_the_sandbox_leaves_an_installed_stage_out(tmp_path: Path) -> None:
    plain = socket.socket.sendto
    with sandbox.start() as room:
        served = list(room.emulators)
    assert "elasticsearch" in served
    assert "lines" not in served
    ran = magictel("check", "--sandbox", "--format", "json", folder=tmp_path)
    assert [*(target["target"] for target in ran.document["targets"]), "statsd"] == served
    assert socket.socket.sendto is plain


class Silent(AcmeEmulator):
    """It replies to writes with an empty body."""

    def handle(self, request: Request) -> Reply:
        return Reply(204) if self.is_write(request) else super().handle(request)


@pytest.mark.parametrize(("emulator", "body"), [(AcmeEmulator, True), (Silent, False)])
def test_a_reply_has_a_body_if_that_to_the_first_write_has(emulator: type[AcmeEmulator], body: bool) -> None:
    stage = HttpStage(emulator(), SystemClock())
    try:
        httpx.get(f"{stage.origin}/health", trust_env=False)
        httpx.post(f"{stage.origin}/points", content=b'{"a": 1}\n', trust_env=False)
        assert stage.reply_has_body() is body
    finally:
        stage.stop()
