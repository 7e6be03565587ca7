"""The settings of StatsD and DogStatsD."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from magictel.settings.model import ExporterSettings, Problem, option


def _port(text: str) -> str:
    """Return the port of the address (`udp://10.0.0.7:8125`) that Kubernetes sets for a service named statsd."""
    return text.rpartition(":")[2] if "://" in text else text


class StatsdSettings(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the daemon listens, and which form of StatsD it reads."""

    env_prefix = "STATSD_"
    env_others = ("STATSD_PORT_", "STATSD_SERVICE_")
    """Kubernetes sets these for a service that is named statsd."""

    host: Annotated[
        str,
        option("Host of the daemon or the agent.", example="statsd.example.net", env=("STATSD_HOST", "DD_AGENT_HOST")),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        option(
            "UDP port.",
            env=("STATSD_PORT", "DD_DOGSTATSD_PORT"),
            read={"STATSD_PORT": _port},
            example=8125,
            ge=1,
            le=65535,
            routes=True,
        ),
    ] = 8125
    socket: Annotated[
        str | None,
        option(
            "Path of the agent's Unix socket, instead of host and port.",
            example="/var/run/datadog/dsd.socket",
            env=("STATSD_SOCKET", "DD_DOGSTATSD_SOCKET"),
            file=True,
        ),
    ] = None
    tags: Annotated[
        Literal["dogstatsd", "joined", "dropped"],
        option(
            "How attributes are sent. dogstatsd: as tags. joined: in the name (name.key.value), for a daemon without tags. dropped: not"
            " at all; of each gauge, only one series is sent.",
            routes=False,
        ),
    ] = "dogstatsd"
    histograms: Annotated[
        Literal["aggregates", "distributions"],
        option(
            "How histograms are sent. aggregates: .count, .sum, .min and .max (not with tags = dropped). distributions: as those of"
            " DogStatsD, with the middle of each bucket as its values.",
            routes=False,
        ),
    ] = "aggregates"
    prefix: Annotated[str, option("Prefix of every name.", example="gateway.", routes=False)] = ""
    max_datagram_bytes: Annotated[
        int,
        option(
            "Maximum size of a datagram. 1432 fits an Ethernet frame; 8192 is usual for a Unix socket.",
            unit="bytes",
            example=8192,
            ge=64,
            le=65507,
        ),
    ] = 1432
    temporality: Annotated[
        Literal["delta"], option("Temporality of sums and histograms: StatsD adds up deltas.", routes=False)
    ] = "delta"

    def problems(self) -> Iterable[Problem]:
        """Add: distributions for a daemon that does not know them."""
        yield from super().problems()
        if self.socket and "://" in self.socket:
            path = self.socket.partition("://")[2]
            yield "socket", "config.value", f"socket: {self.socket} is a URL, not a path", f"set socket to {path}"
        if self.histograms == "distributions" and self.tags != "dogstatsd":
            message = f"histograms = distributions needs DogStatsD, and tags is {self.tags}"
            yield "histograms", "config.value", message, "set tags = dogstatsd, or histograms = aggregates"
