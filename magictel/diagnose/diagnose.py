"""Read an error from a production log as the exporter itself would have read it. Nothing is sent.

A reply goes to the exporter's `judge` (and, if it does not answer a write, to its probes, over a transport that returns this
reply); the text of a failure without a reply goes to the patterns of the catalogue. The retry class is that of the code's page.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from magictel.catalogue.pages import explain
from magictel.diagnose.diagnosis import (
    ANY_BACKEND,
    BY_CLASS,
    STANDS_WITH,
    UNRECOGNISED,
    Alternative,
    Diagnosis,
    During,
    Pasted,
    Verdict,
    is_own,
    look_alikes,
    title_of,
)
from magictel.diagnose.error_text import code_in, peer_in, system_error
from magictel.diagnose.log_parsing import lone_number, named_status, unwrapped
from magictel.diagnose.replies import ANYWHERE, of_outcome, read_answer, reply_in
from magictel.errors import MagictelError, UsageError
from magictel.http.wire import Reply
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.http_exporter import HttpExporter
from magictel.secrets.patterns import masked

_LONGEST = 500
_LONGEST_TEXT = 20_000
"""Maximum number of characters read of a text, or of a body that is not JSON."""
_NEVER_AGAIN = re.compile(
    r"(?:not|non|un)[- ]?(?:retr(?:y|i)able|recoverable)|permanent error|(?:will|do|can|could)(?: ?not|n't) (?:be )?retr(?:y|ied)|"
    r"(?:no|without) (?:more |further )?retr(?:y|ies)|giving up|no retry attempts left",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"\bwill (?:be )?retr(?:y|ied)|\bretrying\b|\bretry in\b|\bis retr(?:y|i)able", re.IGNORECASE)
"""Phrases of a line that announce a retry."""


def diagnose(exporter: AnyExporter, pasted: Pasted, trouble: MagictelError | None = None) -> Diagnosis:
    """Read what was pasted as the exporter would. `trouble`: why the target's settings are unusable, listed as an alternative.

    Raise `UsageError` if only a status is pasted for an exporter that does not use HTTP.
    """
    if pasted.empty and trouble is not None:
        return Diagnosis(exporter.name, None, trouble.code, trouble.message, trouble.remedy)
    if not isinstance(exporter, HttpExporter) and pasted.text is None and not pasted.body:
        raise UsageError(
            "usage.command-line",
            f"{exporter.name} gets no HTTP answers: a status says nothing about it",
            f"magictel diagnose {exporter.name} --text 'the error as the log shows it'",
        )
    if pasted.text is not None:
        pasted = replace(pasted, text=unwrapped(pasted.text[:_LONGEST_TEXT]))
    diagnosis = _read(exporter, pasted)
    if trouble is not None and trouble.code != "config.required":
        known = (Alternative(trouble.code, f"the settings themselves cannot be used: {trouble.message}"),)
        diagnosis = replace(
            diagnosis,
            alternatives=look_alikes(diagnosis.code, exporter.code_families, (*known, *diagnosis.alternatives)),
        )
    return _finished(diagnosis, exporter)


def _read(exporter: AnyExporter, pasted: Pasted) -> Diagnosis:
    if isinstance(exporter, HttpExporter):
        reply, guessed = reply_in(exporter, pasted)
        if reply is not None:
            diagnosis = read_answer(exporter, reply, pasted.during)
            if (
                guessed and not reply.ok and str(reply.status) not in (pasted.text or "")
            ):  # the text does not contain that status
                diagnosis = replace(
                    diagnosis, message=re.sub(rf"^{reply.status}(?=[ :])[^:]{{0,60}}: ", "", diagnosis.message)
                )
            if guessed and pasted.text:
                symptom = _symptom(exporter, pasted.text)
                if symptom is not None and symptom.code and symptom.code != diagnosis.code:
                    other = Alternative(symptom.code, "a failure before any answer is worded like this too")
                    diagnosis = replace(diagnosis, alternatives=(*diagnosis.alternatives, other))
            return diagnosis
    text = pasted.text if pasted.text is not None else (pasted.body or b"")[:_LONGEST_TEXT].decode("utf-8", "replace")
    return _symptom(exporter, text) or _phrase(exporter, text, pasted.during) or _unrecognised(exporter, text)


def _symptom(exporter: AnyExporter, text: str) -> Diagnosis | None:
    """Read a failure without a complete reply: a system error as the exporter does, any other by the catalogue's patterns."""
    system = system_error(text, of_network=exporter.writes_to == "network")
    refused = exporter.refused_by_system(system) if system is not None else None
    if refused is not None:
        diagnosis = of_outcome(exporter, refused)
        if diagnosis.outcome not in STANDS_WITH[diagnosis.retry]:
            diagnosis = replace(diagnosis, outcome=BY_CLASS[diagnosis.retry or "no"])
        if not exporter.origins and diagnosis.code:  # no option is set: the message would name a default path
            diagnosis = replace(diagnosis, message=title_of(diagnosis.code))
        return diagnosis
    code = code_in(text, lambda known: is_own(known, (*ANY_BACKEND, *exporter.code_families)))
    page = explain(code) if code is not None else None
    if page is None:
        return None
    peer = peer_in(text)
    title = page.title.rstrip(".")
    message = f"{peer}: {title[0].lower()}{title[1:]}" if peer is not None and not title[1].isupper() else page.title
    outcome: Verdict | None = None if page.code.startswith("config.") else "unavailable"  # no request happened
    if outcome not in STANDS_WITH[page.retry]:
        outcome = BY_CLASS[page.retry]
    return Diagnosis(exporter.name, outcome, page.code, message)


