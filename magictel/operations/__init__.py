"""Operations: check, send, clean, prepare. Generators of events; they never print."""

from __future__ import annotations
