"""Fields that a document adds to its index's mapping: do they contradict each other, are they too many?"""

from __future__ import annotations

from magictel.sandbox.elasticsearch.answers import Refused
from magictel.sandbox.elasticsearch.fields import Field, Object
from magictel.sandbox.elasticsearch.mapping import IndexMapping

New = list[tuple[str, Field | Object]]


class NewFields:
    """Checks and takes in new fields. `limit` is `index.mapping.total_fields.limit`."""

    def __init__(self, mapping: IndexMapping, limit: int) -> None:
        self._mapping = mapping
        self._dialect = mapping.dialect
        self._limit = limit

    def check(self, new: New) -> None:
        """Refuse new fields that contradict each other, or are too many."""
        seen: dict[str, Field | Object] = {}
        for path, leaf in new:
            self._claim(seen, path, leaf)
        total, added, leaves = self._mapping.count(), 0, 0
        early = self._dialect.elastic and not self._dialect.modern
        for leaf in seen.values():
            added += 1
            leaves += len(leaf.fields) if isinstance(leaf, Field) else 0
            if total + added + (0 if early else leaves) > self._limit:
                raise self._too_many(added if early else added + leaves)
        if total + added + leaves > self._limit:
            # 7.x counts multi-fields only when it merges the mapping.
            raise Refused(400, "illegal_argument_exception", f"Limit of total fields [{self._limit}] has been exceeded")

    def apply(self, new: New) -> None:
        """Take new fields into the mapping; call it with what `parse` gave."""
        for path, leaf in new:
            if isinstance(leaf, Object):
                if self._mapping.find(path) is None:
                    self._mapping.add(path, leaf)
            elif path not in self._mapping.flat:
                self._mapping.add(path, leaf)

    def _claim(self, seen: dict[str, Field | Object], path: str, leaf: Field | Object) -> None:
        at = path.find(".")
        while at >= 0:
            parent = path[:at]
            other = seen.get(parent)
            if isinstance(other, Field):
                self._clash(parent, other, Object())
            if other is None and not isinstance(self._mapping.find(parent), Object):
                seen[parent] = Object()
            at = path.find(".", at + 1)
        other = seen.get(path)
        if other is None:
            seen[path] = leaf
        elif type(other) is not type(leaf) or (
            isinstance(other, Field) and isinstance(leaf, Field) and other.type != leaf.type
        ):
            self._clash(path, other, leaf)

    def _clash(self, path: str, old: Field | Object, new: Field | Object) -> None:
        if isinstance(old, Object) or (isinstance(new, Object) and (not self._dialect.modern or "." in path)):
            reason = f"can't merge a non object mapping [{path}] with an object mapping"
        else:
            kind = "ObjectMapper" if isinstance(new, Object) else new.type
            reason = f"mapper [{path}] cannot be changed from type [{old.type}] to [{kind}]"
        raise Refused(400, "illegal_argument_exception", reason)

    def _too_many(self, added: int) -> Refused:
        reason = f"Limit of total fields [{self._limit}] has been exceeded"
        if not self._dialect.elastic:
            return Refused(400, "illegal_argument_exception", reason)
        reason += f" while adding new fields [{added}]"
        cause = {"type": "illegal_argument_exception", "reason": reason}
        if self._dialect.modern:
            return Refused(400, self._dialect.document_error, self._dialect.at(f"failed to parse: {reason}"), cause)
        return Refused(400, "mapper_parsing_exception", "failed to parse", cause)
