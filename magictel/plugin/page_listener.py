"""Where a page listens: the first free port of its settings, tried again while all are in use, and why it cannot."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Sequence
from functools import cached_property

from magictel.clock import Clock
from magictel.errors import SettingsError
from magictel.net.listeners import listener
from magictel.net.tls_server import ServerTls
from magictel.settings.page import PageSettings
from magictel.transports.page_reply import Answer

_AGAIN = 5.0
"""Seconds between two attempts to listen."""
_IN_USE = "set ports to the number of processes and scrape all of them, or choose another port"
_CANNOT_LISTEN = "set host to an address of this machine, and port to one that this user may listen on"


class PageListener:
    """The server of a page in one process. Thread-safe."""

    def __init__(
        self,
        settings: PageSettings,
        answer: Answer,
        authorization: Callable[[], str | None],
        log: logging.Logger,
        clock: Clock,
    ) -> None:
        from magictel.transports.page_server import PageServer  # only for a page: it imports http.server

        self._settings, self._log, self._clock = settings, log, clock
        self._stop = threading.Event()
        self._server = PageServer(
            {settings.path: answer},
            tls=(lambda: self._tls.context()) if settings.tls_cert_file else None,
            authorization=authorization,
            log=log,
        )

    @property
    def port(self) -> int | None:
        """The port that it listens on, or None."""
        return self._server.port

    @property
    def url(self) -> str | None:
        """The address of the page that is served, or None."""
        port = self._server.port
        return None if port is None else self._settings.served_at(port)

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def listen(self) -> None:
        """Listen on the first free port; while all are in use, log it once and try again. Never raises."""
        if self.stopped or self.port is not None:
            return
        settings = self._settings
        ports = range(settings.port, settings.port + settings.ports)
        failure = self.listen_on(ports)
        if failure is None:
            return
        code, why, remedy = explained(failure, settings.host, ports)
        self._log.error("%s: %s: this process has no page until this is fixed; %s", code, why, remedy)
        threading.Thread(target=self._listen_later, args=(ports,), name="magictel-page-retry", daemon=True).start()

    def listen_on(self, ports: Sequence[int]) -> OSError | SettingsError | None:
        """Listen on the first free one of these ports, and return None or why none can be used."""
        try:
            if self._settings.tls_cert_file:
                self._tls.context()
            self._server.start(self._settings.host, ports)
        except (OSError, SettingsError) as failure:
            return failure
        if self.stopped:  # by another thread, in the meantime
            self._server.stop()
        else:
            self._log.info("listening on %s: the page is %s", self._settings.host or "all addresses", self.url)
        return None

    def stop(self) -> None:
        """Stop listening, for good."""
        self._stop.set()
        self._server.stop()

    def forget(self) -> None:
        """In a forked child: close the parent's sockets."""
        self._server.forget()

    def _listen_later(self, ports: Sequence[int]) -> None:
        while not self._clock.wait(_AGAIN, self._stop):
            if self.listen_on(ports) is None:
                if not self.stopped:
                    self._log.warning("the page is %s now", self.url)
                return

    @cached_property
    def _tls(self) -> ServerTls:
        settings = self._settings
        return ServerTls(settings.tls_cert_file or "", settings.tls_key_file, settings.tls_client_ca_file)


def explained(failure: OSError | SettingsError, host: str, ports: Sequence[int]) -> tuple[str, str, str]:
    """Return code, message and remedy of a failure to listen."""
    if isinstance(failure, SettingsError):
        return failure.code, failure.message, failure.remedy or ""
    which = f"port {ports[0]}" if len(ports) == 1 else f"ports {ports[0]} to {ports[-1]}"
    if failure.errno == errno.EADDRINUSE:
        owner = listener(ports[0])
        by = f" by {owner}" if owner else ""
        return "page.port-in-use", f"{which} of {host} {'is' if len(ports) == 1 else 'are all'} in use{by}", _IN_USE
    why = (failure.strerror or type(failure).__name__).lower()
    return "page.cannot-listen", f"cannot listen on {which} of {host}: {why}", _CANNOT_LISTEN
