"""Variables that set nothing and look as if they did warn, and never stop anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from magictel.settings.file import parse
from magictel.settings.load import resolve_settings
from tests.settings.acme import AcmeSettings

FILE = parse('[targets.prod-acme]\nexporter = "acme"\n[targets.other]\nexporter = "acme"\n', Path("m.toml"), "m.toml")

WARNED = {
    "a letter too many": ("prod-acme", "ACME_URLL", "Did you mean ACME_URL?"),
    "a letter too few": ("prod-acme", "ACME_TOKN", "Did you mean ACME_TOKEN?"),
    "the first part of a key": ("acme", "ACME_USER", "Did you mean ACME_USERNAME?"),
    "a name that is no target": ("prod-acme", "MAGICTEL_PROD_ACMEE__URL", "Did you mean MAGICTEL_PROD_ACME__URL?"),
    "a name that nothing is near": ("other", "MAGICTEL_ZZZ__URL", "the file has no target with that name"),
    "the exporter's name, which is no target": ("acme", "MAGICTEL_ACME__URL", "for the exporter itself use ACME_URL"),
}


@pytest.mark.parametrize("case", WARNED)
def test_a_variable_that_sets_nothing_warns_with_what_was_meant(case: str) -> None:
    target, variable, words = WARNED[case]
    resolved = resolve_settings(target, "acme", AcmeSettings, environment={variable: "s3cr3t"}, config=FILE)
    assert len(resolved.warnings) == 1
    assert resolved.warnings[0].startswith(f"{variable} has no effect")
    assert words in resolved.warnings[0]
    assert "s3cr3t" not in resolved.warnings[0]


@pytest.mark.parametrize(
    "variable",
    [
        "ACME_URL",
        "ACME_SERVICE_HOST",
        "ACME_PORT_9200_TCP",
        "ACME_SERVICE_PORT",
        "ACMEURL",
        "MAGICTEL_CONFIG",
        "MAGICTEL_OTHER__URL",
        "MAGICTEL_PROD_ACME__URL",
        "MAGICTEL_OTHEER__URL",
    ],
)
def test_what_counts_or_is_somebody_elses_does_not_warn(variable: str) -> None:
    resolved = resolve_settings("prod-acme", "acme", AcmeSettings, environment={variable: "http://h:1"}, config=FILE)
    assert resolved.warnings == ()
