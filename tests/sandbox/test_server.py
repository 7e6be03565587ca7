"""The server over real sockets: framing, keep-alive, TLS, and every fault as a client sees it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import trustme

from magictel.errors import UsageError
from magictel.http.wire import Reply, Request
from magictel.sandbox.elasticsearch import SearchEmulator
from magictel.sandbox.faults import Fault, Faults, parse_faults
from magictel.sandbox.server import Server

NDJSON = {"content-type": "application/x-ndjson"}


def bulk(count: int = 1, start: int = 0) -> bytes:
    lines = []
    for number in range(start, start + count):
        lines += [json.dumps({"create": {"_index": "x", "_id": str(number)}}), json.dumps({"n": number})]
    return ("\n".join(lines) + "\n").encode()


class Echo:
    """The smallest emulator: says what it was sent."""

    name = "echo"

    def handle(self, request: Request) -> Reply:
        body = f"{request.method} {request.path} {len(request.body)}".encode()
        return Reply(200, {"content-type": "text/plain"}, body)

    def is_write(self, request: Request) -> bool:
        return request.method == "POST"

    def environment(self, origin: str) -> dict[str, str]:
        return {"ECHO_URL": origin}


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=5) as client:
        yield client


def scripted(script: str) -> tuple[SearchEmulator, Server]:
    emulator = SearchEmulator()
    return emulator, Server(emulator, faults=parse_faults(script))


def test_a_connection_is_kept_and_bodies_of_any_framing_arrive(client: httpx.Client) -> None:
    with Server(Echo(), record=True) as server:
        big = b"x" * 5_000_000
        assert client.post(server.origin + "/a", content=big).text == "POST /a 5000000"
        assert client.post(server.origin + "/b", content=iter([b"12", b"345"])).text == "POST /b 5"
        assert client.get(server.origin + "/c").text == "GET /c 0"
        assert client.head(server.origin + "/d").headers["content-length"] == "9"
        assert server.connections == 1
        assert next(iter(server.requests)).url == server.origin + "/a"


def test_the_client_may_close_and_may_send_rubbish() -> None:
    with Server(Echo()) as server:
        for sent, expected in (
            (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", b"200"),
            (b"GET / HTTP/1.0\r\n\r\n", b"200"),
            (b"\x16\x03\x01 rubbish\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        ):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
                raw.sendall(sent)
                answer = b""
                while part := raw.recv(65536):
                    answer += part
            assert answer.startswith(b"HTTP/1.1 " + expected)


def test_a_client_that_expects_continue_gets_it() -> None:
    with Server(Echo()) as server, socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 100")
        raw.sendall(b"hi")
        assert b"POST / 2" in raw.recv(1000)


def test_it_speaks_tls() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with Server(Echo(), ssl_context=context) as server:
        assert server.origin.startswith("https://")
        with httpx.Client(verify=trust, trust_env=False, timeout=5) as client:
            assert client.get(server.origin + "/tls").text == "GET /tls 0"
        with httpx.Client(trust_env=False, timeout=5) as stranger, pytest.raises(httpx.ConnectError):
            stranger.get(server.origin)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with httpx.Client(verify=trust, trust_env=False, timeout=5) as client:
            assert client.get(server.origin + "/still").text == "GET /still 0"


def test_many_clients_are_served_side_by_side(client: httpx.Client) -> None:
    emulator = SearchEmulator()
    with Server(emulator) as server, ThreadPoolExecutor(8) as pool:

        def send(number: int) -> int:
            with httpx.Client(trust_env=False, timeout=20) as mine:
                return mine.post(server.origin + "/_bulk", content=bulk(10, number * 10), headers=NDJSON).status_code

        assert set(pool.map(send, range(20))) == {200}
    assert len(emulator.documents("x")) == 200


def test_a_stopped_server_refuses_and_may_be_stopped_again() -> None:
    server = Server(Echo()).start()
    server.stop()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.origin, trust_env=False)


def test_a_status_comes_with_retry_after_and_the_engines_words(client: httpx.Client) -> None:
    emulator, server = scripted(
        "429 retry-after=1, then 503 retry-after=date:60, then 400 body='{\"error\":1}', then 418"
    )
    with server:
        first, second, third, fourth, fifth = (
            client.post(server.origin + "/_bulk", content=bulk(), headers=NDJSON) for _ in range(5)
        )
    assert (first.status_code, first.headers["retry-after"]) == (429, "1")
    assert first.json()["error"]["type"] == "es_rejected_execution_exception"
    assert second.headers["retry-after"].endswith("GMT")
    assert (third.headers["content-type"], third.json()) == ("application/json", {"error": 1})
    assert (fourth.status_code, fourth.content) == (418, b"")
    assert fifth.status_code == 200
    assert len(emulator.documents()) == 1


@pytest.mark.parametrize(
    ("script", "stored", "error"),
    [
        ("reset", 0, httpx.ReadError),
        ("reset-after", 1, httpx.ReadError),
        ("close", 0, httpx.RemoteProtocolError),
        ("truncated", 1, httpx.RemoteProtocolError),
    ],
)
def test_a_broken_exchange_breaks_as_it_says(
    client: httpx.Client, script: str, stored: int, error: type[Exception]
) -> None:
    emulator, server = scripted(script)
    with server:
        with pytest.raises(error):
            client.post(server.origin + "/_bulk", content=bulk(), headers=NDJSON)
        assert server.settle()
        assert len(emulator.documents()) == stored
        assert client.post(server.origin + "/_bulk", content=bulk(1, 5), headers=NDJSON).status_code == 200
        assert server.faults.fired == {script: 1}


@pytest.mark.parametrize(
    ("body", "media"), [("<html>hello", "text/html"), ("[1]", "application/json"), ("hello", "text/plain")]
)
def test_a_scripted_body_says_what_it_is(client: httpx.Client, body: str, media: str) -> None:
    _, server = scripted(f"200 body='{body}'")
    with server:
        reply = client.post(server.origin + "/_bulk", content=bulk(), headers=NDJSON)
    assert (reply.text, reply.headers["content-type"]) == (body, media)


def test_too_large_and_wrong_json_store_nothing(client: httpx.Client) -> None:
    emulator, server = scripted("too-large, then wrong-json")
    with server:
        first, second = (client.post(server.origin + "/_bulk", content=bulk(), headers=NDJSON) for _ in range(2))
    assert (first.status_code, first.content) == (413, b"")
    assert second.json() == {"status": "ok"}
    assert emulator.documents() == []


def test_partial_refuses_a_share_and_at_least_one(client: httpx.Client) -> None:
    emulator, server = scripted("partial 10% circuit_breaking_exception, then partial 10%, then partial 100% mixed")
    with server:
        replies = [
            client.post(server.origin + "/_bulk", content=bulk(count, start), headers=NDJSON).json()
            for count, start in ((20, 0), (3, 100), (16, 200))
        ]
    refused = [[item["create"] for item in reply["items"] if "error" in item["create"]] for reply in replies]
    assert [len(items) for items in refused] == [2, 1, 16]
    assert {item["error"]["type"] for item in refused[0]} == {"circuit_breaking_exception"}
    assert {item["error"]["type"] for item in refused[1]} == {emulator.item_errors[0]}
    assert {item["error"]["type"] for item in refused[2]} == set(emulator.item_errors)
    assert len(emulator.documents()) == 20 - 2 + 3 - 1


def test_late_writes_land_after_the_client_gave_up(client: httpx.Client) -> None:
    emulator, server = scripted("slow 30, then hang")
    with server:
        for number in range(2):
            with pytest.raises(httpx.ReadTimeout):
                client.post(server.origin + "/_bulk", content=bulk(1, number), headers=NDJSON, timeout=0.1)
        assert "0" not in {document["_id"] for document in emulator.documents()}, "30 seconds have not passed"
        assert server.settle(5)
        assert {document["_id"] for document in emulator.documents()} == {"0", "1"}


def test_slow_waits_and_then_answers(client: httpx.Client) -> None:
    _, server = scripted("slow 0.2")
    with server:
        start = time.monotonic()
        assert client.post(server.origin + "/_bulk", content=bulk(), headers=NDJSON).status_code == 200
        assert time.monotonic() - start >= 0.2


def test_a_hanging_request_is_not_stored_when_the_server_stops() -> None:
    emulator, server = scripted("hang")
    with server:
        thread = threading.Thread(target=_ignore_errors, args=(server.origin,))
        thread.start()
        while not server.faults.fired:
            time.sleep(0.01)
    thread.join(100)
    assert emulator.documents() == []


def test_probes_pass_while_writes_fail(client: httpx.Client) -> None:
    _, server = scripted("503 forever")
    with server:
        assert client.get(server.origin + "/").status_code == 200
        assert client.post(server.origin + "/_bulk", content=bulk(), headers=NDJSON).status_code == 503


def test_partial_needs_an_emulator_that_judges_items() -> None:
    with pytest.raises(UsageError, match="does not judge single items"):
        Server(Echo(), faults=Faults([Fault("partial", share=0.5)]))
    with pytest.raises(UsageError, match="no such item error"):
        Server(SearchEmulator(), faults=parse_faults("partial 5% nonsense"))


def _ignore_errors(origin: str) -> None:
    try:
        httpx.post(origin + "/_bulk", content=bulk(), headers=NDJSON, trust_env=False, timeout=5)
    except httpx.HTTPError:
        return
