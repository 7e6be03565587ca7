"""Replies as most backends make them: JSON, a sentence, a date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from magictel.clock import Clock
from magictel.http.wire import Reply


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """Return a value as compact JSON; in the names of headers an underscore stands for a dash."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status, {"content-type": "application/json", **_named(headers)}, body)


def text_reply(text: str, status: int = 200, **headers: str) -> Reply:
    """Return a plain text, as it is."""
    return Reply(status, {"content-type": "text/plain; charset=utf-8", **_named(headers)}, text.encode())


def dated(reply: Reply, clock: Clock) -> Reply:
    """Add the Date header, by which probes compare clocks."""
    return replace(reply, headers={**reply.headers, "date": formatdate(clock.now(), usegmt=True)})


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
