"""Fields that a document adds to its index's mapping: do they contradict each other, are they too many?"""

from __future__ import annotations

from dataclasses import dataclass

from tests.emulators.elasticsearch.answers import Refused
from tests.emulators.elasticsearch.fields import Field, Object
from tests.emulators.elasticsearch.mapping import IndexMapping

New = list[tuple[str, Field | Object]]


@dataclass(frozen=True, slots=True)
class Limits:
    """An index's `index.mapping.*` limits: fields in all, objects inside each other, characters of a name."""

    fields: int = 1000
    depth: int = 20
    name: int = 1 << 31
    ignore_beyond: bool = False


class NewFields:
    """Checks and takes in new fields."""

    def __init__(self, mapping: IndexMapping, limits: Limits) -> None:
        self._mapping = mapping
        self._dialect = mapping.dialect
        self._limits = limits
        self._limit = limits.fields

    def within(self, new: New) -> tuple[New, list[str]]:
        """With `ignore_dynamic_beyond_limit`: the fields that still fit, and the paths left out."""
        if not self._limits.ignore_beyond:
            return new, []
        kept, ignored, total = New(), [], self._mapping.count()
        for path, leaf in new:
            size = 1 + (len(leaf.fields) if isinstance(leaf, Field) else 0)
            if total + size > self._limit:
                ignored.append(path)
            else:
                total += size
                kept.append((path, leaf))
        return kept, ignored

    def check(self, new: New) -> None:
        """Refuse new fields that contradict each other, or are too many."""
        seen: dict[str, Field | Object] = {}
        for path, leaf in new:
            self._check_depth(path, leaf)
        if self._dialect.typed:
            self._check_deepest(new)
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

    def _check_deepest(self, new: New) -> None:
        """7.x looks when it merges, and names the deepest object."""
        objects = [path if isinstance(leaf, Object) else path.rpartition(".")[0] for path, leaf in new]
        deepest = max(objects, key=lambda path: path.count("."))
        if deepest and deepest.count(".") + 2 > self._limits.depth:
            reason = f"Limit of mapping depth [{self._limits.depth}] has been exceeded due to object field [{deepest}]"
            raise Refused(400, "illegal_argument_exception", reason)

    def _check_depth(self, path: str, leaf: Field | Object) -> None:
        depth = path.count(".") + (1 if isinstance(leaf, Object) else 0)
        name = path.rsplit(".", 1)[-1]
        if len(name) > self._limits.name:
            reason = f"Field name [{name}] is longer than the limit of [{self._limits.name}] characters"
            raise Refused(400, "illegal_argument_exception", reason)
        if depth < self._limits.depth or self._dialect.typed:
            return
        if self._dialect.modern:
            deep = ".".join(path.split(".")[: self._limits.depth])
            reason = f"Limit of mapping depth [{self._limits.depth}] has been exceeded due to object field [{deep}]"
            cause = {"type": "illegal_argument_exception", "reason": reason}
            raise Refused(400, self._dialect.document_error, self._dialect.at(f"failed to parse: {reason}"), cause)
        reason = (
            f"The depth of the field has exceeded the allowed limit of [{self._limits.depth}]. "
            "This limit can be set by changing the [index.mapping.depth.limit] index level setting."
        )
        raise Refused(400, "mapper_parsing_exception", "failed to parse", {"type": "parse_exception", "reason": reason})

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
