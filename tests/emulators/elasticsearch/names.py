"""Names of fields in a document: dots are paths; empty and blank ones are refused, in each engine's words."""

from __future__ import annotations

from tests.emulators.elasticsearch.answers import Refused
from tests.emulators.elasticsearch.dialect import Dialect

METADATA = frozenset(
    {"_id", "_index", "_source", "_type", "_routing", "_seq_no", "_version", "_field_names", "_ignored", "_doc_count"}
)


def parts_of(dialect: Dialect, name: str) -> list[str]:
    """The path that a name is; raises `Refused`."""
    modern = dialect.modern
    if name == "":
        raise _refused(dialect, "field name cannot be an empty string")
    if "." not in name:
        if modern and not name.strip():
            raise Refused(
                400, dialect.document_error, dialect.at(f"Field name cannot contain only whitespace: [{name}]")
            )
        return [name]
    parts = name.split(".")
    while parts and parts[-1] == "":
        parts.pop()
    if not parts:
        only = "dots" if dialect.elastic else "the character [.]"
        raise _refused(dialect, f"field name cannot contain only {only}")
    for part in parts:
        if part == "":
            raise _refused(
                dialect,
                f"field name cannot contain only whitespace: ['{name}']"
                if modern
                else f"object field starting or ending with a [.] makes object resolution ambiguous: [{name}]",
            )
        if not part.strip():
            raise _refused(
                dialect,
                f"field name starting or ending with a [.] makes object resolution ambiguous: [{name}]"
                if modern
                else f"object field cannot contain only whitespace: ['{name}']",
            )
    return parts


def _refused(dialect: Dialect, reason: str) -> Refused:
    cause = {"type": "illegal_argument_exception", "reason": reason}
    text = dialect.at(f"failed to parse: {reason}") if dialect.modern else "failed to parse"
    return Refused(400, dialect.document_error, text, cause)
