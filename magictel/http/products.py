"""Which known product gave a reply, by what it says of itself. A target pointed at another product fails at http, by name."""

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
"""What both search engines say to a path that they do not know."""
ENGINE = "Elasticsearch or OpenSearch"


def product_in(reply: Reply) -> str | None:
    """The product that a reply names, or None. Elasticsearch and OpenSearch may be told apart or not: `ENGINE`."""
    for header, product in _BY_HEADER:
        if header in reply.headers:
            return product
    server = reply.headers.get("server", "").lower()
    for word, product in _BY_SERVER:
        if word in server:
            return product
    return _by_body(reply.json(), reply.text[:1_000])


def another_product(reply: Reply, own: Collection[str]) -> str | None:
    """The product that a reply names where it is none of `own`; None as well where `own` is empty: the backend's names are not known."""
    product = product_in(reply) if own else None
    if product is None or product in own or (product == ENGINE and {"Elasticsearch", "OpenSearch"} & set(own)):
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
