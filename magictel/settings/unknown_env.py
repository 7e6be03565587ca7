"""Variables that look as if they set something and set nothing: `ELASTICSEARCH_URLL`, `MAGICTEL_PROD_EX__URL`.

They only warn: the environment is shared, and what others keep there is no mistake.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from magictel.settings.fields import Field
from magictel.settings.names import target_variable

_FOR_A_TARGET = re.compile(r"(MAGICTEL_[A-Z0-9_]+?__)(?=[A-Z0-9])(.+)", re.IGNORECASE)
_ALIKE = 0.8


def strays(
    name: str, prefix: str, fields: Mapping[str, Field], tables: Collection[str], environment: Mapping[str, str]
) -> Iterator[str]:
    """A sentence for each such variable that the target `name` may have been meant by. No value is shown.

    `prefix`: of the exporter's own variables. `tables`: the targets that the file has.
    """
    known = {variable: key for key, one in fields.items() for variable in one.env}
    own = target_variable(name, "")
    there = {target_variable(table, "") for table in tables}
    for variable in environment:
        if variable in known:
            continue
        meant = _FOR_A_TARGET.fullmatch(variable)
        if meant is not None:
            head, key = meant.group(1).upper(), meant.group(2)
            if head in there:
                continue
            if head == own:
                one = fields.get(key.lower())
                right = f"; of the exporter itself it is {one.env[0]}" if one and one.env else ""
                yield f"{variable} sets nothing: it would count for a target {name} of the file{right}"
            elif _alike(head, own) or not any(_alike(head, other) for other in there):
                hint = f". Did you mean {own}{key.upper()}?" if own in there and _alike(head, own) else ""
                yield f"{variable} sets nothing: the file has no target of that name{hint}"
        elif prefix and variable.startswith(prefix) and (near := _near(variable, prefix, known)):
            yield f"{variable} sets nothing. Did you mean {near}?"


def _near(variable: str, prefix: str, known: Mapping[str, str]) -> str | None:
    """The variable that this one is a slip of. Kubernetes' `ELASTICSEARCH_SERVICE_HOST` is none."""
    end = variable.removeprefix(prefix)
    for right in known:
        key = right.removeprefix(prefix)
        if right.startswith(prefix) and (_alike(end, key) or (len(end) >= 4 and key.startswith(end))):
            return right
    return None


def _alike(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 3:
        return False
    from difflib import SequenceMatcher  # a stray variable is rare, and its import is not free

    return SequenceMatcher(None, one, other).ratio() >= _ALIKE
