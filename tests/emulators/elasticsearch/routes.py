"""From a path and a method to what answers, or to the engine's words for nothing there."""

from __future__ import annotations

from magictel.http.wire import Reply
from tests.emulators.elasticsearch import admin_routes, data_routes, parameters, state_routes
from tests.emulators.elasticsearch.answers import PlainRefused
from tests.emulators.elasticsearch.context import Context

# An index's own name comes last: `/{index}` would take everything.
_ROUTES = [*state_routes.ROUTES, *data_routes.ROUTES, *admin_routes.ROUTES]


def dispatch(context: Context) -> Reply:
    """Answer; raises `Refused` and `PlainRefused`."""
    asked = context.asked
    allowed: list[str] = []
    path = asked.path.rstrip("/") or "/"  # the engines take a slash at the end as none
    for pattern, method, handler in _ROUTES:
        found = pattern.fullmatch(path)
        if found is None:
            continue
        if method == asked.method or (method == "GET" and asked.method == "HEAD"):
            parameters.check(asked)
            reply: Reply = handler(context, **found.groupdict())
            return reply
        allowed.append(method)
    if not allowed:
        raise context.no_handler()
    methods = ", ".join(dict.fromkeys(allowed))
    error = f"Incorrect HTTP method for uri [{asked.uri}] and method [{asked.method}], allowed: [{methods}]"
    raise PlainRefused(405, error, headers={"allow": methods.replace(", ", ",")})


def known(path: str) -> bool:
    """True when some method does something at this path."""
    return any(pattern.fullmatch(path.rstrip("/") or "/") for pattern, _, _ in _ROUTES)
