"""`magictel sandbox`: run the embedded backends, print their addresses as shell lines, and report what arrives."""

from __future__ import annotations

import shlex
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli.options import FormatOption, some_seconds
from magictel.cli.output import Format

if TYPE_CHECKING:
    from magictel.http.wire import Request
    from magictel.sandbox.sandbox import Sandbox

SCHEMA = "magictel.sandbox/1"
_ENABLED = "ENABLED_EXPORTERS"


class Arrivals:
    """Counters of incoming writes, reported periodically."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writes: dict[str, Counter[str]] = {}
        self._bytes: Counter[str] = Counter()

    def seen(self, name: str, request: Request, status: int | None) -> None:
        """Count a write and the status of its reply, or None if none was sent."""
        with self._lock:
            self._writes.setdefault(name, Counter())[f"answered {status}" if status else "not answered"] += 1
            self._bytes[name] += len(request.body)

    def lines(self, stored: Callable[[str], int]) -> list[str]:
        """Return a line for each emulator written to: `elasticsearch  2 writes, 4120 bytes: 1 answered 200, 1 answered 429; 24 stored`.

        `stored` returns the number of items that an emulator holds.
        """
        from magictel.reporters.humanize import many

        with self._lock:
            writes, sizes = self._writes, self._bytes
            self._writes, self._bytes = {}, Counter()
        lines = []
        for name, answers in writes.items():
            parts = ", ".join(f"{count} {answer}" for answer, count in answers.items())
            seen = f"{many(answers.total(), 'write')}, {many(sizes[name], 'byte')}: {parts}"
            lines.append(f"{name}  {seen}; {stored(name)} stored")
        return lines


def command(
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="SCRIPT", help="Faults of a backend, request by request; see above."),
    ] = None,
    for_: Annotated[
        float | None, typer.Option("--for", parser=some_seconds, metavar="60s", help="Stop after this time.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Start only these; comma-separated."),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="N",
            min=0,
            max=65535,
            help="Port of the first backend; the others use the next ones.",
            show_default=False,
        ),
    ] = 0,
    bare: Annotated[bool, typer.Option("--bare", help="Do not create the templates of magictel prepare.")] = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Start the embedded backends on loopback and print their addresses as export lines; Ctrl-C stops them.

    Standard error shows what arrives. A fault script is NAME: STEP, then STEP, then STEP; NAME: is optional
    if --only starts one emulator.

    \b
    STEP is [probe|any] FAULT [xN | forever]; without probe or any it
    affects writes. FAULT is one of
      STATUS [retry-after=S|date:S] [body='...']   429, 401, 503, ...
      ok            reply normally
      reset         store nothing, reset the connection
      reset-after   store, then reset the connection
      close         store nothing, close the connection
      truncated     store, send half of the reply
      slow SECONDS  wait, then store and reply
      hang          wait until the client gives up, then store
      partial N%    reject this share of the items
      discard       accept, store nothing, report it later (New Relic)
      too-large     413
      wrong-json    200 with JSON that is not the backend's
    expired-certificate may come first: use TLS with an expired certificate.

    \b
    magictel sandbox --fault 'elasticsearch: 429 x3, then partial 10%'
    magictel sandbox --fault 'opensearch: any 401 forever'
    magictel sandbox --fault 'opensearch: probe slow 3, then hang x2'
    magictel sandbox --fault 'datadog: probe 403, then 429 retry-after=5'
    """  # noqa: D301 - a real backspace keeps click from wrapping a paragraph
    from magictel import sandbox
    from magictel.cli import output
    from magictel.cli.errors import failure_exit_code
    from magictel.cli.sandbox_targets import prepare_all
    from magictel.cli.signals import raising
    from magictel.clock import SystemClock

    names = [name for text in only or () for name in text.split(",") if name.strip()]
    arrivals = Arrivals()
    clock = SystemClock()
    with (
        raising(),
        sandbox.start(names or None, faults=fault or (), port=port, seen=arrivals.seen) as room,
        _over_grpc(room, port + len(room.servers) if port else 0) as grpc,
    ):
        if not bare:
            prepare_all(room)
        variables = {**room.environment(), _ENABLED: ",".join(room.emulators)}
        if format_ is Format.JSON:
            output.document({"schema": SCHEMA, "environment": variables, **({"grpc": grpc} if grpc else {})})
        else:
            for name, value in variables.items():
                output.say(f"export {name}={shlex.quote(value)}")
            if grpc:
                output.say(f"# OTLP over gRPC: export {' '.join(f'{name}={value}' for name, value in grpc.items())}")
        output.flush()
        if for_ is None:
            output.note("The sandbox runs until Ctrl-C.")

        def tell() -> None:
            for line in arrivals.lines(lambda name: room.emulators[name].stored):
                output.note(line)
            output.flush()

        end = None if for_ is None else clock.monotonic() + for_
        never = threading.Event()
        try:
            while end is None or clock.monotonic() < end:
                clock.wait(1.0 if end is None else min(1.0, max(0.0, end - clock.monotonic())), never)
                tell()
        except KeyboardInterrupt as stop:  # the normal end
            tell()
            return failure_exit_code(stop)
    return 0


@contextmanager
def _over_grpc(room: Sandbox, port: int) -> Iterator[Mapping[str, str]]:
    """Serve OTLP over gRPC as well, if grpcio is installed; yield the variables that choose it."""
    server = room.servers.get("otlp")
    if server is None or server.origin.startswith("https"):  # with the fault expired-certificate
        yield {}
        return
    try:
        from magictel.sandbox.otlp_grpc import GrpcGateway
    except ImportError:
        yield {}
        return
    with GrpcGateway(server.origin, port=port) as gateway:
        yield gateway.environment()
