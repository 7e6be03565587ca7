"""`--set key=value` and `--set TARGET.key=value`: the overrides of each target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from magictel.errors import UsageError
from magictel.settings.names import did_you_mean, find
from magictel.settings.origin import Origin

Overrides = Mapping[str, tuple[str, Origin]]


def parse(written: Sequence[str], targets: Sequence[str], others: Iterable[str] = ()) -> Mapping[str, Overrides]:
    """Return the overrides of every target, by key. Raise `UsageError` for one that matches no target, or several.

    `headers.X-Tenant=blue` sets an entry of a table. If the first part is a chosen target's name, it means that target; one of
    `others`, which are not chosen, is a usage error.
    """
    overrides: dict[str, dict[str, tuple[str, Origin]]] = {target: {} for target in targets}
    for text in written:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not path:
            raise UsageError(
                "usage.set", "--set needs key=value or TARGET.key=value", "for example --set url=http://localhost:9200"
            )  # the text itself is not shown: it may be a secret
        head, dot, rest = path.partition(".")
        target = find(head, targets) if dot else None
        if target is not None:
            key = rest
        elif len(targets) == 1:
            if dot and (other := find(head, others)):
                raise UsageError(
                    "usage.set", f"--set {path}: {other} is not among the chosen targets", f"chosen: {targets[0]}"
                )
            target, key = targets[0], path
        else:
            raise _unclear(path, head if dot else None, targets)
        name, dot, entry = key.partition(".")
        plain = name.strip().replace("-", "_") + dot + entry
        overrides[target][plain] = (value, Origin("option", f"--set {path}"))
    return overrides


def _unclear(path: str, head: str | None, targets: Sequence[str]) -> UsageError:
    if head is not None and (hint := did_you_mean(head, targets)):
        return UsageError(
            "usage.set",
            f"--set {path}: no chosen target is called {head}. {hint}",
            f"the targets are {', '.join(targets)}",
        )
    if not targets:
        return UsageError("usage.set", f"--set {path}: no target is chosen", "name a target")
    return UsageError(
        "usage.set", f"--set {path}: ambiguous, {len(targets)} targets are chosen", f"use --set {targets[0]}.{path}=…"
    )
