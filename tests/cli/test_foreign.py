"""`otel:NAME`: exporters that other packages register with OpenTelemetry, in send-sample, replay, check and list."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from magictel import sandbox
from tests.cli.running import Ran, magictel, process, refused
from tests.plugins import install

SAMPLES = 27
"""What the sandbox stores of the 12 points: a histogram is several series."""
RW = "prometheus-remote-write"
GROUP = "opentelemetry_metrics_exporter"
THEIRS = """
import os, sys
from opentelemetry.exporter.prometheus_remote_write import PrometheusRemoteWriteMetricsExporter
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, InMemoryMetricReader

class Remote(PrometheusRemoteWriteMetricsExporter):
    def __init__(self):
        super().__init__(os.environ["THEIR_URL"])

class Printing(ConsoleMetricExporter):
    def export(self, metrics_data, timeout_millis=10_000, **_):
        print("key", os.environ["THEIR_KEY"])
        print("key", os.environ["THEIR_KEY"], file=sys.stderr)
        os.write(1, b"not by Python\\n")
        return super().export(metrics_data)

class Demanding(ConsoleMetricExporter):
    def __init__(self, endpoint):
        super().__init__()

class Reader(InMemoryMetricReader):
    pass

class Neither:
    pass
"""
DYING = """
import os, signal, time
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with an exporter of each sort on the path; its folder is the working folder."""
    packages = tmp_path / "packages"
    packages.mkdir()
    points = {
        "remote": "their_exporters:Remote",
        "demanding": "their_exporters:Demanding",
        "dying": "their_dying:Exporter",
        "printing": "their_exporters:Printing",
        "reader": "their_exporters:Reader",
        "neither": "their_exporters:Neither",
        "broken": "their_broken:Exporter",
        "malformed": "their exporters",
    }
    modules = {"their_exporters": THEIRS, "their_dying": DYING, "their_broken": "import their_missing_sdk\n"}
    install(packages, "their-package", points, modules, group=GROUP)
    monkeypatch.syspath_prepend(packages)
    return tmp_path


def sent(folder: Path, name: str, *options: str, **environment: str) -> Ran:
    return magictel("send-sample", name, *options, folder=folder, environment=environment)


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("demanding", "foreign.constructor", "missing 1 required positional argument: 'endpoint'"),
        ("remote", "foreign.constructor", "cannot be constructed without arguments: KeyError: 'THEIR_URL'"),
        ("reader", "foreign.reader", "is a MetricReader, not an exporter"),
        ("neither", "plugin.broken", "is not an OpenTelemetry MetricExporter"),
        ("broken", "plugin.broken", "cannot be imported: No module named 'their_missing_sdk'"),
        ("malformed", "plugin.broken", "is not module:Class"),
    ],
)
def test_what_cannot_be_driven_is_unusable_with_the_reason(theirs: Path, name: str, code: str, message: str) -> None:
    ran = sent(theirs, f"otel:{name}", "--format", "json")
    assert ran.code == 78, ran
    (target,) = ran.document["targets"]
    assert target["code"] == code
    assert message in target["message"]
    assert "\n" not in target["message"]


def test_a_name_that_no_package_registers_is_wrong_usage(theirs: Path) -> None:
    ran = sent(theirs, "otel:remoat")
    assert (ran.code, ran.out) == (2, "")
    assert 'no installed package registers "remoat"' in ran.err
    assert "Did you mean otel:remote" in ran.err
    assert sent(theirs, "otel:magictel_elasticsearch").code == 2


def test_a_sandbox_cannot_point_it_anywhere(theirs: Path) -> None:
    ran = sent(theirs, "otel:printing", "--sandbox")
    assert ran.code == 2
    assert "otel:printing" in ran.err


def test_list_shows_the_names_without_importing_them(theirs: Path) -> None:
    ran = magictel("list", "--all", folder=theirs)
    assert ran.code == 0, ran
    assert "otel:remote" in ran.out
    assert "otel:broken" in ran.out
    assert "their-package 1.0" in ran.out
    rows = {
        row["name"]: row
        for row in json.loads(magictel("list", "--all", "--format", "json", folder=theirs).out)["exporters"]
    }
    assert rows["otel:remote"]["group"] == GROUP
    assert not any(name.startswith("otel:magictel") for name in rows)


def test_a_target_of_the_file_can_name_it_and_the_one_that_reads_back(theirs: Path) -> None:
    file = '[targets.theirs]\nexporter = "otel:otlp_proto_http"\nenabled = true\nverify = { target = "mine" }\n'
    (theirs / "magictel.toml").write_text(f'{file}[targets.mine]\nexporter = "otlp"\n')
    ran = magictel("list", folder=theirs)
    assert (ran.code, ran.err) == (0, ""), ran
    with sandbox.start(["otlp"]) as room:
        ran = sent(theirs, "theirs", **room.environment("otlp"))
        assert ran.code == 0, ran
        assert "read back from  mine" in ran.out


def test_the_target_that_could_read_back_is_named_and_no_other_of_these(theirs: Path) -> None:
    """It cannot read back itself, and one that cannot be constructed is no bug of another target."""
    targets = {
        "theirs": "otel:otlp_proto_http",
        "again": "otel:otlp_proto_http",
        "bad": "otel:demanding",
        "mine": "otlp",
    }
    text = "".join(f'[targets.{name}]\nexporter = "{exporter}"\n' for name, exporter in targets.items())
    (theirs / "magictel.toml").write_text(text)
    with sandbox.start(["otlp"]) as room:
        ran = sent(theirs, "theirs", "--format", "json", **room.environment("otlp"))
    (target,) = ran.document["targets"]
    assert (ran.code, target["code"]) == (3, "foreign.unconfirmed")
    assert target["remedy"] == "if mine stores what theirs forwards: magictel send-sample theirs --verify-with mine"


@pytest.mark.parametrize("command", [("send-sample", "theirs"), ("replay", "@node", "--to", "theirs")])
def test_a_dry_run_has_nothing_to_show(theirs: Path, command: tuple[str, ...]) -> None:
    (theirs / "magictel.toml").write_text('[targets.theirs]\nexporter = "otel:otlp_proto_http"\n')
    for dry in (command, (*command[:-1], "otel:otlp_proto_http")):
        ran = magictel(*dry, "--dry-run", folder=theirs)
        assert (ran.code, ran.out) == (2, "")
        assert "encodes while it sends" in ran.err


def test_the_laws_of_the_plugin_interface_do_not_apply(theirs: Path) -> None:
    ran = magictel("conformance", "otel:console", folder=theirs)
    assert (ran.code, ran.out) == (2, "")
    assert "is not written for magictel's plugin interface" in ran.err


def test_describe_says_what_it_is(theirs: Path) -> None:
    ran = magictel("describe", "otel:otlp_proto_http", folder=theirs)
    assert ran.code == 0, ran
    assert "opentelemetry-exporter-otlp-proto-http" in ran.out
    assert "MAGICTEL_OTEL_TIMEOUT" in ran.out


def test_check_constructs_it_and_proves_nothing_more(theirs: Path) -> None:
    ran = magictel("check", "otel:otlp_proto_http", folder=theirs)
    assert ran.code == 3, ran
    assert "send-sample otel:otlp_proto_http shows whether it sends" in ran.out
    with sandbox.start(["otlp"]) as room:
        command = ("check", "otel:otlp_proto_http", "--round-trip")
        ran = magictel(*command, folder=theirs, environment=room.environment("otlp"))
    assert ran.code == 3, ran
    assert "foreign.unconfirmed" in ran.out
    ran = magictel("check", "otel:demanding", folder=theirs)
    assert ran.code == 78, ran
    assert "foreign.constructor" in ran.out


def test_a_success_without_a_read_back_is_unverified(theirs: Path) -> None:
    with sandbox.start(["otlp"]) as room:
        ran = sent(theirs, "otel:otlp_proto_http", **room.environment("otlp"))
        assert ran.code == 3, ran
        assert "foreign.unconfirmed" in ran.last
        assert "magictel send-sample otel:otlp_proto_http --verify-with NAME" in ran.out
        assert room.emulators["otlp"].stored == SAMPLES


def ran_alone(theirs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own, in which what it loads may print."""
    command, variables = process(*arguments, THEIR_KEY="s3cret-of-theirs")
    variables["PYTHONPATH"] += f":{theirs / 'packages'}"
    return subprocess.run(command, env=variables, cwd=theirs, capture_output=True, text=True, timeout=60, check=False)


