"""A sink that only answers: a process of its own, so that its work is not counted; every reply is as short as the protocol allows.

A bulk request is answered with one item a document, as Elasticsearch does; vendors' APIs answer 202; anything else gets 204, and remote
write 2.0 a count with it. Datagrams to the same port are read and forgotten.
"""

from __future__ import annotations

import contextlib
import gzip
import multiprocessing
import re
import socket
import threading
from collections.abc import Iterator

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_HEAD = (
    b"HTTP/1.1 %s\r\nX-Elastic-Product: Elasticsearch\r\n"
    b"Content-Type: application/vnd.elasticsearch+json;compatible-with=9\r\nContent-Length: %d\r\n\r\n"
)
_PLAIN_HEAD = (
    b"HTTP/1.1 %s\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
_ACCEPTED_HEAD = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_ACCEPTED = {
    b"/api/v2/series": b'{"errors":[]}',
    b"/metric/v1": b'{"requestId":"a4f7e2c0-0017-b000-0000-018c1f6f5b1e"}',
}


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Run the sink; yields its port on 127.0.0.1."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender,), daemon=True)
    process.start()
    try:
        if not receiver.poll(30):
            raise RuntimeError("the sink did not start")
        yield receiver.recv()
    finally:
        process.terminate()
        process.join(10)


def _serve(sender: multiprocessing.connection.Connection) -> None:  # type: ignore[name-defined]
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = server.getsockname()[1]
    threading.Thread(target=_forget_datagrams, args=(port,), daemon=True).start()
    sender.send(port)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _forget_datagrams(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", port))
        while True:
            receiver.recv(65_535)


def _answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray()
    with connection:
        while True:
            while (end := buffer.find(b"\r\n\r\n")) < 0:
                data = connection.recv(1 << 20)
                if not data:
                    return
                buffer += data
            head = bytes(buffer[:end])
            match = _LENGTH.search(head)
            length = int(match.group(1)) if match else 0
            need = end + 4 + length
            while len(buffer) < need:
                data = connection.recv(1 << 20)
                if not data:
                    return
                buffer += data
            body = bytes(buffer[end + 4 : need])
            del buffer[:need]
            connection.sendall(_reply(head, body))


def _reply(head: bytes, body: bytes) -> bytes:
    line = head.split(b"\r\n", 1)[0]
    lower = head.lower()
    vendor = b"compatible-with" in lower
    form = _HEAD if vendor else _PLAIN_HEAD
    if b"_bulk" in line:
        if b"content-encoding: gzip" in lower:
            body = gzip.decompress(body)
        items = body.count(b"\n") // 2
        short = b"filter_path" in line
        item = (
            b'{"create":{"status":201}}'
            if short
            else (
                b'{"create":{"_index":"magicapi-metrics","_id":"AAAAAAAAAAAAAAAAAAAA","_version":1,"result":"created",'
                b'"_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,"status":201}}'
            )
        )
        if b'{"index"' in body[:20]:
            item = item.replace(b'{"create"', b'{"index"')
        took = b"" if short else b'"took":1,'  # filter_path is heeded, as Elasticsearch does
        answer = b'{"errors":false,' + took + b'"items":[' + b",".join([item] * items) + b"]}"
        return form % (b"200 OK", len(answer)) + answer
    if line.startswith(b"GET / "):
        answer = (
            b'{"name":"n","cluster_name":"c","cluster_uuid":"u","version":{"number":"9.0.0","build_flavor":"default"},'
            b'"tagline":"You Know, for Search"}'
        )
        return form % (b"200 OK", len(answer)) + answer
    if line.startswith(b"GET"):
        return form % (b"404 Not Found", 2) + b"{}"
    for path, answer in _ACCEPTED.items():
        if path in line:
            return _ACCEPTED_HEAD % len(answer) + answer
    if b"proto=io.prometheus.write.v2" in lower:
        return b"HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: 1000000\r\n\r\n"
    return b"HTTP/1.1 204 No Content\r\n\r\n"
