"""A real Prometheus behind real fronts (nginx: TLS, client certificates, authentication, faults): each trouble under its own code.

Started by `bash ../shared/real/start_real.sh --without rotel -- python -m pytest -m real tests/real/test_fronts.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

HOW = "start it with: bash ../shared/real/start_real.sh --without rotel -- python -m pytest -m real tests/real/test_fronts.py"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        "MT_TLS_URL" not in os.environ or "MT_PROM_URL" not in os.environ,
        reason=f"no nginx before a Prometheus (MT_TLS_URL, MT_PROM_URL): {HOW}",
    ),
]
WRITE = "/prom/api/v1/write"


def front(name: str, path: str = WRITE) -> str:
    return os.environ[f"MT_{name}_URL"] + path


def magictel(*words: str, **settings: str) -> tuple[int, dict[str, Any]]:
    """The command as a user runs it: exit code and its one document."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("MT_", "PROMETHEUS_", "ENABLED_"))
    }
    environment |= {f"PROMETHEUS_REMOTE_WRITE_{key.upper()}": value for key, value in settings.items()}
    environment |= {"NO_PROXY": "127.0.0.1", "PROMETHEUS_REMOTE_WRITE_TIMEOUT": "3"}
    ran = subprocess.run(
        [sys.executable, "-m", "magictel", *words, "prometheus-remote-write", "--format", "json"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, json.loads(ran.stdout)


def first_failure(document: Mapping[str, Any]) -> tuple[str, str] | None:
    (target,) = document["targets"]
    assert len(target["rungs"]) == 10
    return next(((rung["rung"], rung["code"]) for rung in target["rungs"] if rung["outcome"] == "fail"), None)


@pytest.mark.parametrize("name", ["TLS", "MTLS"])
def test_through_tls_the_sample_is_verified(name: str) -> None:
    settings = {"url": front(name), "ca_file": os.environ["MT_CA"]}
    if name == "MTLS":
        settings |= {"client_cert_file": os.environ["MT_CLIENT_CERT"], "client_key_file": os.environ["MT_CLIENT_KEY"]}
    code, document = magictel("check", **settings)
    assert (code, first_failure(document)) == (0, None)
    code, document = magictel("send-sample", **settings)
    assert (code, document["outcome"]) == (0, "verified")


@pytest.mark.parametrize(
    ("name", "trusted", "expected"),
    [
        ("EXPIRED", True, ("tls", "tls.expired")),
        ("WRONGHOST", True, ("tls", "tls.hostname-mismatch")),
        ("SELFSIGNED", False, ("tls", "tls.self-signed")),
        ("TLS", False, ("tls", "tls.unknown-ca")),
    ],
)
def test_a_certificate_that_cannot_be_trusted_fails_at_tls(name: str, trusted: bool, expected: tuple[str, str]) -> None:
    settings = {"url": front(name)} | ({"ca_file": os.environ["MT_CA"]} if trusted else {})
    code, document = magictel("check", **settings)
    assert (code, first_failure(document)) == (1, expected)
    tls = next(rung for rung in document["targets"][0]["rungs"] if rung["rung"] == "tls")
    assert "magictel.test" in json.dumps(tls["evidence"]) or "localhost" in json.dumps(tls["evidence"])


@pytest.mark.parametrize(
    ("certificate", "expected"), [(None, "tls.client-cert-required"), ("BADCLIENT", "tls.client-cert-rejected")]
)
def test_a_front_that_wants_a_client_certificate_says_so_in_http_and_is_understood(
    certificate: str | None, expected: str
) -> None:
    settings = {"url": front("MTLS"), "ca_file": os.environ["MT_CA"]}
    if certificate:
        settings["client_cert_file"] = os.environ[f"MT_{certificate}_CERT"]
        settings["client_key_file"] = os.environ[f"MT_{certificate}_KEY"]
    code, document = magictel("check", **settings)
    assert code == 1
    failure = first_failure(document)
    assert failure is not None
    assert failure[1] == expected


def test_plain_http_to_a_tls_port_is_told_to_use_https() -> None:
    code, document = magictel("check", url=front("TLS").replace("https://", "http://"))
    assert (code, first_failure(document)) == (1, ("http", "http.tls-port"))


@pytest.mark.parametrize(
    ("path", "credentials", "exit_code"),
    [
        ("/basic/prom/api/v1/write", {"username": "mt", "password": "s3cret"}, 0),
        ("/basic/prom/api/v1/write", {"username": "mt", "password": "wrong-password"}, 1),
        ("/basic/prom/api/v1/write", {}, 1),
        ("/bearer/prom/api/v1/write", {"bearer_token": "s3cret"}, 0),
        ("/bearer/prom/api/v1/write", {"bearer_token": "wrong-token"}, 1),
    ],
)
def test_credentials_are_proved_at_auth(path: str, credentials: dict[str, str], exit_code: int) -> None:
    code, document = magictel("check", url=os.environ["MT_AUTH_URL"] + path, **credentials)
    assert code == exit_code
    if exit_code:
        failure = first_failure(document)
        assert failure is not None
        assert failure[1] == "http.unauthorized"
    else:
        code, document = magictel("send-sample", url=os.environ["MT_AUTH_URL"] + path, **credentials)
        assert (code, document["outcome"]) == (0, "verified")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/html/api/v1/write", "http.not-a-backend"),
        ("/redirect/api/v1/write", "http.redirect"),
        ("/close/api/v1/write", "net.http.closed"),
        ("/dead/api/v1/write", "http.bad-gateway"),
    ],
)
def test_what_stands_before_the_backend_is_named(path: str, expected: str) -> None:
    code, document = magictel("check", url=os.environ["MT_FAULT_URL"] + path)
    failure = first_failure(document)
    assert code == 1
    assert failure is not None
    assert failure[1] == expected


@pytest.mark.parametrize("path", ["/flaky/prom/api/v1/write", "/trickle/prom/api/v1/write"])
def test_a_weak_front_is_overcome_and_every_point_is_accounted_for(path: str) -> None:
    code, document = magictel("send-sample", url=os.environ["MT_FAULT_URL"] + path, query_url=os.environ["MT_PROM_URL"])
    (target,) = document["targets"]
    receipt = target["receipt"]
    assert receipt["sent"] == sum(receipt[fate] for fate in ("delivered", "rejected", "withheld", "kept", "dropped"))
    assert code in (0, 1)
    if code == 0:
        assert target["outcome"] == "verified"
