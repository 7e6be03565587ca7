"""What holds for every test: how many examples hypothesis tries, and which tests are slow.

No test has a deadline: the machine may be busy. `pytest --hypothesis-profile=ci` tries many examples, as CI does; without it few
are tried. `pytest -m "not slow and not real"` is the quick subset.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.transports.servers import Authority

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("dev", max_examples=30, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("ci", max_examples=100, deadline=None, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """A shell's background job ignores SIGINT, and so would every process that a test starts and interrupts."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def installed_magictel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with magictel installed from its wheel, to be copied by `fresh`; made once for all workers."""
    from tests.foreign.fresh import installed, once

    return once(tmp_path_factory, "installed-magictel", installed)


@pytest.fixture
def patient_second_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the ladder's second probes the time that a busy machine needs: in production they get 1.5 s."""
    monkeypatch.setattr("magictel.ladder.deferred.SECOND_PROBE", 60.0)


SLOW = frozenset(
    {
        *("benchmarks", "conformance", "foreign", "runtime"),
        *("catalogue/test_again.py", "cli/test_bad_places.py", "cli/test_check_process.py", "cli/test_completion.py"),
        *(
            "cli/test_failures.py",
            "cli/test_go_on.py",
            "cli/test_output.py",
            "cli/test_record.py",
            "cli/test_replay.py",
        ),
        *("cli/test_remedies_followed.py", "cli/test_reports.py", "cli/test_send_sample.py", "cli/test_signals.py"),
        *(
            "delivery/test_ledger_property.py",
            "delivery/test_spool_kill.py",
            "delivery/test_spool_seeds.py",
            "delivery/test_storm.py",
            "exporters/test_console.py",
        ),
        *("ladder/test_within_time.py", "operations/test_replay_proof.py", "test_exporter_sdk.py"),
        *("test_first_export.py", "test_readme.py", "test_readme_ci.py", "test_secrets_sweep.py"),
    }
)
"""Folders and files of tests that start processes, wait, or try hundreds of cases."""
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow."""
    for item in items:
        path = item.path.relative_to(_HERE).as_posix() if item.path.is_relative_to(_HERE) else ""
        if path in SLOW or path.partition("/")[0] in SLOW:
            item.add_marker(pytest.mark.slow)
