"""`--force`: a backend whose clock is an hour off gets nothing, unless one insists; the reason is on the screen both times."""

from __future__ import annotations

import email.utils
import socket
import time
from pathlib import Path

import pytest

from magictel import sandbox
from magictel.clock import SystemClock
from tests.cli.running import magictel
from tests.transports.servers import read_request, serving

HOUR = 3600.0


class Behind(SystemClock):
    """A clock an hour slow: to it, our points come from the future."""

    def now(self) -> float:
        return super().now() - HOUR


@pytest.mark.parametrize("name", ["elasticsearch", "opensearch"])
def test_an_engine_whose_clock_is_an_hour_behind_is_written_to_by_force_alone(name: str, tmp_path: Path) -> None:
    with sandbox.start([name], clock=Behind()) as room:
        refused = magictel("send-sample", name, "--format", "json", folder=tmp_path, environment=room.environment())
        assert refused.code == 1, refused
        target = refused.document["targets"][0]
        assert (target["outcome"], target["code"]) == ("undelivered", "clock.skew")
        assert target["receipt"]["dropped"] == target["receipt"]["sent"] > 0
        assert target["receipt"]["attempts"] == 0
        assert target["verification"] is None
        assert target["remedy"]

        forced = magictel(
            "send-sample", name, "--force", "--format", "json", folder=tmp_path, environment=room.environment()
        )
        assert forced.code == 0, forced
        target = forced.document["targets"][0]
        assert target["outcome"] == "verified"
        assert target["receipt"]["delivered"] == target["receipt"]["sent"]


@pytest.mark.parametrize("hours", [-1, 2])
def test_a_date_header_an_hour_off_stops_a_sample_too(hours: int, tmp_path: Path) -> None:
    """Prometheus tells its time in the header of every answer; two hours ahead its head takes none of our points."""
    written: list[bytes] = []

    def handle(sock: socket.socket) -> None:
        while request := read_request(sock):
            post = request.startswith(b"POST")
            written.extend([request] if post else [])
            date = email.utils.formatdate(time.time() + hours * HOUR, usegmt=True)
            status = "204 No Content" if post else "405 Method Not Allowed\r\nContent-Length: 0"
            sock.sendall(f"HTTP/1.1 {status}\r\nDate: {date}\r\n\r\n".encode())

    with serving(handle) as server:
        environment = {"PROMETHEUS_REMOTE_WRITE_URL": f"{server.http}/api/v1/write"}
        words = ("send-sample", "prometheus-remote-write", "--no-verify", "--format", "json")
        refused = magictel(*words, folder=tmp_path, environment=environment)
        assert refused.code == 1, refused
        assert refused.document["targets"][0]["code"] == "clock.skew"
        assert written == []

        forced = magictel(*words, "--force", folder=tmp_path, environment=environment)
        assert forced.code == 0, forced
        assert forced.document["targets"][0]["outcome"] == "accepted"
        assert written
