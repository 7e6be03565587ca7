"""Which product and version answers at `GET /`: they choose the dialect."""

from __future__ import annotations

import re
from dataclasses import dataclass

from magictel.wire import Reply, Wire


@dataclass(frozen=True, slots=True)
class Product:
    """`opensearch` tells the two families apart; `version` is as far as it has numbers; `known` is False where nothing was said."""

    opensearch: bool
    version: tuple[int, ...] = ()
    number: str = ""
    cluster: str = ""
    serverless: bool = False
    known: bool = True

    @property
    def name(self) -> str:
        """For people."""
        return "OpenSearch" if self.opensearch else "Elasticsearch"

    def __str__(self) -> str:
        flavour = " serverless" if self.serverless else ""
        return f"{self.name}{flavour} {self.number}".strip()


def product_of(reply: Reply) -> Product | None:
    """The product that a reply to `GET /` names, or None."""
    body = reply.json()
    version = body.get("version") if isinstance(body, dict) else None
    if not isinstance(version, dict) or not isinstance(version.get("number"), str):
        return None
    number = version["number"]
    parts = tuple(int(part) for part in re.findall(r"\d+", number)[:3])
    return Product(
        opensearch=version.get("distribution") == "opensearch",
        version=parts,
        number=number,
        cluster=str(body.get("cluster_name", "")),
        serverless=version.get("build_flavor") == "serverless",
    )


def ask_product(wire: Wire, opensearch: bool) -> Product:
    """The product behind a wire; where `GET /` is forbidden or says nothing, what the exporter's name implies. Raises `WireError`."""
    return product_of(wire.get("/")) or Product(opensearch, known=False)
