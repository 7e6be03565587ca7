"""Requirements of laws, and the exception of a broken law: shared by laws and cases."""

from __future__ import annotations

from enum import StrEnum


class Need(StrEnum):
    """What a law needs from the exporter or its backend to run; without it the law is reported as skipped."""

    BACKEND = "an emulator of the backend, but there is none"
    SERVER = "a backend with scripted replies"
    AWAY = "a backend, file or stream that can become unavailable"
    STALL = "a backend, file or stream that can block"
    SYSTEM = "a file or stream whose faults can be simulated"
    ITEMS = "a backend with a result per item"
    READ_BACK = "a read-back"
    FORK = "a system with fork"
    SECRETS = "a secret option"


class Broken(Exception):  # noqa: N818 # raised by a law where returning would be clumsy
    """A law is broken, detected deep inside its check."""