def test_a_signal_while_it_is_imported_is_documented_on_standard_output(theirs: Path) -> None:
    ran = ran_alone(theirs, "config", "check", "otel:dying", "--format", "json")
    assert (ran.returncode, ran.stderr) == (143, "")
    assert json.loads(ran.stdout)["schema"] == "magictel.error/1"


@pytest.mark.parametrize("how", ["text", "json", "tap"])
def test_what_it_prints_is_no_part_of_the_result_and_its_secrets_are_masked(theirs: Path, how: str) -> None:
    ran = ran_alone(theirs, "send-sample", "otel:printing", "--format", how)
    assert ran.returncode == 3, ran.stderr
    assert ran.stdout.startswith({"text": "run ", "json": "{", "tap": "TAP version"}[how])
    assert how != "json" or json.loads(ran.stdout)["targets"][0]["code"] == "foreign.unconfirmed"
    assert "foreign.unconfirmed" in ran.stdout
    assert ran.stderr.count("key ***") == 2
    for printed in ("not by Python", "resource_metrics"):  # the latter by the SDK's exporter
        assert printed in ran.stderr
        assert printed not in ran.stdout
    assert "s3cret" not in ran.stderr + ran.stdout


def test_a_dead_endpoint_is_rejected_with_its_own_log_line(theirs: Path) -> None:
    dead = f"http://127.0.0.1:{refused()}"
    ran = sent(theirs, "otel:otlp_proto_http", OTEL_EXPORTER_OTLP_ENDPOINT=dead, OTEL_EXPORTER_OTLP_TIMEOUT="1")
    assert ran.code == 1, ran
    assert "rejected 12" in ran.out
    assert "foreign.failure" in ran.last
    assert "Failed to export metrics batch" in ran.out