def _phrase(exporter: AnyExporter, text: str, during: During | None) -> Diagnosis | None:
    """Return the diagnosis of a status without a reply."""
    status = named_status(text)
    if status is None or not isinstance(exporter, HttpExporter):
        return None
    return read_answer(exporter, Reply(status, {}, text.encode("utf-8", "surrogatepass")), during)


def _unrecognised(exporter: AnyExporter, text: str) -> Diagnosis:
    shown = " ".join(text.split())[:120]
    message = "not recognised: the text contains no status, no connection error and no known error of a backend"
    message = f"{message}: {shown}" if shown else "nothing was pasted"
    stated: Literal["no"] | None = None
    if never := _NEVER_AGAIN.search(text):
        stated, message = "no", f"{message}; the line itself says {never[0]!r}"
    elif again := _AGAIN.search(text):
        message = f"{message}; the line itself says {again[0]!r}"
    diagnosis = Diagnosis(exporter.name, None, UNRECOGNISED, message, stated=stated)
    number = lone_number(text)
    if number is None or not isinstance(exporter, HttpExporter):
        return diagnosis
    code = read_answer(exporter, Reply(number), None).code or UNRECOGNISED
    why = f"if {number} is the status of the response, diagnose again with --status {number}"
    return replace(diagnosis, alternatives=(Alternative(code, why),))


def _finished(diagnosis: Diagnosis, exporter: AnyExporter) -> Diagnosis:
    def shown(text: str, host: str = "the backend's host") -> str:
        text_shown = masked(exporter.redact(text))
        text_shown = text_shown.replace(ANYWHERE.origin, "the backend").replace(ANYWHERE.host, host)
        return text_shown if len(text_shown) <= _LONGEST else text_shown[: _LONGEST - 1] + "…"

    page = explain(diagnosis.code) if diagnosis.code else None
    first_fix = page.first if page else None  # a page's words are no secrets, though `key: magictel` looks like one
    others = look_alikes(diagnosis.code, exporter.code_families, diagnosis.alternatives)
    return replace(
        diagnosis,
        message=shown(diagnosis.message),
        remedy=shown(diagnosis.remedy, "HOST") if diagnosis.remedy else first_fix,
        alternatives=tuple(
            Alternative(alternative.code, shown(alternative.why)) for alternative in others if explain(alternative.code)
        ),
    )
