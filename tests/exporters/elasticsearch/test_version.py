"""Which product answers, and where: Elasticsearch is not OpenSearch, and an index is no part of the address."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magictel.exporters.elasticsearch.version import Product, product_of
from magictel.http.wire import Reply, Request
from magictel.sandbox.server import Server
from tests.cli.running import magictel
from tests.emulators.elasticsearch.emulator import SearchEmulator

JSON = {"content-type": "application/json"}
TAGLINE = "The OpenSearch Project: https://opensearch.org/"


def root(tagline: str, **version: Any) -> Reply:
    return Reply(200, JSON, json.dumps({"version": version, "tagline": tagline}).encode())


@pytest.mark.parametrize(
    ("reply", "opensearch", "version"),
    [
        (root("You Know, for Search", number="8.19.0"), False, (8, 19, 0)),
        (root(TAGLINE, number="2.19.4", distribution="opensearch"), True, (2, 19, 4)),
        (root(TAGLINE, number="7.10.2", lucene_version="8.10.1"), True, (1,)),  # compatibility mode, as 1.x answers
        (root(TAGLINE, number="7.10.2", lucene_version="9.12.3"), True, (2, 7)),  # as 2.19 answers
        (root(TAGLINE, number="7.10.2", distribution="opensearch"), True, (7, 10, 2)),
    ],
)
def test_the_product_is_known_by_its_distribution_or_its_tagline(
    reply: Reply, opensearch: bool, version: tuple[int, ...]
) -> None:
    product = product_of(reply)
    assert isinstance(product, Product)
    assert (product.opensearch, product.version) == (opensearch, version)


def http_rung(exporter: str, url: str, folder: Path) -> dict[str, Any]:
    ran = magictel("check", exporter, "--set", f"url={url}", "--format", "json", folder=folder)
    rung: dict[str, Any] = next(rung for rung in ran.document["targets"][0]["rungs"] if rung["rung"] == "http")
    assert ran.code == (1 if rung["outcome"] == "fail" else 0)
    return rung


@pytest.mark.parametrize(("exporter", "other"), [("elasticsearch", "opensearch"), ("opensearch", "elasticsearch")])
def test_the_other_product_fails_and_names_its_exporter(exporter: str, other: Any, tmp_path: Path) -> None:
    with Server(SearchEmulator(other)) as server:
        rung = http_rung(exporter, server.origin, tmp_path)
        assert (rung["outcome"], rung["code"]) == ("fail", "es.product.other")
        assert f"magictel check {other}" in rung["remedy"]
        assert http_rung(other, server.origin, tmp_path)["outcome"] == "pass"


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("exporter", ["elasticsearch", "opensearch"])
def test_an_index_in_the_url_fails_by_name(exporter: Any, exists: bool, tmp_path: Path) -> None:
    emulator = SearchEmulator(exporter)
    if exists:
        assert emulator.handle(Request("PUT", "http://x/my-index", JSON, b"{}")).ok
    with Server(emulator) as server:
        for path in ("/my-index", "/my-index/"):
            rung = http_rung(exporter, server.origin + path, tmp_path)
            assert (rung["outcome"], rung["code"]) == ("fail", "es.url.path"), rung
            assert f"--set url={server.origin} --set index=my-index" in rung["remedy"]


@pytest.mark.parametrize("path", ["/my-index/_bulk", "/_bulk", "/_search", "/api/v1/write"])
def test_another_path_in_the_url_fails(path: str, tmp_path: Path) -> None:
    with Server(SearchEmulator()) as server:
        rung = http_rung("elasticsearch", server.origin + path, tmp_path)
        assert rung["outcome"] == "fail", rung
        assert rung["code"] in ("es.write.wrong-path", "es.url.path"), rung
