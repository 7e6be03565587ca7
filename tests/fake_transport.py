"""A transport without a network, whose replies a function gives."""

from __future__ import annotations

from collections.abc import Callable

from magictel.http.wire import Reply, Request


class FakeTransport:
    """Answers every request by `answer`, for example the `handle` of an emulator; `requests` are those that came."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.requests: list[Request] = []

    def send(self, request: Request, timeout: float) -> Reply:
        self.requests.append(request)
        return self.answer(request)

    def close(self) -> None: ...
