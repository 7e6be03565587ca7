"""Runs the command line in this process, as a shell would see it; and the servers that it is pointed at."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import trustme

from magictel.cli.main import run as run_magictel

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one document that it must be."""
        return json.loads(self.out)

    @property
    def last(self) -> str:
        return self.out.rstrip("\n").split("\n")[-1]


def magictel(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> Ran:
    """One command, with nothing in the environment but what is given, in `folder`."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        patch.dict(os.environ, dict(environment or {}), clear=True),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run_magictel(list(arguments))
    return Ran(code, _text(out), _text(err))


MAGICTEL = ("-m", "magictel")


def process(*arguments: str, program: Sequence[str] = MAGICTEL, **environment: str) -> tuple[list[str], dict[str, str]]:
    """The command and environment for a process of its own; `program`: what Python runs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return [sys.executable, *program, *arguments], {**kept, "PYTHONPATH": str(ROOT), **environment}


@contextlib.contextmanager
def started(
    *arguments: str,
    folder: Path,
    stdout: int = subprocess.PIPE,
    program: Sequence[str] = MAGICTEL,
    **environment: str,
) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own, which does not outlive the context."""
    command, variables = process(*arguments, program=program, **environment)
    running = subprocess.Popen(command, env=variables, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, text=True)
    with running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def refused() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def answering(answer: bytes, *, secure: bool = False) -> Iterator[int]:
    """A port that gives this answer to whatever comes; `secure`: behind TLS, with a certificate of an unknown authority."""
    context: ssl.SSLContext | None = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1", "localhost").configure_cert(context)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(5)
            with contextlib.suppress(OSError), self._stream() as stream:
                stream.recv(65536)
                stream.sendall(answer)

        def _stream(self) -> socket.socket:
            if context is None:
                return self.request  # type: ignore[no-any-return]
            return context.wrap_socket(self.request, server_side=True)

    with _serving(Handler) as port:
        yield port


@contextlib.contextmanager
def hanging() -> Iterator[tuple[int, threading.Event]]:
    """A port that takes requests and never says anything; the event is set once something was asked."""
    asked, over = threading.Event(), threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                if self.request.recv(65536):
                    asked.set()
                    over.wait(60)

    with _serving(Handler) as port:
        try:
            yield port, asked
        finally:
            over.set()


@contextlib.contextmanager
def _serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def html(status: str = "200 OK") -> bytes:
    body = b"<!DOCTYPE html><html><head><title>Kibana</title></head><body>Please log in.</body></html>"
    head = f"HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
