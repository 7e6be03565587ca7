"""What differs between the two products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProductName = Literal["elasticsearch", "opensearch"]


@dataclass(frozen=True)
class Dialect:
    """One engine: `elasticsearch` or `opensearch`, in a version such as `8.19.0`."""

    product: ProductName
    version: str

    @property
    def elastic(self) -> bool:
        """True for Elasticsearch."""
        return self.product == "elasticsearch"

    @property
    def document_error(self) -> str:
        """The type of an item's error when a document does not fit its mapping."""
        return "document_parsing_exception" if self.elastic else "mapper_parsing_exception"

    def at(self, text: str) -> str:
        """Return a parse error's reason, with its place in the document where the engine names it."""
        return f"[1:2] {text}" if self.elastic else text

    @property
    def content_type(self) -> str:
        """The content type of its JSON."""
        return "application/json" if self.elastic else "application/json; charset=UTF-8"

    @property
    def flattened(self) -> str:
        """The field type that holds a whole object as keywords."""
        return "flattened" if self.elastic else "flat_object"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every reply carries."""
        return {"X-elastic-product": "Elasticsearch"} if self.elastic else {}
