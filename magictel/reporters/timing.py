"""What dominates the time of a delivery, and what to change: one sentence. Waiting for the points to show is told apart."""

from __future__ import annotations

from magictel.reporters.figures import many, span
from magictel.stopwatch import Timing

_VISIBLE = "visible"


def advice(timing: Timing) -> str:
    """`first byte is 81 % of 100 ms: one round trip and the backend's own work: …`."""
    name, share = _most(timing.steps())
    said = f"{share}: {_change(name, timing)}"
    if name != _VISIBLE:
        return said
    before, share = _most([step for step in timing.steps() if step[0] != _VISIBLE])
    return f"{said}; of the delivery before it, {share}: {_change(before, timing)}"


def _most(steps: list[tuple[str, float]]) -> tuple[str, str]:
    name, most = max(steps, key=lambda step: step[1])
    total = sum(seconds for _, seconds in steps)
    return name, f"{name} is {100 * most / total if total else 0:.0f} % of {span(total)}"


def _change(name: str, timing: Timing) -> str:
    match name:
        case "encode":
            return (
                "a first collection makes the constant bytes of each series, later ones of the same process reuse them; "
                "fewer series and attributes make it cheaper"
            )
        case "compress":
            return "where the network is fast and the backend takes it, compression = none saves this"
        case "queue" if timing.requests < 2:
            return "nothing had to wait: this is our own work around one request, most of it paid once in a process"
        case "queue":
            return (
                "the backend or rate_limit made it wait between attempts; raise rate_limit, or send fewer requests with a "
                "larger max_batch_points"
            )
        case "connect":
            return (
                f"{many(timing.connections, 'connection')} for {many(timing.requests, 'request')}, which a running application "
                "makes once and keeps; magictel check times its parts: names, TCP, TLS"
            )
        case "first byte":
            if timing.requests > 1:
                return (
                    f"{many(timing.requests, 'round trip')}; a larger max_batch_points makes fewer of them, "
                    "in_flight sends several at once"
                )
            return "one round trip and the backend's own work, which no batch size changes"
        case _:
            return (
                "the backend's own delay until queries show a point (a refresh interval, a cache), which only a setting there "
                "makes shorter"
            )
