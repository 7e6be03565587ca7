"""TLS options: what cannot be used is refused with the field's name; a pin trusts what it pins and nothing beside it."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from magictel.errors import SettingsError, WireError
from magictel.http.wire import Request
from magictel.net.tls import TlsOptions, ssl_context
from magictel.transports.http import HttpTransport
from tests.transports.servers import OK, Authority, answers, self_signed, serving


def digest(pem: bytes) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()


def status(url: str, options: TlsOptions) -> int | str:
    transport = HttpTransport(options, environment={})
    try:
        return transport.send(Request("POST", f"{url}/", {}, b"x"), 5).status
    except WireError as failure:
        return failure.code
    finally:
        transport.close()


def chained(*pems: bytes, key: bytes, folder: Path) -> ssl.SSLContext:
    """A server's context that presents exactly these certificates."""
    file = folder / "chain.pem"
    file.write_bytes(key + b"".join(pems))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def spelled(hexadecimal: str) -> str:
    """With colons and in capitals, as openssl prints it."""
    return ":".join(hexadecimal[at : at + 2] for at in range(0, 64, 2)).upper()


def test_a_pinned_server_certificate_is_trusted_without_any_ca(tmp_path: Path) -> None:
    context, file = self_signed(tmp_path, "another.name")
    with serving(answers(OK), context) as server:
        pin = digest(Path(file).read_bytes())
        assert status(server.https, TlsOptions(ca_fingerprint=spelled(pin))) == 200


def test_a_pinned_ca_is_trusted_where_the_server_presents_it(authority: Authority, tmp_path: Path) -> None:
    leaf = authority.ca.issue_cert("another.name")
    context = chained(
        leaf.cert_chain_pems[0].bytes(),
        authority.ca.cert_pem.bytes(),
        key=leaf.private_key_pem.bytes(),
        folder=tmp_path,
    )
    with serving(answers(OK), context) as server:
        pin = digest(authority.ca.cert_pem.bytes())
        assert status(server.https, TlsOptions(ca_fingerprint=pin)) == 200


def test_another_certificate_than_the_pinned_is_refused(authority: Authority) -> None:
    with serving(answers(OK), authority.context()) as server:
        assert status(server.https, TlsOptions(ca_fingerprint="ab" * 32)) == "tls.pin-mismatch"


def test_a_foreign_certificate_with_the_pinned_ca_appended_is_refused(authority: Authority, tmp_path: Path) -> None:
    """Anybody can append a CA's public certificate to his own chain."""
    foreign = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("localhost")
    context = chained(
        foreign.cert_chain_pems[0].bytes(),
        authority.ca.cert_pem.bytes(),
        key=foreign.private_key_pem.bytes(),
        folder=tmp_path,
    )
    with serving(answers(OK), context) as server:
        pin = digest(authority.ca.cert_pem.bytes())
        assert status(server.https, TlsOptions(ca_fingerprint=pin)) == "tls.unknown-ca"


def test_server_name_replaces_the_hosts_name(authority: Authority) -> None:
    with serving(answers(OK), authority.context("es.example.net")) as server:
        options = TlsOptions(ca_file=authority.file)
        assert status(server.https, options) == "tls.hostname-mismatch"
        assert status(server.https, TlsOptions(ca_file=authority.file, server_name="es.example.net")) == 200


def test_verify_off_takes_any_certificate(tmp_path: Path) -> None:
    context, _ = self_signed(tmp_path, "another.name")
    with serving(answers(OK), context) as server:
        assert status(server.https, TlsOptions(verify=False)) == 200


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_client_certificate_is_named_whatever_the_version(
    newest: ssl.TLSVersion, authority: Authority
) -> None:
    """TLS 1.2 has no alert of its own for it: a second handshake overhears that one was asked for."""
    context = authority.context(clients=authority.ca)
    context.maximum_version = newest
    with serving(answers(OK), context) as server:
        assert status(server.https, TlsOptions(ca_file=authority.file)) == "tls.client-cert-required"


def test_a_handshake_that_fails_for_another_reason_is_not_laid_on_a_certificate(authority: Authority) -> None:
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")  # this side's default offers none without forward secrecy
    with serving(answers(OK), context) as server:
        assert status(server.https, TlsOptions(ca_file=authority.file)) == "tls.handshake"


def test_a_client_certificate_opens_the_door(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.client_files()
    with serving(answers(OK), authority.context(clients=authority.ca)) as server:
        options = TlsOptions(ca_file=authority.file, client_cert_file=cert, client_key_file=key)
        assert status(server.https, options) == 200


def encrypted_key(authority: Authority, folder: Path) -> TlsOptions:
    cert, key = authority.client_files()
    loaded = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    file = folder / "encrypted.key"
    file.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    return TlsOptions(client_cert_file=cert, client_key_file=str(file))


def foreign_key(authority: Authority, folder: Path) -> TlsOptions:
    cert, _ = authority.client_files()
    other = folder / "other.key"
    authority.ca.issue_cert("other").private_key_pem.write_to_path(str(other))
    return TlsOptions(client_cert_file=cert, client_key_file=str(other))


def no_pem(authority: Authority, folder: Path) -> TlsOptions:
    file = folder / "no.pem"
    file.write_text("not a certificate")
    return TlsOptions(ca_file=str(file))


UNUSABLE: dict[str, tuple[Callable[[Authority, Path], TlsOptions], str, str]] = {
    "no CA file": (lambda _, folder: TlsOptions(ca_file=str(folder / "none")), "config.tls.ca-file", "ca_file"),
    "no PEM": (no_pem, "config.tls.ca-file", "ca_file"),
    "a folder": (lambda _, folder: TlsOptions(ca_file=str(folder)), "config.tls.ca-file", "ca_file"),
    "no certificate": (
        lambda _, folder: TlsOptions(client_cert_file=str(folder / "none")),
        "config.tls.client-cert",
        "client_cert_file",
    ),
    "key alone": (lambda *_: TlsOptions(client_key_file="k"), "config.tls.client-cert", "client_key_file"),
    "another's key": (foreign_key, "config.tls.client-cert", "client_key_file"),
    "encrypted key": (encrypted_key, "config.tls.client-cert", "client_key_file"),
    "short pin": (lambda *_: TlsOptions(ca_fingerprint="abcd"), "config.tls.fingerprint", "ca_fingerprint"),
}


@pytest.mark.parametrize(("make", "code", "field"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_refused_with_the_fields_name(
    make: Callable[[Authority, Path], TlsOptions], code: str, field: str, authority: Authority, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        ssl_context(make(authority, tmp_path))
    assert (caught.value.code, caught.value.message.partition(":")[0].split()[0]) == (code, field)
    assert caught.value.remedy
