"""Plugins of other packages, made for a test: a distribution's metadata and a module in a folder on the path."""

from __future__ import annotations

import textwrap
from pathlib import Path

ACME = """
from magictel.model.finding import Finding, Rung, SideEffect
from magictel.ladder.probe import probe
from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Route
from magictel.model.outcome import Delivered
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import Encoder
from tests.settings.acme import AcmeSettings, check_url


class AcmeEncoder(Encoder):
    def encode(self, series, point):
        return b"{}"


class AcmeExporter(Exporter[AcmeSettings]):
    interface = 2
    name = "acme"
    summary = "Acme's collector of everything"
    Settings = AcmeSettings
    Encoder = AcmeEncoder
    limits = ("A name has at most 64 characters; a longer one is cut, and the cut one is counted under acme.name.cut.",)
    cost = "One unit for each series a month, whatever it holds."

    def route(self):
        return Route("", 1000, 1_000_000)

    def attempt(self, payload, timeout):
        return Attempted(Delivered())

    @probe(Rung.AUTH, "the token is known")
    def auth(self, wire):
        return Finding.passed(Rung.AUTH, "known")

    @probe(Rung.WRITE, "an empty batch is taken", SideEffect.EMPTY_WRITE)
    def write(self, wire):
        return Finding.passed(Rung.WRITE, "taken")

    check_settings = staticmethod(check_url)
"""


def install(
    folder: Path,
    package: str,
    points: dict[str, str],
    modules: dict[str, str],
    version: str = "1.0",
    group: str = "magictel.exporters",
) -> None:
    """Install a package into a folder, as pip would have left it there."""
    info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
    )
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source))
