"""An Elasticsearch that says yes and keeps nothing."""

from __future__ import annotations

from magictel.clock import Clock
from magictel.http.wire import Reply, Request
from magictel.sandbox.elasticsearch import ElasticsearchEmulator


class Forgetful(ElasticsearchEmulator):
    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self._other = ElasticsearchEmulator(clock=clock)

    def handle(self, request: Request) -> Reply:
        return (self._other if self.is_write(request) else super()).handle(request)
