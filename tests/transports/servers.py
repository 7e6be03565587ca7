"""Real sockets that behave in one scripted way, and certificates to go with them."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
Handler = Callable[[socket.socket], None]


class Server:
    """Accepts on loopback and gives each connection to `handler` in a thread; `accepted` counts them."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None, family: int = socket.AF_INET) -> None:
        self._handler = handler
        self._context = context
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((host, 0), family=family)
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self.ended = 0
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def https(self) -> str:
        return f"https://localhost:{self.port}"

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(100)
        with contextlib.suppress(OSError):
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            self._open.add(sock)
            self._handler(sock)
        self._open.discard(sock)
        sock.close()
        self.ended += 1

    def close(self) -> None:
        self._stop.set()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(100)
        self._listener.close()
        for thread in self._threads:
            thread.join(100)


@contextlib.contextmanager
def serving(handler: Handler, context: ssl.SSLContext | None = None, family: int = socket.AF_INET) -> Iterator[Server]:
    server = Server(handler, context, family)
    try:
        yield server
    finally:
        server.close()


def read_request(sock: socket.socket) -> bytes:
    """One request, head and body; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        piece = sock.recv(65536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


def answers(*replies: bytes) -> Handler:
    """Each request of a connection gets the next reply, the last one again and again."""

    def handle(sock: socket.socket) -> None:
        number = 0
        while read_request(sock):
            sock.sendall(replies[min(number, len(replies) - 1)])
            number += 1

    return handle


def once(reply: bytes) -> Handler:
    """One request is read and gets the bytes; then the connection is closed."""

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(reply)

    return handle


def reset(sock: socket.socket) -> None:
    """Close with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def says(data: bytes) -> Handler:
    """Speaks first, reads what comes, closes."""

    def handle(sock: socket.socket) -> None:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):  # a close with something unread would be a reset
            pass

    return handle


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def full_accept_queue() -> Iterator[int]:
    """A port whose accept queue is full: the kernel drops the SYN of whoever comes next."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    try:
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(listener.getsockname())
            waiting.append(sock)
        time.sleep(0.05)
        yield listener.getsockname()[1]
    finally:
        for sock in waiting:
            sock.close()
        listener.close()


class Authority:
    """A CA of the test's own, its file, and servers' contexts."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.folder = folder
        self.file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)

    def context(
        self,
        *names: str,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
        clients: trustme.CA | None = None,
    ) -> ssl.SSLContext:
        certificate = self.ca.issue_cert(
            *(names or ("localhost", "127.0.0.1")), not_before=not_before, not_after=not_after
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            clients.configure_trust(context)
        return context

    def client_files(self, ca: trustme.CA | None = None) -> tuple[str, str]:
        certificate = (ca or self.ca).issue_cert("client@example.org")
        cert, key = str(self.folder / "client.pem"), str(self.folder / "client.key")
        certificate.cert_chain_pems[0].write_to_path(cert)
        certificate.private_key_pem.write_to_path(key)
        return cert, key


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def self_signed(folder: Path, name: str = "localhost") -> tuple[ssl.SSLContext, str]:
    """A server's context with a certificate that it signed itself, and that certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - dt.timedelta(days=1))
        .not_valid_after(now() + dt.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "self-signed.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + pem
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    ca_file = folder / "self-signed-ca.pem"
    ca_file.write_bytes(pem)
    return context, str(ca_file)


def old_tls(authority: Authority) -> ssl.SSLContext:
    """A server that speaks TLS 1.1 and nothing newer (security level 0, or OpenSSL would not let it)."""
    context = authority.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context
