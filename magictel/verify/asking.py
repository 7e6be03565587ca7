"""Queries to a backend: incomplete or unexpected replies become reasons, never exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from magictel.errors import WireError
from magictel.http.messages import reading
from magictel.model.verification import Unreadable

P = ParamSpec("P")
T = TypeVar("T")


def ask(question: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | Unreadable:
    """Return the result of `question`, or why the backend could not be queried; a retry may help."""
    try:
        with reading():
            return question(*arguments, **options)
    except WireError as failure:
        return Unreadable(failure.code, failure.message, failure.remedy, final=False)
