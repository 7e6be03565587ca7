"""Product and version from `GET /`: they choose the dialect."""

from __future__ import annotations

import re

import msgspec

from magictel.http.wire import Reply, Wire

_SINCE_LUCENE_9_5 = (2, 7)


class Product(msgspec.Struct, frozen=True):
    """A product and its version. `version` has the leading numbers; `known` is False if the reply names no product."""

    opensearch: bool
    version: tuple[int, ...] = ()
    number: str = ""
    cluster: str = ""
    serverless: bool = False
    known: bool = True

    @property
    def name(self) -> str:
        """Return the displayed name."""
        return "OpenSearch" if self.opensearch else "Elasticsearch"

    def __str__(self) -> str:
        flavour = " serverless" if self.serverless else ""
        return f"{self.name}{flavour} {self.number}".strip()


def product_of(reply: Reply) -> Product | None:
    """Return the product that a reply to `GET /` names, or None."""
    body = reply.json()
    version = body.get("version") if isinstance(body, dict) else None
    if not isinstance(version, dict) or not isinstance(version.get("number"), str):
        return None
    number = version["number"]
    parts = tuple(int(part) for part in re.findall(r"\d+", number)[:3])
    opensearch = version.get("distribution") == "opensearch"
    if not opensearch and "OpenSearch" in str(body.get("tagline")):
        # compatibility.override_main_response_version: the number is Elasticsearch's, the distribution is left out; Lucene's is true
        lucene = tuple(map(int, re.findall(r"\d+", str(version.get("lucene_version")))[:2]))
        parts = _SINCE_LUCENE_9_5 if lucene >= (9, 5) else (1,)
        opensearch, number = True, f"in compatibility mode (it reports {number})"
    return Product(
        opensearch=opensearch,
        version=parts,
        number=number,
        cluster=str(body.get("cluster_name", "")),
        serverless=version.get("build_flavor") == "serverless",
    )


def ask_product(wire: Wire, opensearch: bool) -> Product:
    """Return the product; if `GET /` is forbidden or does not name it, the one of the exporter. Raises `WireError`."""
    return product_of(wire.get_once("/")) or Product(opensearch, known=False)
