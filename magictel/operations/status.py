"""`status`: ask a running application for the health of its telemetry."""

from __future__ import annotations

import urllib.parse
from typing import Any

import msgspec

from magictel.errors import SettingsError, UsageError
from magictel.http.wire import Request, Transport
from magictel.model.health import SCHEMA, Health
from magictel.net.address import parse_endpoint

DEFAULT = "http://localhost:9465"
"""Where the guide lets an application serve its health."""
TIMEOUT = 10.0


class Answer(msgspec.Struct, frozen=True):
    """What the application answers: its health, and the same as the document that it sent."""

    health: Health
    document: dict[str, Any]


def status(url: str, transport: Transport) -> Answer:
    """Return the health. Raise `WireError` if nothing answers, `UsageError` if the address is invalid or serves something else."""
    try:
        parse_endpoint(url, field="URL")
    except SettingsError as failure:
        raise UsageError("usage.status", failure.message, failure.remedy) from None
    parts = urllib.parse.urlsplit(url)
    address = url if parts.path.strip("/") else parts._replace(path="/healthz").geturl()
    reply = transport.send(Request("GET", address, {}), TIMEOUT)
    document = _document(reply.body)
    try:
        if document.get("schema") == SCHEMA:
            return Answer(msgspec.convert(document, Health), document)
    except msgspec.ValidationError:
        pass
    shown = parse_endpoint(address, field="URL").endpoint
    message = f"{shown} answers {reply.status}, but not with the health of magictel's runtime"
    raise UsageError("usage.status", message, "name the port that MAGICTEL_HEALTH_PORT gives the application")


def _document(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
