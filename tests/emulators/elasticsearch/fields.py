"""Field types and objects: the parts a mapping is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from magictel.sandbox.elasticsearch import mapping
from tests.emulators.elasticsearch.dates import DEFAULT_FORMAT

WHOLE = {"long": 64, "integer": 32, "short": 16, "byte": 8}
DECIMAL = {"double", "float", "half_float", "scaled_float"}
KEYWORDS = {"keyword", "wildcard", "constant_keyword"}
FLATTENED = {"flattened", "flat_object"}
KNOWN = {
    *WHOLE, *DECIMAL, *KEYWORDS, *FLATTENED,
    "unsigned_long", "text", "match_only_text", "boolean", "date", "date_nanos", "ip", "binary", "geo_point", "alias",
    "object", "nested", "passthrough", "histogram", "aggregate_metric_double",
}  # fmt: skip
PARAMETERS = {
    "type", "fields", "ignore_above", "index", "doc_values", "format", "scaling_factor", "ignore_malformed", "coerce",
    "null_value", "store", "time_series_dimension", "time_series_metric", "meta", "norms", "analyzer", "copy_to",
    "eager_global_ordinals", "similarity", "normalizer", "search_analyzer", "locale", "boost", "path", "value",
    "depth_limit", "split_queries_on_whitespace", "index_options", "fielddata", "metrics", "default_metric", "priority",
    "index_prefixes", "index_phrases", "position_increment_gap", "term_vector", "script", "on_script_error", "dimensions",
    "null", "ignore_z_value", "time_series_dimensions", "synthetic_source_keep", "skip_list", "derived_source_keep",
}  # fmt: skip


@dataclass(slots=True)
class Field(mapping.Field):
    """A leaf of any type."""

    @property
    def has_doc_values(self) -> bool:
        """True when docvalue_fields, sorting and aggregations can read it."""
        return (
            self.type not in {"text", "match_only_text", "binary", "alias"}
            and self.params.get("doc_values", True) is True
        )

    @property
    def format(self) -> str:
        """A date's formats."""
        return str(
            self.params.get(
                "format",
                "strict_date_optional_time_nanos||epoch_millis" if self.type == "date_nanos" else DEFAULT_FORMAT,
            )
        )


@dataclass(slots=True)
class Object:
    """A node with children; `dynamic` is None where it is inherited."""

    children: dict[str, Object | Field] = field(default_factory=dict)
    dynamic: str | None = None
    enabled: bool = True
    type: str = "object"
    params: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """As the mapping API shows it."""
        shown: dict[str, Any] = {}
        if self.type != "object" or not self.children:
            shown["type"] = self.type
        shown.update(self.params)
        if self.dynamic is not None:
            shown["dynamic"] = self.dynamic
        if not self.enabled:
            shown["enabled"] = False
        if self.children:
            shown["properties"] = {name: child.json() for name, child in sorted(self.children.items())}
        return shown
