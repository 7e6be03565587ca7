"""What can be set of Elasticsearch and OpenSearch, and how addresses and credentials are read from it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal

import msgspec

from magictel.errors import SettingsError
from magictel.net.address import Address, parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.secrets.secret import Secret
from magictel.settings.model import HttpSettings, Problem, option

LOCAL = "http://localhost:9200"
_INDEX_NAME_BYTES = 255
_NOT_IN_AN_INDEX = frozenset('\\/*?"<>| ,#:')


class SearchSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options that Elasticsearch and OpenSearch share."""

    url: Annotated[
        list[str],
        option(
            "Address of the cluster, several nodes separated by commas; user:password@ in it is taken out.",
            example=["https://es.example.net:9243"],
            address=True,
        ),
    ] = msgspec.field(default_factory=lambda: [LOCAL])
    index: Annotated[
        str, option("Index or data stream that is written to.", example="metrics-app-default", routes=False)
    ] = "magicapi-metrics"
    username: Annotated[
        str | None, option("User, with a password.", example="writer", routes=False, credential=True)
    ] = None
    password: Annotated[Secret | None, option("The user's password.")] = None
    bearer_token: Annotated[Secret | None, option("Token that is sent as it is.")] = None
    pipeline: Annotated[
        str | None, option("Ingest pipeline that every document goes through.", example="metrics-clean", routes=False)
    ] = None
    routing: Annotated[
        str | None, option("Routing value of every document: all go to one shard.", example="tenant-1", routes=False)
    ] = None
    max_batch_points: Annotated[
        int, option("Most points in one request.", unit="points", example=1000, ge=1, le=1_000_000)
    ] = 2_500
    """About 1.5 MB: as large as one slice of encoding, which then need not be copied into a larger body."""
    mode: Annotated[Literal["flat"], option("Shape of the documents: one for each point.", routes=False)] = "flat"

    def credentials(self) -> Mapping[str, str]:
        """Which option names the credentials that are sent, and the Authorization header they make; empty: none."""
        given: dict[str, str] = {}
        if self.bearer_token:
            given["bearer_token"] = f"Bearer {self.bearer_token.reveal()}"
        if self.username is not None and self.password:
            given["username and password"] = _basic(self.username, self.password.reveal())
        for address in self._addresses():
            if address.password is not None:
                given["url"] = _basic(address.username or "", address.password.reveal())
                break
        return given

    def addresses(self) -> tuple[Endpoint, ...]:
        """The nodes, in the order they are tried. Raises `SettingsError`."""
        return tuple(address.endpoint for address in self._addresses())

    def problems(self) -> Iterable[Problem]:
        """Adds: addresses that do not parse, an impossible index, half of a login, credentials that contradict each other."""
        yield from super().problems()
        try:
            addresses = self._addresses()
        except SettingsError as failure:
            yield failure.message.partition(":")[0], failure.code, failure.message, failure.remedy
            return
        if not addresses:
            yield "url", "config.url.empty", "url: the address is empty", f"set url to something like {LOCAL}"
        yield from _index_problems(self.index)
        if (self.username is None) != (not self.password):
            has, lacks = ("password", "username") if self.username is None else ("username", "password")
            yield lacks, "config.credentials", f"{lacks}: {has} is set and {lacks} is not", f"set {lacks} as well"
        logins = {(address.username, address.password) for address in addresses if address.password is not None}
        if len(logins) > 1:
            yield (
                "url",
                "config.credentials",
                "url: the nodes have different logins, and one is sent to all",
                "write the same login in each address, or set username and password",
            )
        given = list(self.credentials())
        if len(given) > 1:
            yield (
                given[0].split(" ")[0],
                "config.credentials",
                f"{given[0]}: {' and '.join(given)} are both set, and only one can be sent",
                "unset one of them",
            )

    def _addresses(self) -> list[Address]:
        return [parse_endpoint(url) for url in self.url]


class ElasticsearchSettings(SearchSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Elasticsearch: adds API keys and Elastic Cloud."""

    env_prefix: ClassVar[str] = "ELASTICSEARCH_"

    api_key: Annotated[
        Secret | None, option("API key, as id:key or in its encoded form.", example="VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNm")
    ] = None
    cloud_id: Annotated[
        str | None,
        option(
            "Cloud ID of an Elastic Cloud deployment, in place of url.",
            example="prod:ZXUtd2VzdC0xLmF3cy5mb3VuZC5pbyQwYTFiMmMkM2Q0ZTVm",
        ),
    ] = None

    def credentials(self) -> Mapping[str, str]:
        """Adds the API key."""
        key = {"api_key": f"ApiKey {encoded_api_key(self.api_key.reveal())}"} if self.api_key else {}
        return {**key, **super().credentials()}

    def problems(self) -> Iterable[Problem]:
        """Adds: an API key of an impossible shape, a Cloud ID that cannot be read, a Cloud ID beside an address."""
        yield from super().problems()
        if self.cloud_id and self.url != [LOCAL]:
            yield (
                "cloud_id",
                "config.value",
                "cloud_id: url and cloud_id are both set, and both say where the cluster is",
                "unset one of them",
            )

    def _addresses(self) -> list[Address]:
        if self.cloud_id:
            return [parse_endpoint(cloud_url(self.cloud_id), field="cloud_id")]
        return super()._addresses()


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
            "copy the Cloud ID from the deployment's page once more, whole",
        )
    name, _, port = host.partition(":")
    cluster, _, own_port = cluster.partition(":")
    return f"https://{cluster}.{name}:{own_port or port or '443'}"


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _index_problems(index: str) -> Iterable[Problem]:
    """Elasticsearch's rules for index names (MetadataCreateIndexService)."""
    bad = sorted(set(index) & _NOT_IN_AN_INDEX)
    if not index:
        why = "it is empty"
    elif bad:
        why = f"{bad[0]!r} cannot stand in the name of an index"
    elif not index.isprintable():
        why = "a character that cannot be seen stands in the name"
    elif index != index.lower():
        why = f"{index} has capital letters, and an index cannot"
    elif index[0] in "-_+" or index in (".", ".."):
        why = f"the name of an index cannot begin with {index[0]!r}"
    elif len(index.encode()) > _INDEX_NAME_BYTES:
        why = f"it is longer than {_INDEX_NAME_BYTES} bytes"
    else:
        return
    yield "index", "config.value", f"index: {why}", "name one index or data stream, like magicapi-metrics"
