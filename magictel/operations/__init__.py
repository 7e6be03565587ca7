"""Operations: check, send, replay, record, clean, prepare. Generators of events; they never print."""

from __future__ import annotations
