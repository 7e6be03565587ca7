"""HTTP/1.1 with h11: requests from an accepted socket, and replies as bytes, which faults may truncate."""

from __future__ import annotations

import socket

import h11

from magictel.http.wire import Reply, Request

_READ = 262_144
_LONGEST_HEAD = 1_048_576
_NO_BODY = frozenset({204, 304})

MalformedRequest = h11.RemoteProtocolError
"""The received bytes are not HTTP/1.1."""


class Connection:
    """The server's side of a connection, request after request."""

    def __init__(self, connection: socket.socket, scheme: str, authority: str) -> None:
        self._socket = connection
        self._scheme = scheme
        self._authority = authority
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        self._method = b""

    def next(self) -> Request | None:
        """Return the next complete request, None after the client's last. Raise `MalformedRequest`, `OSError`."""
        if self._h11.our_state is h11.DONE:
            self._h11.start_next_cycle()
        head = self._event()
        if not isinstance(head, h11.Request):
            return None
        body = bytearray()
        while isinstance(event := self._event(), h11.Data):
            body += event.data
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers.raw_items()}
        host = dict(head.headers).get(b"host", b"").decode("latin-1") or self._authority
        target = head.target.decode("latin-1")
        url = target if target.startswith("http") else f"{self._scheme}://{host}{target}"
        self._method = head.method
        return Request(head.method.decode("latin-1"), url, headers, bytes(body))

    def encode(self, reply: Reply, *, close: bool = False) -> bytes:
        """Return the bytes of a reply; afterwards `ended` is True if the connection must be closed."""
        headers = list(reply.headers.items())
        if reply.status not in _NO_BODY:
            headers.append(("content-length", str(len(reply.body))))
        if close:
            headers.append(("connection", "close"))
        data = [self._h11.send(h11.Response(status_code=reply.status, headers=headers))]
        if self._method != b"HEAD" and reply.status not in _NO_BODY:
            data.append(self._h11.send(h11.Data(data=reply.body)))
        data.append(self._h11.send(h11.EndOfMessage()))
        return b"".join(part for part in data if part)

    @property
    def ended(self) -> bool:
        """True when no request can follow."""
        return self._h11.our_state is not h11.DONE

    def _event(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            if self._h11.they_are_waiting_for_100_continue:
                self._socket.sendall(self._h11.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            self._h11.receive_data(self._socket.recv(_READ))
        return event
