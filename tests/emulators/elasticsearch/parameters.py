"""Query parameters that each end point takes: the engines refuse any other before they do anything."""

from __future__ import annotations

from collections.abc import Mapping

from tests.emulators.elasticsearch.answers import illegal
from tests.emulators.elasticsearch.context import Asked

_ALWAYS = frozenset(("filter_path", "pretty", "human", "error_trace", "format"))
_INDICES = frozenset(
    (
        *("ignore_unavailable", "allow_no_indices", "expand_wildcards"),
        *("local", "master_timeout", "cluster_manager_timeout"),
    )
)
_FLAT = frozenset(("flat_settings", "include_defaults", "include_type_name"))
_QUERY = frozenset(
    (
        *("q", "df", "analyzer", "analyze_wildcard", "lenient", "default_operator"),
        *("routing", "preference", "terminate_after", "ignore_throttled"),
    )
)
_SEARCH = frozenset(
    (
        *("batched_reduce_size", "request_cache", "scroll", "search_type", "max_concurrent_shard_requests"),
        *("pre_filter_shard_size", "ccs_minimize_roundtrips", "allow_partial_search_results", "typed_keys"),
        *("rest_total_hits_as_int", "from", "size", "explain", "version", "seq_no_primary_term", "timeout"),
        *("stored_fields", "docvalue_fields", "_source", "_source_includes", "_source_excludes", "track_scores"),
        *("track_total_hits", "sort", "stats", "suggest_field", "suggest_mode", "suggest_size", "suggest_text"),
        "include_named_queries_score",
    )
)
_HEALTH = frozenset(
    (
        *("level", "timeout", "wait_for_status", "wait_for_no_relocating_shards", "wait_for_no_initializing_shards"),
        *("wait_for_active_shards", "wait_for_nodes", "wait_for_events", "return_200_for_cluster_health_timeout"),
    )
)
_PARAMETERS: Mapping[str, frozenset[str]] = {
    "/": frozenset(),
    "INDEX": _INDICES | _FLAT | {"features"},
    "_search": _INDICES | _QUERY | _SEARCH,
    "_count": _INDICES | _QUERY | {"min_score"},
    "_field_caps": _INDICES | {"fields", "include_unmapped", "filters", "types", "include_empty_fields"},
    "_mapping": _INDICES | {"include_type_name", "include_defaults"},
    "_settings": _INDICES | _FLAT | {"name"},
    "_alias": _INDICES,
    "_refresh": _INDICES,
    "_cluster/health": _INDICES | _HEALTH,
    "_cluster/settings": _INDICES | _FLAT | {"timeout"},
    "_cat/health": _INDICES | {"h", "v", "s", "ts", "time", "bytes", "help"},
}
"""Of the requests that read: for every version together, so a parameter of a later one is taken by an earlier one too."""


def check(asked: Asked) -> None:
    """Raise `Refused` for a parameter that the end point does not know."""
    if asked.method not in ("GET", "HEAD") and not asked.path.rstrip("/").endswith(
        ("_search", "_count", "_field_caps")
    ):
        return
    known = _PARAMETERS.get(_end_point(asked.path))
    if known is None:
        return
    strange = sorted(name for name in asked.query if name not in known and name not in _ALWAYS)
    if strange:
        listed = ", ".join(f"[{name}]{_hint(name, known)}" for name in strange)
        several = "s" if len(strange) > 1 else ""
        raise illegal(f"request [{asked.path}] contains unrecognized parameter{several}: {listed}")


def _end_point(path: str) -> str:
    """`_search` of `/x/_search`, `_cluster/health`, `INDEX` of `/x`, `/`."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "/"
    if parts[0] in ("_cluster", "_cat"):
        return "/".join(parts[:2])
    if len(parts) == 1 and (not parts[0].startswith("_") or parts[0] == "_all"):
        return "INDEX"
    return next((part for part in parts if part.startswith("_") and part != "_all"), "")


def _hint(name: str, known: frozenset[str]) -> str:
    """What the engine takes it for: parameters that share more than half of their letters with it, the nearest first."""
    scored = {candidate: 1 - _distance(name, candidate) / max(len(name), len(candidate)) for candidate in known}
    near = sorted(
        (candidate for candidate, score in scored.items() if score > 0.5),
        key=lambda candidate: (-scored[candidate], candidate),
    )
    if not near:
        return ""
    return f" -> did you mean {'any of ' if len(near) > 1 else ''}[{', '.join(near)}]?"


def _distance(word: str, other: str) -> int:
    """Levenshtein's: how many letters to put in, take out or change."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(word, 1):
        above, row[0] = row[0], number
        for column, beside in enumerate(other, 1):
            above, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, above + (letter != beside))
    return row[-1]
