"""Unknown variables that look like settings: `ELASTICSEARCH_URLL`, `MAGICTEL_PROD_EX__URL`.

They only cause warnings: the environment is shared, and other programs' variables are no errors.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from magictel.settings.fields import Field
from magictel.settings.names import target_variable

_FOR_A_TARGET = re.compile(r"(MAGICTEL_[A-Z0-9_]+?__)(?=[A-Z0-9])(.+)", re.IGNORECASE)
_ALIKE = 0.8


def strays(
    name: str,
    prefixes: tuple[str, ...],
    fields: Mapping[str, Field],
    tables: Collection[str],
    environment: Mapping[str, str],
) -> Iterator[str]:
    """Yield a message for each such variable that may be meant for the target `name`, without its value.

    `prefixes`: the prefix of the exporter's own variables, and those of others' that begin like it. `tables`: the targets of the file.
    """
    prefix, *others = prefixes
    known = {variable: key for key, field in fields.items() for variable in field.env}
    prefix_of_target = target_variable(name, "")
    there = {target_variable(table, "") for table in tables}
    for variable in environment:
        if variable in known:
            continue
        meant = _FOR_A_TARGET.fullmatch(variable)
        if meant is not None:
            head, key = meant.group(1).upper(), meant.group(2)
            if head in there:
                continue
            if head == prefix_of_target:
                field = fields.get(key.lower())
                right = f"; for the exporter itself use {field.env[0]}" if field and field.env else ""
                yield f"{variable} has no effect: it would set an option of a target {name} in the file{right}"
            elif _alike(head, prefix_of_target) or not any(_alike(head, other) for other in there):
                hint = (
                    f". Did you mean {prefix_of_target}{key.upper()}?"
                    if prefix_of_target in there and _alike(head, prefix_of_target)
                    else ""
                )
                yield f"{variable} has no effect: the file has no target with that name{hint}"
        elif others and variable.startswith(tuple(others)):
            continue
        elif prefix and variable.startswith(prefix) and (near := _near(variable, prefix, known)):
            yield f"{variable} has no effect. Did you mean {near}?"


def _near(variable: str, prefix: str, known: Mapping[str, str]) -> str | None:
    """Return the variable that this one misspells. Kubernetes' `ELASTICSEARCH_SERVICE_HOST` is no misspelling."""
    end = variable.removeprefix(prefix)
    for right in known:
        key = right.removeprefix(prefix)
        if right.startswith(prefix) and (_alike(end, key) or (len(end) >= 4 and key.startswith(end))):
            return right
    return None


def _alike(name: str, other: str) -> bool:
    if abs(len(name) - len(other)) > 3:
        return False
    from difflib import SequenceMatcher  # an unknown variable is rare, and the import is slow

    return SequenceMatcher(None, name, other).ratio() >= _ALIKE
