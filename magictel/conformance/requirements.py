"""What a law may lack, and how it breaks from deep inside: what laws and cases both speak of."""

from __future__ import annotations

from enum import StrEnum


class Need(StrEnum):
    """What a law needs of the exporter or its backend to be tried at all; without it the law is skipped, and says so."""

    BACKEND = "an emulator that takes what is sent, and none was given"
    SERVER = "a backend whose answers can be scripted"
    AWAY = "a backend, file or stream that can be taken away"
    STALL = "a backend, file or stream that can let it wait"
    SYSTEM = "a file or a stream to write to, whose trouble can be brought about"
    ITEMS = "a backend that judges item by item"
    READ_BACK = "a way to ask what the backend holds"
    FORK = "a system that forks"
    SECRETS = "a secret among its options"


class Broken(Exception):  # noqa: N818 # what a law raises where returning would be clumsy
    """A law is broken, found deep inside its check."""
