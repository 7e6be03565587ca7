"""Asking a backend what it has: no complete answer, and one of another shape, are reasons to say, never exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from magictel.errors import WireError
from magictel.http.messages import reading
from magictel.model.verification import Unreadable

P = ParamSpec("P")
T = TypeVar("T")


def ask(question: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | Unreadable:
    """What `question` gives, or why the backend could not be asked; asking again may help."""
    try:
        with reading():
            return question(*arguments, **options)
    except WireError as failure:
        return Unreadable(failure.code, failure.message, failure.remedy, final=False)
