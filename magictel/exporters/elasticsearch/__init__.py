"""Elasticsearch and OpenSearch. Start reading at `exporter`; each other file holds one idea that it names."""

from __future__ import annotations

from magictel.exporters.elasticsearch.exporter import ElasticsearchExporter, OpenSearchExporter
from magictel.exporters.elasticsearch.settings import ElasticsearchSettings, OpenSearchSettings

__all__ = ["ElasticsearchExporter", "ElasticsearchSettings", "OpenSearchExporter", "OpenSearchSettings"]
