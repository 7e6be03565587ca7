"""Lines of Datadog's agent, its API and StatsD clients, as they are reported in public issues."""

from __future__ import annotations

import pytest

from magictel.diagnose.backend_guess import guess
from magictel.diagnose.diagnose import diagnose
from magictel.diagnose.diagnosis import Pasted
from tests.diagnose.scripted import EXPORTERS, exporter_at

EXPORTER = {name: exporter_at(name, "http://localhost:9200") for name in (*EXPORTERS, "statsd")}
FORBIDDEN = '{"errors":["Forbidden"]}'


@pytest.mark.parametrize(
    ("line", "exporter", "code"),
    [
        (
            "UTC | PROCESS | ERROR | API Key invalid, dropping transaction for https://process.datadoghq.com/api/v1/collector",
            "datadog",
            "dd.auth.invalid",
        ),
        (
            "UTC | CORE | WARN | api_key '***6a111' for domain https://api.datadoghq.com is invalid",
            "datadog",
            "dd.auth.invalid",
        ),
        ("No valid api key found, reporting the forwarder as unhealthy.", "datadog", "dd.auth.invalid"),
        (
            "WARNING:datadog.dogstatsd:Error submitting packet: [Errno 111] Connection refused, dropping the packet",
            "statsd",
            "statsd.refused",
        ),
        ("write udp 127.0.0.1:48481->127.0.0.1:8125: write: connection refused", "statsd", "statsd.refused"),
        ("Error submitting packet: [Errno 90] Message too long, dropping the packet", "statsd", "statsd.mtu"),
        ("elasticsearch: [Errno 111] Connection refused after 81250 ms", "elasticsearch", "net.tcp.refused"),
        ("[Errno 111] Connection refused", None, "net.tcp.refused"),
    ],
)
def test_the_backend_of_a_line_is_guessed(line: str, exporter: str | None, code: str) -> None:
    diagnosis = guess(list(EXPORTER.values()), Pasted(text=line))
    assert (diagnosis.exporter or None, diagnosis.code) == (exporter, code)


def test_the_body_of_a_403_is_about_the_key_when_its_status_is_not_pasted() -> None:
    diagnosis = diagnose(EXPORTER["datadog"], Pasted(text=FORBIDDEN))
    assert (diagnosis.code, diagnosis.retry) == ("dd.auth.invalid", "no")
    assert "200" not in diagnosis.message
