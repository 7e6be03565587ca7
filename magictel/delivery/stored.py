"""A payload that waits outside the process: its bytes, and beside them plain JSON that says what they are and whose."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magictel.encoding.payload import Payload, Run

FORMAT = 1


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A payload with what must be known to send it later. `fingerprint` is its exporter's: bytes mean something to that one only.

    `made`: Unix seconds at which it was stored; `code` and `message` say what kept it out of the backend.
    """

    payload: Payload
    target: str
    fingerprint: str
    made: float
    code: str
    message: str = field(repr=False)

    def document(self) -> dict[str, Any]:
        """Return all but the body as JSON values."""
        payload = self.payload
        at = payload.at
        return {
            "format": FORMAT,
            "target": self.target,
            "fingerprint": self.fingerprint,
            "made": self.made,
            "code": self.code,
            "message": self.message,
            "id": payload.id.hex(),
            "points": payload.points,
            "sizes": None if payload.sizes is None else list(payload.sizes),
            "attempted": payload.attempted,
            "route": payload.route,
            "runs": [
                [[b64encode(part).decode() for part in run.envelope], run.points, run.size] for run in payload.runs
            ],
            "at": {"from": at.start, "to": at.stop} if isinstance(at, range) else list(at),
            "batch": payload.batch,
        }

    @classmethod
    def read(cls, document: Mapping[str, Any], body: bytes) -> StoredPayload:
        """Make it of its document and its bytes. Raise `ValueError` where they do not belong together."""
        if document["format"] != FORMAT:
            raise ValueError(f"a payload stored in format {document['format']}, and this is format {FORMAT}")
        at = document["at"]
        positions: Sequence[int] = range(at["from"], at["to"]) if isinstance(at, Mapping) else tuple(at)
        payload = Payload(
            body,
            document["points"],
            None if document["sizes"] is None else tuple(document["sizes"]),
            attempted=document["attempted"],
            route=document["route"],
            runs=tuple(Run(tuple(map(b64decode, around)), points, size) for around, points, size in document["runs"]),
            at=positions,
            batch=document["batch"],
        )
        if payload.id.hex() != document["id"]:
            raise ValueError("the stored bytes are not those that were stored")
        facts = {name: document[name] for name in ("target", "fingerprint", "made", "code", "message")}
        return cls(payload, **facts)
