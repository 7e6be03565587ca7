"""Product and version, and what differs between them: the sandbox's, and every other version."""

from __future__ import annotations

import re

from magictel.sandbox.elasticsearch import errors
from magictel.sandbox.elasticsearch.errors import ProductName

__all__ = ["Dialect", "ProductName"]


class Dialect(errors.Dialect):
    """One engine: `elasticsearch` 7, 8, 9 or `opensearch` 2, 3; every difference has a name here."""

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = re.findall(r"\d+", self.version)[:2]
        return int(major), int(minor)

    @property
    def modern(self) -> bool:
        """Elasticsearch 8 and later: no types, parse errors with their position, vendor media types."""
        return self.elastic and self.number >= (8, 0)

    @property
    def document_error(self) -> str:
        """The type of an item's error when a document does not fit its mapping."""
        return "document_parsing_exception" if self.elastic and self.number >= (8, 8) else "mapper_parsing_exception"

    def at(self, text: str, column: int = 2) -> str:
        """Return a parse error's reason, with its place in the document where the engine says it."""
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
    def headers(self) -> dict[str, str]:
        """The headers that every reply carries."""
        if self.elastic or self.number < (3, 0):
            return super().headers
        return {"X-OpenSearch-Version": f"OpenSearch/{self.version} (opensearch)"}
