"""The page that a Prometheus scrapes: an OpenTelemetry `MetricReader`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus.encoding import PageEncoding
from magictel.exporters.prometheus.negotiation import Form, negotiate
from magictel.exporters.prometheus.probes import PrometheusProbes
from magictel.exporters.prometheus.readback import PageReadBack
from magictel.exporters.prometheus.settings import PrometheusSettings
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Group
from magictel.sources.prometheus_pages import ACCEPT


class PrometheusExporter(PrometheusProbes):
    """Serves the metrics of an application to Prometheus, or whatever scrapes its formats."""

    name = "prometheus"
    summary = "a page that Prometheus scrapes: text, OpenMetrics and protobuf"
    Settings = PrometheusSettings
    ReadBack = PageReadBack
    log_words = ("scrape", "/metrics", "openmetrics", "9464")
    code_families = ("page", "prom")
    limits: ClassVar[tuple[str, ...]] = (
        "A page shows the latest value of each series. What is measured after the last scrape of a process is lost.",
        "Each process needs a page of its own, on a port of its own: set ports to their number, and scrape all of them.",
        "Points have no times: Prometheus gives them the time of the scrape.",
        "Prometheus adds the labels job and instance of its target; attributes of these names become exported_job and exported_instance.",
        "Exponential histograms keep their buckets only for scrapers that take protobuf (native histograms).",
        "Counters with delta temporality cannot be shown and are left out.",
    )
    cost = "Nothing is sent: a scrape takes 100 to 300 bytes for each series, a tenth of that with gzip."

    def __init__(self, settings: PrometheusSettings | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self.encoding = self._new_encoding()

    def _new_encoding(self) -> PageEncoding:
        return PageEncoding(
            translation_strategy=self.settings.translation_strategy,
            target_info=self.settings.target_info,
            scope_labels=self.settings.scope_labels,
            native_histograms=self.settings.native_histograms,
            created=self.settings.created,
        )

    def after_fork(self) -> None:
        """Drop what a scrape in the parent was encoding at the fork, and its lock."""
        super().after_fork()
        self.encoding = self._new_encoding()

    @property
    def form(self) -> Form:
        """The form of the page in its first scrape; before it, the form that magictel asks for."""
        return negotiate(ACCEPT if self.scrapes.first is None else self.scrapes.accepted)

    def page(self, groups: Sequence[Group], accept: str | None) -> tuple[str, Iterator[bytes | Withheld]]:
        """Return the page in the form that a scraper prefers."""
        form = negotiate(accept)
        return form.content_type, self.encoding.page(groups, form)

    def scraper(self) -> str:
        """Return the address of the Prometheus."""
        address = self.settings.prometheus_address()
        return str(address.endpoint) if address is not None else ""

    def sending_steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """Return the question to the Prometheus whether it scrapes the page of a sample."""
        return {Rung.HTTP: lambda: self.scrapes_the_sample(timeout)} if self.settings.prometheus_url else {}
