"""README and the guide, as the tests read them."""

from __future__ import annotations

import re
from pathlib import Path

from magictel.guide.topics import FOLDER, TOPICS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = {"README": README, **{topic: FOLDER / f"{topic}.md" for topic in TOPICS}}
"""Every document by name."""


def text(document: str) -> str:
    return DOCUMENTS[document].read_text("utf-8")


def blocks(document: str, *kinds: str) -> list[str]:
    """Return the fenced blocks of these kinds (`""`: no kind is named), in order."""
    blocks = re.findall(r"^```([a-z]*)\n(.*?)^```", text(document), re.DOTALL | re.MULTILINE)
    return [block for kind, block in blocks if kind in kinds]


def prompted(document: str) -> list[str]:
    """Return every command that a document shows after a prompt, once, in order; a backslash continues a line."""
    text = re.sub(r"\\\n +", "", "".join(blocks(document, "", "console")))
    return list(dict.fromkeys(line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")))
