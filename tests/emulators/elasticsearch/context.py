"""What a handler works with: the request, who asks, the cluster; and the table that handlers enter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from magictel.http.wire import Reply
from tests.emulators.elasticsearch.answers import PlainRefused, Refused, reply
from tests.emulators.elasticsearch.bulk import Veto
from tests.emulators.elasticsearch.cluster import Cluster
from tests.emulators.elasticsearch.health import Health
from tests.emulators.elasticsearch.security import Caller, forbidden

Handler = Callable[..., Reply]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, decompressed and authenticated. `uri` is path and query as it came, `path` is decoded."""

    method: str
    path: str
    uri: str
    query: Mapping[str, str]
    body: bytes
    caller: Caller
    veto: Veto | None

    def json(self) -> dict[str, Any]:
        """The body's JSON object, empty without a body; raises `Refused`."""
        if not self.body.strip():
            return {}
        try:
            found = json.loads(self.body)
        except ValueError as problem:
            raise Refused(400, "parse_exception", f"Failed to parse content to map: {problem}") from None
        if not isinstance(found, dict):
            raise Refused(400, "parsing_exception", "Expected [START_OBJECT] but found [START_ARRAY]", line=1, col=1)
        return found

    def flag(self, name: str) -> bool:
        """A boolean parameter; bare is true."""
        return self.query.get(name, "false") in {"true", ""}

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

    def no_handler(self) -> PlainRefused:
        """400 with a text for an error and no status."""
        error = f"no handler found for uri [{self.asked.uri}] and method [{self.asked.method}]"
        return PlainRefused(400, error, with_status=False)


class Routes(list[tuple[re.Pattern[str], str, Handler]]):
    """Path patterns, methods and handlers. `{index}` stands for a name that is not the engine's own."""

    def on(self, methods: str, *paths: str) -> Callable[[Handler], Handler]:
        """Enter the decorated handler for these methods (`GET POST`) at these paths."""

        def enter(handler: Handler) -> Handler:
            for path in paths:
                pattern = re.compile(path.replace("{index}", "(?P<index>[^/_][^/]*|_all)"))
                self.extend((pattern, method, handler) for method in methods.split())
            return handler

        return enter
