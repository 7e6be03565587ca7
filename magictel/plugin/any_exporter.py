"""Either kind of exporter: one that sends, or a page that is scraped."""

from __future__ import annotations

from typing import Any

from magictel.plugin.exporter import Exporter
from magictel.plugin.page_exporter import PageExporter

AnyExporter = Exporter[Any] | PageExporter[Any]
"""What commands and applications use alike: `prepare`, `deliver`, `ledger`, `steps`, `readback`, `shutdown`."""
