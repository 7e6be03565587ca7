"""Advice on the time of a delivery: a sentence with the dominant step and the command-line option that changes it.

The wait for visibility is separate. A change is suggested only if the run shows that it would help: a larger batch only if
the limit on points determined the batches, parallel requests only if the backend accepts points in any order.
"""

from __future__ import annotations

import math

from magictel.model.timing import Timing, Tuning
from magictel.reporters.humanize import many, span

_VISIBLE = "visible"
_LARGEST = 10_000
"""Largest suggested number of points per request."""
_AT_ONCE = 4
_MANY = 1_000
"""Points per request that are considerable work by themselves."""


def advice(timing: Timing) -> str:
    """Return `first byte is 81 % of 100 ms: one round trip and the backend's own work`; the wait for visibility is separate."""
    name, share = _most(timing.steps())
    if name != _VISIBLE:
        return f"{share}: {_change(name, timing)}"
    steps = [step for step in timing.steps() if step[0] != _VISIBLE]
    visible = timing.visible or 0.0
    percent = 100 * visible / (visible + sum(seconds for _, seconds in steps))
    before, share = _most(steps)
    return (
        f"{percent:.0f} % of the time ({span(visible)}) is the backend's own delay until queries show a point (a refresh interval, "
        f"a cache). Sending took {span(sum(seconds for _, seconds in steps))}; {share}: {_change(before, timing)}"
    )


def _most(steps: list[tuple[str, float]]) -> tuple[str, str]:
    name, most = max(steps, key=lambda step: step[1])
    total = sum(seconds for _, seconds in steps)
    return name, f"{name} is {100 * most / total if total else 0:.0f} % of {span(total)}"


def _change(name: str, timing: Timing) -> str:
    match name:
        case "encode":
            return (
                "the first collection builds the constant bytes of each series, later ones of the same process reuse them; "
                "fewer series and attributes make it cheaper (drop_attributes)"
            )
        case "compress":
            return _compressed(timing)
        case "queue":
            return _queued(timing)
        case "connect":
            return _connected(timing)
        case "first byte":
            return _answered(timing)
        case _:
            return ""


def _compressed(timing: Timing) -> str:
    if timing.tuning is None or timing.tuning.compression == "gzip":
        return "on a fast network, --set compression=none saves this"
    return "the protocol requires it: only fewer points or attributes save this"


def _queued(timing: Timing) -> str:
    """Return the advice for the longest wait in the queue."""
    waits, requests = timing.waits, many(timing.requests, "request")
    queue = timing.queue or 0.0
    bookkeeping = queue - waits.limited - waits.throttled - waits.away
    longest = max(waits.limited, waits.throttled, waits.away, bookkeeping)
    fewer = _fewer(timing)
    if longest == bookkeeping:
        text = "nothing had to wait: this is magictel's own work for " + (
            "one request" if timing.requests < 2 else requests
        )
        return f"{text}, most of it paid once in a process" + (f"; {fewer}" if fewer else "")
    if longest == waits.limited:
        rate = timing.tuning.rate_limit if timing.tuning else 0.0
        more = f"--set rate_limit={2 * rate:g} if the backend accepts more"
        return f"rate_limit = {rate:g} made {requests} wait {span(longest)}: {f'{fewer}; or ' if fewer else ''}{more}"
    refused = f"{many(waits.refusals, 'time')} ({waits.code})"
    if longest == waits.away:
        return (
            f"the backend failed or was unreachable {refused}, and the backoff took {span(longest)}: "
            f"magictel explain {waits.code}"
        )
    text = f"the backend throttled requests {refused}, and the requested pauses took {span(longest)}: "
    taken = _payloads(timing)
    if taken < 2:
        return f"{text}a single request exceeds its limit: raise the limit there, or send less often"
    # The last burst was accepted without the pause that would have followed it.
    taking = _delivery(timing) + waits.throttled / max(1, waits.refusals)
    slower = f"--set rate_limit={_rate(taken / taking)} sends no faster than the backend accepted"
    return text + (f"{fewer}; or {slower}" if fewer else slower)


def _connected(timing: Timing) -> str:
    text = f"{many(timing.connections, 'connection')} for {many(timing.requests, 'request')}"
    at_once = timing.tuning.in_flight if timing.tuning else 1
    if timing.connections > at_once and 2 * timing.connections > timing.requests:
        fewer = _fewer(timing)
        return (
            f"{text}: the backend, or a proxy in front of it, closes them after each response; enable keep-alive there"
            + (f"; {fewer}" if fewer else "")
        )
    return f"{text}; a running application opens them once; magictel check times the parts: DNS, TCP, TLS"


def _answered(timing: Timing) -> str:
    tuning = timing.tuning
    if timing.requests < 2:
        return "one round trip and the backend's own work; the batch size does not matter"
    each = f"{timing.requests} round trips of {span((timing.first_byte or 0.0) / timing.requests)}"
    if tuning is None:
        return each
    # A backend that needs a second is slow itself: larger requests would only come closer to a timeout.
    heavy = (timing.first_byte or 0.0) / timing.requests >= 1.0 and _mean(timing, tuning) >= _MANY
    ways = [] if heavy else [_fewer(timing)]
    if not tuning.in_order and tuning.in_flight == 1:
        ways.append(f"--set in_flight={_AT_ONCE} sends {_AT_ONCE} in parallel")
    named = [way for way in ways if way]
    if named:
        return f"{each}: {'; '.join(named)}"
    order = (
        "one after the other, because the backend needs points in order"
        if tuning.in_order
        else f"{tuning.in_flight} in parallel"
    )
    return f"{each}, {order}: this is the backend's own work on about {_mean(timing, tuning)} points a request"


def _fewer(timing: Timing) -> str:
    """Return the setting that sends the same points in fewer requests, or an empty text."""
    tuning = timing.tuning
    taken = _payloads(timing)
    if tuning is None or taken < 2 or not tuning.points:
        return ""
    if tuning.together == 1:
        return "--speed max sends the points in larger batches"
    if taken > 2 * _requests(tuning, tuning.max_batch_points):
        return f"--set max_batch_bytes={2 * tuning.max_batch_bytes} sends fewer requests, if the backend accepts larger bodies"
    largest = min(tuning.together or tuning.points, tuning.points, _LARGEST)
    after = _requests(tuning, largest)
    if largest <= tuning.max_batch_points or after >= taken:
        return ""
    return f"--set max_batch_points={largest} sends {many(after, 'request')} instead of {taken}"


def _payloads(timing: Timing) -> int:
    """Return the number of requests without retries."""
    return timing.payloads or timing.requests - timing.waits.refusals


def _requests(tuning: Tuning, limit: int) -> int:
    """Return the number of requests under a limit, slice by slice."""
    together = tuning.together or tuning.points
    whole, rest = divmod(tuning.points, together)
    return whole * math.ceil(together / limit) + math.ceil(rest / limit)


def _mean(timing: Timing, tuning: Tuning) -> int:
    return round(tuning.points / max(1, _payloads(timing)))


def _delivery(timing: Timing) -> float:
    return max(0.001, sum(seconds for name, seconds in timing.steps() if name != _VISIBLE))


def _rate(seen: float) -> str:
    """Return a rate rounded down to two digits."""
    if seen >= 10:
        return f"{math.floor(seen)}"
    return f"{max(0.01, math.floor(seen * 10) / 10 if seen >= 1 else math.floor(seen * 100) / 100):g}"
