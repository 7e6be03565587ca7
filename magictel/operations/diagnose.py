"""`diagnose`: what a production log shows, read as the exporter itself would have read it. Nothing is sent.

An answer goes to the exporter's own `judge` (and, for what is no write, to its own probes, over a transport that gives this very
answer); a text goes to `transports.hearsay`, which makes the exception of it that `transports.symptoms` classifies. The retry class is
the one of the code's page. Which outcomes each class may stand with:

    no                rejected, partial, unavailable (nobody usable answers), none
    backoff           unavailable, throttled, partial
    after-header      throttled, unavailable, partial
    split             too-large
    slow              throttled, partial
    verify            delivered
    poll              delivered, unavailable, throttled (a read that fails says nothing of the points)
    downgrade         rejected
    treat-as-success  delivered
    (no code)         delivered

"none" is for what the settings hold: no request happened.
"""

from __future__ import annotations

import http
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from magictel.catalogue import explain
from magictel.errors import MagictelError, WireError
from magictel.exporter import Exporter
from magictel.finding import Finding, Held, Rung
from magictel.front import front_of
from magictel.http_exporter import HttpExporter
from magictel.ladder.probe import probes_of
from magictel.operations.look_alikes import Alternative, look_alikes
from magictel.outcome import Delivered, ItemVerdict, Outcome, Partial, Rejected, Throttled, TooLarge, Unavailable
from magictel.payload import Payload
from magictel.transports.hearsay import Unsent, recognise
from magictel.wire import Endpoint, Reply, Request, Wire

During = Literal["auth", "health", "write", "read"]
Verdict = Literal["delivered", "partial", "throttled", "unavailable", "too-large", "rejected"]

STANDS_WITH: Mapping[str | None, frozenset[Verdict | None]] = {
    "no": frozenset({"rejected", "partial", "unavailable", None}),
    "backoff": frozenset({"unavailable", "throttled", "partial"}),
    "after-header": frozenset({"throttled", "unavailable", "partial"}),
    "split": frozenset({"too-large"}),
    "slow": frozenset({"throttled", "partial"}),
    "verify": frozenset({"delivered"}),
    "poll": frozenset({"delivered", "unavailable", "throttled"}),
    "downgrade": frozenset({"rejected"}),
    "treat-as-success": frozenset({"delivered"}),
    None: frozenset({"delivered"}),
}
"""The table above: every diagnosis is one of these pairs."""

