"""A payload stored outside the process: its bytes, and plain JSON that describes them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magictel.encoding.payload import Payload, Run

FORMAT = 1


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A payload with all that is needed to send it later. `fingerprint` identifies its exporter: no other can use the bytes.

    `stored_at`: Unix seconds; `code` and `message` are those of its last failure.
    """

    payload: Payload
    target: str
    fingerprint: str
    stored_at: float
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
            "made": self.stored_at,
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
        """Create it from its document and its bytes. Raise `ValueError` if one is damaged, or if they do not match."""
        try:
            return cls._read(document, body)
        except (AttributeError, KeyError, TypeError) as failure:
            raise ValueError("what describes the payload is damaged") from failure

    @classmethod
    def _read(cls, document: Mapping[str, Any], body: bytes) -> StoredPayload:
        if document["format"] != FORMAT:
            raise ValueError(
                f"the payload is stored in format {document['format']}, but this version reads format {FORMAT}"
            )
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
        if not isinstance(payload.points, int) or payload.id.hex() != document["id"]:
            raise ValueError("the stored bytes do not match their checksum")
        return cls(
            payload,
            target=document["target"],
            fingerprint=document["fingerprint"],
            stored_at=document["made"],
            code=document["code"],
            message=document["message"],
        )
