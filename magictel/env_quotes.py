"""Values with quotes: docker, Kubernetes and older Compose keep the quotes of an env file as part of the value."""

from __future__ import annotations

CODE = "config.quotes"
WHY = "is in quotes, and they are part of the value: env files of docker and Kubernetes keep them"


def unquoted(text: str) -> str | None:
    """Return the text inside a pair of quotes around the whole text, or None."""
    bare = text.strip()
    if len(bare) < 2 or bare[0] != bare[-1] or bare[0] not in "'\"":
        return None
    return bare[1:-1]
