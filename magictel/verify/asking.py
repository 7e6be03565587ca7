"""Queries to a backend: incomplete or unexpected replies become reasons, never exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from msgspec.structs import replace

from magictel.errors import WireError
from magictel.http.messages import reading
from magictel.model.verification import Unreadable, Verification
from magictel.plugin.any_exporter import AnyExporter

P = ParamSpec("P")
T = TypeVar("T")


def ask(question: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | Unreadable:
    """Return the result of `question`, or why the backend could not be queried; a retry may help."""
    try:
        with reading():
            return question(*arguments, **options)
    except WireError as failure:
        return Unreadable(failure.code, failure.message, failure.remedy, final=False)


def explained(exporter: AnyExporter, verification: Verification) -> Verification:
    """Return the verification, with the backend's own report if points are missing and it has one."""
    why = ask(exporter.readback.why_missing) if verification.missing else None
    return verification if why is None or isinstance(why, Unreadable) else replace(verification, why_missing=why)
