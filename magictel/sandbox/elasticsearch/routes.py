"""The search for a handler by path and method, the engine's errors if there is none, and the accepted query parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from magictel.sandbox.elasticsearch.bulk import Veto
from magictel.sandbox.elasticsearch.cluster import Cluster
from magictel.sandbox.elasticsearch.errors import PlainRefused, Refused, illegal
from magictel.sandbox.endpoints import Routes

Handler = Callable[..., Any]
_ALWAYS = frozenset({"filter_path", "pretty", "human", "error_trace", "format"})
_INDICES = frozenset(
    {"ignore_unavailable", "allow_no_indices", "expand_wildcards", "local", "master_timeout", "cluster_manager_timeout"}
)
_FLAT = _INDICES | {"flat_settings", "include_defaults"}
_PARAMETERS: Mapping[str, frozenset[str]] = {
    "/": frozenset(),
    "INDEX": _FLAT,
    "_bulk": frozenset({"refresh", "routing", "timeout", "pipeline", "wait_for_active_shards", "require_alias"}),
    "_search": _INDICES | {"size", "from", "sort", "_source", "track_total_hits", "routing", "preference", "timeout"},
    "_count": _INDICES | {"routing", "preference"},
    "_field_caps": _INDICES | {"fields", "include_unmapped", "filters", "types", "include_empty_fields"},
    "_mapping": _INDICES,
    "_settings": _FLAT,
    "_cluster/health": _INDICES | {"level", "timeout", "wait_for_status", "wait_for_nodes", "wait_for_active_shards"},
    "_cluster/settings": _FLAT | {"timeout"},
    "_cat/health": _INDICES | {"h", "v", "s", "ts", "time", "help"},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A decompressed request. `uri` is path and query as received, `path` is decoded."""

    method: str
    path: str
    uri: str
    query: Mapping[str, str]
    body: bytes
    veto: Veto | None

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object, empty without a body. Raise `Refused`."""
        try:
            value = json.loads(self.body) if self.body.strip() else {}
        except ValueError as problem:
            raise Refused(400, "parse_exception", f"Failed to parse content to map: {problem}") from None
        if not isinstance(value, dict):
            raise Refused(400, "parsing_exception", "Expected [START_OBJECT] but found [START_ARRAY]", line=1, col=1)
        return value

    def flag(self, name: str) -> bool:
        """Read a boolean parameter; without a value it is true."""
        return self.query.get(name, "false") in {"true", ""}

    def no_handler(self) -> PlainRefused:
        """Return the 400 of an unknown path; its body has no status."""
        error = f"no handler found for uri [{self.uri}] and method [{self.method}]"
        return PlainRefused(400, error, with_status=False)

    def wrong_method(self, allowed: list[str]) -> PlainRefused:
        """Return the 405 with the allowed methods."""
        methods = ", ".join(dict.fromkeys(allowed))
        error = f"Incorrect HTTP method for uri [{self.uri}] and method [{self.method}], allowed: [{methods}]"
        return PlainRefused(405, error, headers={"allow": methods.replace(", ", ",")})


def routes() -> Routes[Handler]:
    """Return an empty table; `{index}` matches names that do not begin with an underscore."""
    return Routes(index="[^/_][^/]*|_all")


def dispatch(table: Routes[Handler], cluster: Cluster, asked: Asked) -> Any:
    """Return the result of the handler: a `Reply`, or a JSON value. Raise `Refused`, `PlainRefused`."""
    route = table.find(asked.method, asked.path.rstrip("/") or "/")  # the engines ignore a slash at the end
    if isinstance(route, list):
        raise asked.wrong_method(route) if route else asked.no_handler()
    handler, names = route
    _check_parameters(asked)
    return handler(cluster, asked, **names)


def _check_parameters(asked: Asked) -> None:
    """Raise `Refused` for a parameter that the endpoint does not accept."""
    parts = [part for part in asked.path.split("/") if part]
    api_parts = [part for part in parts if part.startswith("_") and part != "_all"]
    end_point = "/" if not parts else api_parts[0] if api_parts else "INDEX"
    if end_point in ("_cluster", "_cat"):
        end_point = "/".join(parts[:2])
    known = _PARAMETERS.get(end_point)
    bodies = ("_bulk", "_search", "_count", "_field_caps")
    if known is None or (asked.method not in ("GET", "HEAD") and end_point not in bodies):
        return
    unknown = sorted(f"[{name}]" for name in asked.query if name not in known and name not in _ALWAYS)
    if unknown:
        several = "s" if len(unknown) > 1 else ""
        raise illegal(f"request [{asked.path}] contains unrecognized parameter{several}: {', '.join(unknown)}")
