from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import msgspec

from magictel.net.address import parse_endpoint
from magictel.secrets.secret import Secret
from magictel.settings.model import HttpSettings, Problem, option


class AcmeSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a made-up exporter that has a field of every kind."""

    env_prefix: ClassVar[str] = "ACME_"

    url: Annotated[list[str], option("Addresses of the collectors.", example=["https://acme.example.net"])] = (
        msgspec.field(default_factory=lambda: ["http://localhost:4711"])
    )
    tenant: Annotated[str, option("Whose data it is.", example="blue")] = "red"
    token: Annotated[Secret | None, option("The token.", example="abc")] = None
    password: Annotated[Secret | None, option("The password.", env=("ACME_PASS", "ACME_PASSWORD"))] = None
    username: Annotated[str | None, option("The user.")] = None
    level: Annotated[Literal["low", "high"], option("How much.")] = "low"
    labels: Annotated[dict[str, str], option("Labels of everything.", example={"team": "a"})] = msgspec.field(
        default_factory=dict
    )
    shards: Annotated[int, option("How many shards.", ge=1, le=8)] = 2
    ratio: Annotated[float, option("Which part.", ge=0, le=1)] = 0.5
    old: Annotated[str | None, option("What was.", deprecated="use tenant")] = None

    def problems(self) -> Iterable[Problem]:
        yield from super().problems()
        if self.token and self.password:
            yield "token", "config.value", "token: token and password are both set", "unset one of them"


class NeedySettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings with an address that has no default."""

    env_prefix: ClassVar[str] = "NEEDY_"

    url: Annotated[str, option("Where to.", example="http://localhost:1")]
    key: Annotated[Secret, option("The key.")]


def check_url(settings: AcmeSettings) -> None:
    for url in settings.url:
        parse_endpoint(url, field="url")
