"""Product and version, and what differs between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Product = Literal["elasticsearch", "opensearch"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One engine: `elasticsearch` or `opensearch` in a version such as `8.19.0`; every difference has a name here."""

    product: Product
    version: str

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = re.findall(r"\d+", self.version)[:2]
        return int(major), int(minor)

    @property
    def elastic(self) -> bool:
        """True for Elasticsearch."""
        return self.product == "elasticsearch"

    @property
    def modern(self) -> bool:
        """Elasticsearch 8 and later: no types, parse errors with their position, vendor media types."""
        return self.elastic and self.number >= (8, 0)

    @property
    def document_error(self) -> str:
        """The type of an item's error when a document does not fit its mapping."""
        return "document_parsing_exception" if self.elastic and self.number >= (8, 8) else "mapper_parsing_exception"

    def at(self, text: str, column: int = 2) -> str:
        """A parse error's reason, with its place in the document where the engine says it."""
        return f"[1:{column}] {text}" if self.modern else text

    @property
    def typed(self) -> bool:
        """True where items and hits still carry `_type`."""
        return self.elastic and self.number < (8, 0)

    @property
    def content_type(self) -> str:
        """The content type of its JSON."""
        return "application/json" if self.modern else "application/json; charset=UTF-8"

    @property
    def flattened(self) -> str:
        """The field type that holds a whole object as keywords."""
        return "flattened" if self.elastic else "flat_object"
