"""What can be set of Elasticsearch and OpenSearch, and how a Cloud ID and an API key are read."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal

import msgspec

from magictel.errors import SettingsError
from magictel.net.address import Address, parse_endpoint
from magictel.secrets.secret import Secret
from magictel.settings.login import LoginSettings
from magictel.settings.model import Problem, option

LOCAL = "http://localhost:9200"
_INDEX_NAME_BYTES = 255
_NOT_IN_AN_INDEX = frozenset('\\/*?"<>| ,#:')


class SearchSettings(LoginSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options that Elasticsearch and OpenSearch share."""

    url: Annotated[
        list[str],
        option(
            "Address of the cluster; separate several nodes by commas. user:password@ is removed from it.",
            example=["https://es.example.net:9243"],
            address=True,
        ),
    ] = msgspec.field(default_factory=lambda: [LOCAL])
    index: Annotated[str, option("Index or data stream to write to.", example="metrics-app-default", routes=False)] = (
        "magicapi-metrics"
    )
    pipeline: Annotated[
        str | None, option("Ingest pipeline for all documents.", example="metrics-clean", routes=False)
    ] = None
    routing: Annotated[
        str | None,
        option("Routing value of all documents; they are stored in one shard.", example="tenant-1", routes=False),
    ] = None
    max_batch_points: Annotated[
        int, option("Maximum number of points per request.", unit="points", example=1000, ge=1, le=1_000_000)
    ] = 2_500
    """About 1.5 MB: as large as one slice of encoding, which then need not be copied into a larger body."""
    mode: Annotated[Literal["flat"], option("Document layout: one document per point.", routes=False)] = "flat"

    def problems(self) -> Iterable[Problem]:
        """Add: no address at all, an impossible name of an index."""
        yield from super().problems()
        if not self.url:
            yield "url", "config.url.empty", "url: the address is empty", f"set url to something like {LOCAL}"
        yield from _index_problems(self.index)


class ElasticsearchSettings(SearchSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Elasticsearch: adds API keys and Elastic Cloud."""

    env_prefix: ClassVar[str] = "ELASTICSEARCH_"

    api_key: Annotated[
        Secret | None, option("API key, as id:key or in its encoded form.", example="VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNm")
    ] = None
    cloud_id: Annotated[
        str | None,
        option(
            "Cloud ID of an Elastic Cloud deployment, instead of url.",
            example="prod:ZXUtd2VzdC0xLmF3cy5mb3VuZC5pbyQwYTFiMmMkM2Q0ZTVm",
        ),
    ] = None

    def credentials(self) -> Mapping[str, str]:
        """Add the API key."""
        key = {"api_key": f"ApiKey {encoded_api_key(self.api_key.reveal())}"} if self.api_key else {}
        return {**key, **super().credentials()}

    def credential_options(self) -> tuple[str, ...]:
        """Add the API key."""
        return ("api_key", *super().credential_options())

    def problems(self) -> Iterable[Problem]:
        """Add: a Cloud ID beside an address."""
        yield from super().problems()
        if self.cloud_id and self.url != [LOCAL]:
            yield (
                "cloud_id",
                "config.value",
                "cloud_id: url and cloud_id are both set, but only one may give the cluster's address",
                "unset one of them",
            )

    def addresses(self) -> tuple[Address, ...]:
        """Return the deployment of the Cloud ID in place of `url`."""
        if self.cloud_id:
            return (parse_endpoint(cloud_url(self.cloud_id), field="cloud_id"),)
        return super().addresses()


class OpenSearchSettings(SearchSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenSearch: what is shared, under its own names."""

    env_prefix: ClassVar[str] = "OPENSEARCH_"


def encoded_api_key(key: str) -> str:
    """The form that the header needs, base64 of id:key; a key that holds no colon is taken to be in that form already."""
    return base64.b64encode(key.encode()).decode() if ":" in key else key


def cloud_url(cloud_id: str) -> str:
    """The Elasticsearch address in a Cloud ID: `name:base64(host[:port]$elasticsearch$kibana)`. Raises `SettingsError`."""
    packed = cloud_id.rpartition(":")[2]
    try:
        parts = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode().split("$")
        host, cluster = parts[0], parts[1]
    except (ValueError, IndexError):  # not base64, not ASCII, not UTF-8
        host = cluster = ""
    if not host or not cluster:
        raise SettingsError(
            "config.value",
            "cloud_id: it does not decode to a host and a cluster",
            "copy the complete Cloud ID from the deployment's page again",
        )
    name, _, port = host.partition(":")
    cluster, _, own_port = cluster.partition(":")
    return f"https://{cluster}.{name}:{own_port or port or '443'}"


def _index_problems(index: str) -> Iterable[Problem]:
    """Elasticsearch's rules for index names (MetadataCreateIndexService)."""
    bad = sorted(set(index) & _NOT_IN_AN_INDEX)
    if not index:
        why = "it is empty"
    elif bad:
        why = f"{bad[0]!r} is not allowed in the name of an index"
    elif not index.isprintable():
        why = "the name contains an invisible character"
    elif index != index.lower():
        why = f"{index} has capital letters, and an index cannot"
    elif index[0] in "-_+" or index in (".", ".."):
        why = f"the name of an index cannot begin with {index[0]!r}"
    elif len(index.encode()) > _INDEX_NAME_BYTES:
        why = f"it is longer than {_INDEX_NAME_BYTES} bytes"
    else:
        return
    yield "index", "config.value", f"index: {why}", "name one index or data stream, like magicapi-metrics"
