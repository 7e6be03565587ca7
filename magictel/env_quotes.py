"""Values in quotes: docker, Kubernetes and older Compose keep the quotes of an env file as part of the value."""

from __future__ import annotations

CODE = "config.quotes"
WHY = "is in quotes that are part of the value: docker and Kubernetes keep the quotes of an env file"


def unquoted(text: str) -> str | None:
    """Return the text inside a pair of quotes around the whole text, or None."""
    bare = text.strip()
    if len(bare) < 2 or bare[0] != bare[-1] or bare[0] not in "'\"":
        return None
    return bare[1:-1]