UNRECOGNISED = "diagnose.unrecognised"
_BY_CLASS: Mapping[str, Verdict] = {
    "no": "rejected",
    "downgrade": "rejected",
    "backoff": "unavailable",
    "after-header": "throttled",
    "slow": "throttled",
    "split": "too-large",
    "verify": "delivered",
    "poll": "delivered",
    "treat-as-success": "delivered",
}
_RUNGS: Mapping[str, tuple[Rung, ...]] = {"auth": (Rung.HTTP, Rung.AUTH), "health": (Rung.HEALTH,)}
_NO_BACKEND = frozenset(
    {
        "http.redirect",
        "http.bad-gateway",
        "http.not-a-backend",
        "http.grpc-port",
        "http.tls-port",
        "http.proxy.auth",
        "http.unknown-status",
    }
)
"""Answers that no backend gives, whatever was asked."""
_VAGUE = frozenset({"es.write.no-verdict", "es.write.refused", "es.write.server-error"})
_GUESSES = (400, 401, 403, 404, 409, 413, 422, 429, 500, 503)
"""Statuses under which an exporter may know a text that was pasted without one."""
_ANYWHERE = Endpoint("https", "backend.invalid", 443)
"""Where replayed probes seem to ask. https: their second probes ask the network only where an address says http."""
_LONGEST = 500
_LONGEST_TEXT = 20_000
"""Characters of a text, or of a body that is none of JSON's, that are looked at."""
_STATUS = (
    re.compile(
        r"\b(?:HTTP(?:/\d(?:\.\d)?)?|HTTPError|status(?:[ _]?code)?|statusCode|code|response|returned|answered|responded|got)\b"
        r"\W{0,4}(?:with|status|code|of|is|was|\W){0,4}([2-5]\d\d)\b(?!\.\d)",
        re.IGNORECASE,
    ),
    re.compile(r"^\W*([3-5]\d\d)\b(?![.:]\d)"),
    re.compile(r"(?:Error|Exception)\(\W{0,3}(?:status=)?([3-5]\d\d)\b"),
    re.compile(r"[\[(](?:status=)?([45]\d\d)[\])]"),
)
_PHRASES = re.compile(
    r"\b([3-5]\d\d):? (?:" + "|".join(re.escape(one.phrase) for one in http.HTTPStatus if one >= 300) + r")\b",
    re.IGNORECASE,
)
_ALONE = re.compile(
    r"\b(?:(?P<s401>unauthori[sz]ed)|(?P<s403>forbidden|access denied)|(?P<s429>too many requests|rate limit(?:ed| exceeded))|"
    r"(?P<s413>(?:request entity|payload|content) too large)|(?P<s502>bad gateway)|(?P<s504>gateway time-?out)|"
    r"(?P<s503>service unavailable)|(?P<s405>method not allowed)|(?P<s404>not found)|(?P<s500>internal server error))\b",
    re.IGNORECASE,
)
"""Statuses by their phrase, where the number is not told."""
_TUNNEL = re.compile(r"tunnel connection|proxyconnect|ProxyError", re.IGNORECASE)
_PAGE = re.compile(r"<(?:!doctype )?html\b", re.IGNORECASE)
_WORDS_AROUND = re.compile(
    r"\b(?:https?(?:/\d(?:\.\d)?)?|status|code|error|server|returned|response|answered|with|got|failed)\b|\W",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(
    r"(?P<head>\b(?:authorization|api[-_]?key|password|passwd|secret|token)\b['\"]?\s*[:=]\s*[bu]?['\"]?"
    r"(?:(?:basic|bearer|apikey|api-token)\s+)?|\b(?:ApiKey|Bearer|Basic)\s+)[^\s'\",@\[{]{6,}|(?P<url>://[^/\s:@]*:)[^/\s@]+(?=@)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pasted:
    """What a production log shows: an answer (`status`, `headers` in lower case, `body`), a `text`, or both; `during` which step."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    text: str | None = None
    during: During | None = None

    @property
    def empty(self) -> bool:
        """True where nothing was pasted."""
        return self.status is None and self.body is None and self.text is None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict: outcome (None: no request happened), the code with its class, seconds to wait, and what else it may be."""

    exporter: str
    outcome: Verdict | None
    code: str | None
    message: str
    remedy: str | None = None
    after: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    answered_by: str | None = None

    @property
    def retry(self) -> str | None:
        """The class of the code in the catalogue."""
        page = explain(self.code) if self.code else None
        return page.retry if page else None


def diagnose(exporter: Exporter[Any], pasted: Pasted, trouble: MagictelError | None = None) -> Diagnosis:
    """Read what was pasted as the exporter would. `trouble`: why the target's own settings are unusable, named as an alternative."""
    if pasted.empty and trouble is not None:
        return Diagnosis(exporter.name, None, trouble.code, trouble.message, trouble.remedy)
    if pasted.text is not None and len(pasted.text) > _LONGEST_TEXT:
        pasted = replace(pasted, text=pasted.text[:_LONGEST_TEXT])
    found = _read(exporter, pasted)
    if trouble is not None and trouble.code != "config.required":
        known = (Alternative(trouble.code, f"the settings themselves cannot be used: {trouble.message}"),)
        found = replace(found, alternatives=look_alikes(found.code, exporter.name, (*known, *found.alternatives)))
    return _finished(found, exporter)


def _read(exporter: Exporter[Any], pasted: Pasted) -> Diagnosis:
    if isinstance(exporter, HttpExporter):
        reply, guessed = _reply(exporter, pasted)
        if reply is not None:
            found = _answer(exporter, reply, pasted.during)
            if guessed and pasted.text:
                told = _symptom(exporter, pasted.text)
                if told is not None and told.code and told.code != found.code:
                    other = Alternative(told.code, "a failure before any answer is worded like this too")
                    found = replace(found, alternatives=(*found.alternatives, other))
            return found
    text = pasted.text if pasted.text is not None else (pasted.body or b"")[:_LONGEST_TEXT].decode("utf-8", "replace")
    return _symptom(exporter, text) or _phrase(exporter, text, pasted.during) or _unrecognised(exporter, text)


# ---- answers -----------------------------------------------------------------------------------------------------------


def _reply(exporter: HttpExporter[Any], pasted: Pasted) -> tuple[Reply | None, bool]:
    """The answer that was pasted, in the backend's own form; and whether its status is a guess."""
    text = pasted.text if pasted.text is not None else (pasted.body or b"").decode("utf-8", "replace")
    body = pasted.body if pasted.body is not None else (pasted.text or "").encode("utf-8", "surrogatepass")
    status = pasted.status
    if status is None:
        status = _status_in(text)
        if status == 407 or _TUNNEL.search(text):  # a proxy's, whatever stands around it
            return None, False
        if status is not None and pasted.body is None:
            body = _after_status(text, status).encode("utf-8", "surrogatepass")
    if status is not None:
        reply = Reply(status, pasted.headers, body)
        shaped = (
            exporter.pasted(text, status)
            if not _specific(exporter, reply) and not reply.ok | (reply.body == b"")
            else None
        )
        if shaped is None and reply.ok and pasted.body is None:
            shaped = exporter.pasted(text, status)
        if shaped is not None and _specific(exporter, shaped):
            return replace(shaped, headers={**shaped.headers, **pasted.headers}), False
        return reply, False
    shaped = exporter.pasted(text, None)
    inside = _value_in(text)
    if shaped is not None and (_specific(exporter, shaped) or shaped.ok or inside):
        return replace(shaped, headers={**shaped.headers, **pasted.headers}), True
    for guess in _GUESSES:
        for one in (inside.encode("utf-8", "surrogatepass"), body):
            reply = Reply(guess, pasted.headers, one)
            if one.strip() and _specific(exporter, reply):
                return reply, True
    page = _PAGE.search(text)
    if page is not None:
        return Reply(200, pasted.headers, text[page.start() :].encode("utf-8", "surrogatepass")), True
    found = Reply(200, pasted.headers, inside.encode("utf-8", "surrogatepass"))
    if inside and (pasted.body is not None or exporter.unproven(found)):
        return found, True
    return None, True


def _answer(exporter: HttpExporter[Any], reply: Reply, during: During | None) -> Diagnosis:
    outcome = _judge(exporter, reply)
    found = _of_outcome(exporter, outcome)
    front = front_of(reply)
    found = replace(found, answered_by=exporter.redact(str(front)))
    open_question = exporter.unproven(reply) if reply.ok else None
    reading = open_question is not None and explain(open_question) is not None
    if reading and (isinstance(outcome, Delivered) or (found.code in _VAGUE and during in (None, "read"))):
        assert open_question is not None
        sentence = f"{reply.status} proves no storage; where points are missing: {_title(open_question)}"
        return replace(found, outcome="delivered", code=open_question, message=sentence, after=None, remedy=None)
    specific = found.code is not None and not found.code.startswith("http.") and found.code not in _VAGUE
    page_of_its_own = (
        during == "health" and reply.ok and not reply.body.lstrip().startswith(b"<")
    )  # VictoriaMetrics' /health
    if specific or (found.code in _NO_BACKEND and not page_of_its_own):
        return found
    if during == "read" and not reply.ok:
        told = _read_back(exporter, reply, found)
        return found if told is None else replace(found, **told)
    asked = list(_climbed(exporter, reply, _RUNGS.get(during or "", (Rung.HTTP,))))
    failed = next((one for one in asked if one.code and one.outcome in (Held.FAIL, Held.WARN, Held.SKIPPED)), None)
    if during in _RUNGS:
        if failed is not None:
            return _of_finding(found, failed)
        if reply.ok and asked:
            return replace(found, outcome="delivered", code=None, message=asked[-1].message, after=None, remedy=None)
    elif failed is not None and failed.code and reply.ok and found.code is not None:
        if during is None and failed.code == "es.product.unknown":
            return _of_finding(found, failed)
        other = Alternative(failed.code, exporter.redact(failed.message))
        return replace(found, alternatives=(*found.alternatives, other))
    return found


def _judge(exporter: HttpExporter[Any], reply: Reply) -> Outcome:
    return exporter.judge(Payload(b"", _verdicts(reply), lambda _: []), reply)


def _verdicts(reply: Reply) -> int:
    """As many points as the answer has verdicts on: its longest list."""
    body = reply.json()
    lists = [len(value) for value in body.values() if isinstance(value, list)] if isinstance(body, Mapping) else []
    return max([1, *lists])


def _of_outcome(exporter: HttpExporter[Any], outcome: Outcome) -> Diagnosis:
    name = exporter.name
    match outcome:
        case Delivered(notes=notes):
            if notes:
                code, message = _commonest(notes)
                return Diagnosis(name, "delivered", code, message)
            return Diagnosis(name, "delivered", None, "taken, and nothing in the answer speaks against it")
        case Partial():
            refused = outcome.rejected or outcome.retry
            code, message = _commonest(refused)
            counts = f"{len(outcome.rejected)} refused, {len(outcome.retry)} to be sent again"
            rest = {one.code for one in (*outcome.rejected.values(), *outcome.retry.values())} - {code}
            more = tuple(Alternative(one, f"other items of the same answer ({counts})") for one in sorted(rest))
            return Diagnosis(name, "partial", code, message, None, outcome.after, more)
        case Throttled(after=after) | Unavailable(after=after):
            kind: Verdict = "throttled" if isinstance(outcome, Throttled) else "unavailable"
            return Diagnosis(name, kind, outcome.code, outcome.message, None, after)
        case TooLarge():
            # Halved until the bad points stand alone: those are refused for good, unless size alone was the matter.
            page = explain(outcome.code)
            split = page is not None and page.retry == "split"
            return Diagnosis(name, "too-large" if split else "rejected", outcome.code, outcome.message)
        case Rejected():
            return Diagnosis(name, "rejected", outcome.code, outcome.message, outcome.remedy)


def _commonest(items: Mapping[int, ItemVerdict]) -> tuple[str, str]:
    counts: dict[str, int] = {}
    for one in items.values():
        counts[one.code] = counts.get(one.code, 0) + 1
    code = max(counts, key=lambda name: counts[name])
    return code, next(one.message for one in items.values() if one.code == code)


def _of_finding(found: Diagnosis, finding: Finding) -> Diagnosis:
    page = explain(finding.code or "")
    outcome = _BY_CLASS[page.retry] if page else found.outcome
    if found.outcome in STANDS_WITH[page.retry if page else "no"]:
        outcome = found.outcome
    return replace(found, outcome=outcome, code=finding.code, message=finding.message, remedy=finding.remedy)


class _Same:
    """A transport that gives one answer to whatever is asked; nothing leaves this machine."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def send(self, request: Request, timeout: float) -> Reply:
        return self._reply

    def close(self) -> None:
        pass


def _wire(exporter: HttpExporter[Any], reply: Reply) -> Wire:
    return Wire(_Same(reply), _ANYWHERE, redact=exporter.redact, timeout=1.0)


def _climbed(exporter: HttpExporter[Any], reply: Reply, rungs: tuple[Rung, ...]) -> Iterator[Finding]:
    for probe in probes_of(type(exporter)):
        if probe.rung in rungs and probe.side_effect == "read-only":
            with suppress(WireError, AttributeError, KeyError, TypeError, ValueError):  # an answer to another question
                yield probe.climb(exporter, _wire(exporter, reply))


def _read_back(exporter: HttpExporter[Any], reply: Reply, found: Diagnosis) -> dict[str, Any] | None:
    with suppress(WireError, AttributeError, KeyError, TypeError, ValueError):
        told = exporter.count_run(_wire(exporter, reply), "run")
        code = getattr(told, "code", None)
        if isinstance(code, str) and (page := explain(code)) is not None:
            outcome = _BY_CLASS[page.retry]
            return {
                "code": code,
                "message": str(getattr(told, "message", page.title)),
                "remedy": None,
                "outcome": outcome,
            }
    return None


def _specific(exporter: HttpExporter[Any], reply: Reply) -> bool:
    """True where the exporter knows this very text: it says more to it than to an answer that says nothing."""
    code = _of_outcome(exporter, _judge(exporter, reply)).code
    nothing = _of_outcome(exporter, _judge(exporter, replace(reply, body=b"x" if reply.body else b""))).code
    return code is not None and code != nothing and not (code.startswith("http.") and reply.ok)


# ---- texts -------------------------------------------------------------------------------------------------------------


def _symptom(exporter: Exporter[Any], text: str) -> Diagnosis | None:
    """A failure without a complete answer, as the transport would have told it."""
    certificate = bool(getattr(exporter.settings, "client_cert_file", None))
    told = recognise(text, exporter.endpoint() or exporter.name, client_certificate=certificate, redact=exporter.redact)
    if told is None:
        return None
    if isinstance(told, Unsent):
        return Diagnosis(exporter.name, None, told.code, _title(told.code))
    if isinstance(exporter, HttpExporter):
        outcome = exporter.unanswered(told)
        found = replace(_of_outcome(exporter, outcome), remedy=told.remedy)
    else:
        found = Diagnosis(exporter.name, "unavailable", told.code, told.message, told.remedy)
    if found.code == "tls.handshake-timeout":  # measured: a plaintext server, far more often than an overloaded one
        found = replace(found, code="tls.plaintext-server", message=_title("tls.plaintext-server"), remedy=None)
    return found


def _phrase(exporter: Exporter[Any], text: str, during: During | None) -> Diagnosis | None:
    """A status that is only named."""
    named = _ALONE.search(text)
    if named is None or named.lastgroup is None or not isinstance(exporter, HttpExporter):
        return None
    return _answer(exporter, Reply(int(named.lastgroup[1:]), {}, text.encode("utf-8", "surrogatepass")), during)


def _unrecognised(exporter: Exporter[Any], text: str) -> Diagnosis:
    shown = " ".join(text.split())[:120]
    message = "it names no status, no error of a connection and no error of this backend that is known here"
    return Diagnosis(
        exporter.name, "unavailable", UNRECOGNISED, f"{message}: {shown}" if shown else "nothing was pasted"
    )


def _status_in(text: str) -> int | None:
    text = text[:20_000]
    for pattern in (*_STATUS, _PHRASES):
        found = pattern.search(text)
        if found:
            return int(found.group(1))
    return None


def _after_status(text: str, status: int) -> str:
    """What a log quotes with the status: the answer's body, as far as one can tell."""
    page = _PAGE.search(text)
    if page is not None:
        return text[page.start() :]
    inside = _value_in(text)
    if inside:
        return inside
    before, _, rest = text.partition(str(status))
    for phrase in (one.phrase for one in http.HTTPStatus if one == status):
        rest = re.sub(rf"^\W*{re.escape(phrase)}", "", rest, flags=re.IGNORECASE)
    told = rest.strip(" :,-)]>\t\n")
    return told or ("" if not _WORDS_AROUND.sub("", before) else before)


def _value_in(text: str) -> str:
    """The first JSON object or list that stands in a text, or nothing."""
    decoder = json.JSONDecoder()
    for number, start in enumerate(re.finditer(r"[{\[](?=\s*[\[{\"])", text)):
        if number > 20:
            break
        with suppress(ValueError, RecursionError):
            _, end = decoder.raw_decode(text, start.start())
            return text[start.start() : end]
    return ""


# ---- what every diagnosis gets -----------------------------------------------------------------------------------------


def _title(code: str) -> str:
    page = explain(code)
    return page.title if page else code


def _finished(found: Diagnosis, exporter: Exporter[Any]) -> Diagnosis:
    def shown(text: str) -> str:
        told = _CREDENTIALS.sub(lambda one: f"{one['head'] or one['url']}***", exporter.redact(text))
        told = told.replace(_ANYWHERE.origin, "the backend")
        return told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"

    page = explain(found.code) if found.code else None
    remedy = found.remedy or (page.mend[0].removeprefix("$ ") if page else None)
    others = look_alikes(found.code, exporter.name, found.alternatives)
    return replace(
        found,
        message=shown(found.message),
        remedy=shown(remedy) if remedy else None,
        alternatives=tuple(Alternative(one.code, shown(one.why)) for one in others if explain(one.code)),
    )
