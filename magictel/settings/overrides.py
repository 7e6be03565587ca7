"""`--set key=value` and `--set TARGET.key=value`: which option belongs to which target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from magictel.errors import UsageError
from magictel.settings.names import did_you_mean, find
from magictel.settings.origin import Origin, option

Overrides = Mapping[str, tuple[str, Origin]]


def parse(written: Sequence[str], targets: Sequence[str], others: Iterable[str] = ()) -> Mapping[str, Overrides]:
    """For every target its overrides, by key. Raises `UsageError` for what fits no target, or fits several.

    `headers.X-Tenant=blue` sets one entry of a table; a first part that is a chosen target's name is that target; one of `others`, which
    could have been chosen and are not, is wrong usage.
    """
    found: dict[str, dict[str, tuple[str, Origin]]] = {target: {} for target in targets}
    for text in written:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not path:
            raise UsageError(
                "usage.set",
                "--set takes key=value or TARGET.key=value",
                "write it like --set url=http://localhost:9200",
            )  # the text itself is not shown: it may be a secret
        head, dot, rest = path.partition(".")
        target = find(head, targets) if dot else None
        if target is not None:
            key = rest
        elif len(targets) == 1:
            if dot and (other := find(head, others)):
                raise UsageError(
                    "usage.set", f"--set {path}: {other} is none of the chosen targets", f"chosen is {targets[0]}"
                )
            target, key = targets[0], path
        else:
            raise _unclear(path, head if dot else None, targets)
        name, dot, entry = key.partition(".")
        plain = name.strip().replace("-", "_") + dot + entry
        found[target][plain] = (value, option(f"--set {path}"))
    return found


def _unclear(path: str, head: str | None, targets: Sequence[str]) -> UsageError:
    if head is not None and (hint := did_you_mean(head, targets)):
        return UsageError(
            "usage.set",
            f"--set {path}: no chosen target is called {head}. {hint}",
            f"the targets are {', '.join(targets)}",
        )
    if not targets:
        return UsageError("usage.set", f"--set {path}: there is no target to set it on", "name a target")
    return UsageError(
        "usage.set",
        f"--set {path}: which of the {len(targets)} targets is meant?",
        f"write --set {targets[0]}.{path}=…",
    )
