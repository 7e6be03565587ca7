"""From a path and a method to what answers, or to the engine's words for nothing there."""

from __future__ import annotations

from magictel.http.wire import Reply
from tests.emulators.elasticsearch import admin_routes, data_routes, parameters, state_routes
from tests.emulators.elasticsearch.context import Context

# An index's own name comes last: `/{index}` would take everything.
_TABLES = (state_routes.ROUTES, data_routes.ROUTES, admin_routes.ROUTES)


def dispatch(context: Context) -> Reply:
    """Answer; raises `Refused` and `PlainRefused`."""
    asked = context.asked
    allowed: list[str] = []
    for table in _TABLES:
        route = table.find(asked.method, _path(asked.path))
        if not isinstance(route, list):
            handler, names = route
            parameters.check(asked)
            reply: Reply = handler(context, **names)
            return reply
        allowed += route
    raise asked.wrong_method(allowed) if allowed else asked.no_handler()


def known(path: str) -> bool:
    """True when some method does something at this path."""
    return any(table.find("", _path(path)) for table in _TABLES)


def _path(path: str) -> str:
    return path.rstrip("/") or "/"  # the engines take a slash at the end as none