def test_grpc_fails_with_its_own_log_line_too(theirs: Path) -> None:
    dead = f"http://127.0.0.1:{refused()}"
    ran = sent(theirs, "otel:otlp_proto_grpc", OTEL_EXPORTER_OTLP_ENDPOINT=dead, OTEL_EXPORTER_OTLP_TIMEOUT="1")
    assert ran.code == 1, ran
    assert "UNAVAILABLE" in ran.out
    assert "foreign.failure" in ran.last


def test_a_recording_is_replayed_and_read_back(theirs: Path) -> None:
    with sandbox.start(["otlp"]) as room:
        command = ("replay", "@node", "--to", "otel:otlp_proto_http")
        ran = magictel(*command, folder=theirs, environment=room.environment("otlp"))
        assert ran.code == 3, ran
        assert "foreign.unconfirmed" in ran.last


def test_a_real_exporter_that_raises_is_rejected_with_its_exception(theirs: Path) -> None:
    """opentelemetry-exporter-prometheus-remote-write cannot take an attribute that is a list."""
    with sandbox.start(["prometheus-remote-write"]) as room:
        ran = sent(theirs, "otel:remote", THEIR_URL=room.environment(RW)["PROMETHEUS_REMOTE_WRITE_URL"])
    assert ran.code == 1, ran
    assert "otel:remote raised TypeError: unhashable type: 'list'" in ran.out
    assert "foreign.exception" in ran.last


def test_what_a_success_lost_is_altered_when_it_is_read_back(theirs: Path) -> None:
    """The same exporter sends a histogram's buckets without the suffix _bucket, and reports success."""
    with sandbox.start(["prometheus-remote-write"]) as room:
        variables = room.environment(RW)
        command = ("replay", "@node", "--to", "otel:remote", "--verify", "--verify-with", RW, "--within", "1s")
        url = variables["PROMETHEUS_REMOTE_WRITE_URL"]
        ran = magictel(*command, folder=theirs, environment={**variables, "THEIR_URL": url})
    assert ran.code == 1, ran
    assert "found 35, equal 34, altered 1" in ran.out
    assert "node_disk_io_latency_seconds_bucket" in ran.out
    assert "verify.altered" in ran.last


def test_what_arrived_is_verified_through_another_target(theirs: Path) -> None:
    with sandbox.start(["otlp"]) as room:
        ran = sent(theirs, "otel:otlp_proto_http", "--verify-with", "otlp", **room.environment("otlp"))
        assert ran.code == 0, ran
        assert ran.last.startswith("verified")
