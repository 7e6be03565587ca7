"""Detection of the product that sent a reply. A target with another product's address fails at http, with its name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from magictel.http.wire import Reply

_BY_HEADER: tuple[tuple[str, str], ...] = (
    ("x-elastic-product", "Elasticsearch"),
    ("x-opensearch-version", "OpenSearch"),
    ("kbn-name", "Kibana"),
    ("osd-name", "OpenSearch Dashboards"),
    ("x-influxdb-version", "InfluxDB"),
    ("x-clickhouse-summary", "ClickHouse"),
    ("x-clickhouse-server-display-name", "ClickHouse"),
    ("x-server-hostname", "VictoriaMetrics"),
    ("x-jenkins", "Jenkins"),
    ("x-consul-index", "Consul"),
    ("x-vault-request", "Vault"),
    ("x-arango-queue-time-seconds", "ArangoDB"),
    ("docker-distribution-api-version", "a container registry"),
    ("x-minio-deployment-id", "MinIO"),
    ("x-gitlab-meta", "GitLab"),
    ("x-github-request-id", "GitHub"),
)
_BY_SERVER: tuple[tuple[str, str], ...] = (
    ("minio", "MinIO"),
    ("couchdb", "CouchDB"),
    ("splunkd", "Splunk"),
    ("clickhouse", "ClickHouse"),
    ("rabbitmq", "RabbitMQ"),
    ("cowboy rabbit", "RabbitMQ"),
    ("arangodb", "ArangoDB"),
    ("amazons3", "Amazon S3"),
)
_NO_HANDLER = re.compile(r"no handler found for uri \[|Incorrect HTTP method for uri \[")
"""The message of both search engines for an unknown path."""
ENGINE = "Elasticsearch or OpenSearch"


def product_in(reply: Reply) -> str | None:
    """Return the product that a reply names, or None; `ENGINE` if Elasticsearch and OpenSearch cannot be told apart."""
    for header, product in _BY_HEADER:
        if header in reply.headers:
            return product
    server = reply.headers.get("server", "").lower()
    for word, product in _BY_SERVER:
        if word in server:
            return product
    return _by_body(reply.json(), reply.text[:1_000])


def another_product(reply: Reply, own_products: Collection[str]) -> str | None:
    """Return the product that a reply names if it is not in `own_products`; None if that is empty."""
    product = product_in(reply) if own_products else None
    if (
        product is None
        or product in own_products
        or (product == ENGINE and {"Elasticsearch", "OpenSearch"} & set(own_products))
    ):
        return None
    return product


def _by_body(body: Any, text: str) -> str | None:
    if not isinstance(body, Mapping):
        return None
    if _NO_HANDLER.search(text):
        return ENGINE
    version = body.get("version")
    if isinstance(version, Mapping) and "number" in version and ("cluster_name" in body or "tagline" in body):
        return "OpenSearch" if version.get("distribution") == "opensearch" else "Elasticsearch"
    if "couchdb" in body:
        return "CouchDB"
    if body.get("kind") == "Status" and "apiVersion" in body:
        return "Kubernetes"
    return None
