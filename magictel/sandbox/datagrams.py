"""A UDP server around an emulator that receives datagrams. There are no replies, so no faults can be scripted on it."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from typing import Self

from magictel.clock import SystemClock
from magictel.errors import UsageError
from magictel.http.wire import Request
from magictel.sandbox.emulator import DatagramEmulator
from magictel.sandbox.faults import Faults

_LARGEST = 65_535
_POLL = 0.05
_BUFFER = 4 * 1024 * 1024


class DatagramServer:
    """Receives datagrams at `origin` (`udp://host:port`) from `start` to `stop`. Raises `UsageError` for a fault script.

    `seen` is called with each datagram that is not empty, as the body of a request, and None: there is no reply.
    """

    ca_file: str | None = None

    def __init__(
        self,
        emulator: DatagramEmulator,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        seen: Callable[[Request, None], None] | None = None,
    ) -> None:
        if faults is not None:
            message = f"{emulator.name} receives datagrams and sends no replies"
            raise UsageError("sandbox.fault-script", message, "script faults for a backend with replies")
        self.emulator = emulator
        self.host = host
        self.port = port
        self._seen = seen
        self._clock = SystemClock()
        self._stop = threading.Event()
        self._receiving = threading.Lock()
        self._thread = threading.Thread(target=self._receive, name=f"sandbox-{emulator.name}", daemon=True)
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)

    @property
    def origin(self) -> str:
        """The address: `udp://host:port`."""
        return f"udp://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def start(self) -> Self:
        """Bind and receive; `port` is the real one afterwards."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((self.host, self.port))
        self.port = self._socket.getsockname()[1]
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop receiving. May be called twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._socket.close()

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until every datagram that has arrived is stored; return False after `timeout` seconds."""
        end = self._clock.monotonic() + timeout
        while self._clock.monotonic() < end:
            with self._receiving:
                if not select.select([self._socket], [], [], 0)[0]:
                    return True
            self._clock.wait(0.001)
        return False

    def _receive(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._socket], [], [], _POLL)[0]:
                continue
            with self._receiving:
                datagram = self._socket.recv(_LARGEST)
                self.emulator.receive(datagram)
                if datagram and self._seen is not None:
                    self._seen(Request("", self.origin, {}, datagram), None)
