"""What a handler works with: the request, who asks, the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from magictel.http.wire import Reply
from magictel.sandbox.elasticsearch import routes as sandbox
from tests.emulators.elasticsearch.answers import reply
from tests.emulators.elasticsearch.cluster import Cluster
from tests.emulators.elasticsearch.health import Health
from tests.emulators.elasticsearch.security import Caller, forbidden


@dataclass(frozen=True, slots=True)
class Asked(sandbox.Asked):
    """A request, decompressed and authenticated."""

    caller: Caller

    @property
    def allow_missing(self) -> bool:
        """`ignore_unavailable`."""
        return self.flag("ignore_unavailable")


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a handler may touch; the emulator's lock is held meanwhile."""

    cluster: Cluster
    health: Health
    secured: bool
    asked: Asked

    def may_cluster(self, action: str) -> None:
        """Refuse a caller without the cluster privilege."""
        if not self.asked.caller.may_cluster(action):
            raise forbidden(self.asked.caller, self.cluster.dialect, action)

    def may_index(self, action: str, expression: str) -> None:
        """Refuse a caller without the index privilege on one of the names."""
        for name in (expression or "*").split(","):
            if not self.asked.caller.may_index(action, name):
                raise forbidden(self.asked.caller, self.cluster.dialect, action, name)

    def reply(self, value: Any, status: int = 200) -> Reply:
        """A JSON reply."""
        return reply(self.cluster.dialect, value, status)
