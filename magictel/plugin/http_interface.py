"""The half of an exporter over HTTP that its author may write, besides what `interface` has. All of it is pure but `preparations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec

from magictel.clock import Clock
from magictel.encoding.payload import Payload
from magictel.errors import SettingsError
from magictel.http.classify import judge_status
from magictel.http.error_rules import Rule, match, read_error
from magictel.http.wire import Reply, Request, Wire
from magictel.model.outcome import Outcome
from magictel.model.verification import Unreadable
from magictel.net.endpoint import Endpoint
from magictel.plugin.interface import Authored
from magictel.plugin.log_replies import reply_in
from magictel.settings.model import HttpSettings
from magictel.transports.compression import gzip

S = TypeVar("S", bound=HttpSettings)


class Preparation(msgspec.Struct, frozen=True):
    """One request that prepares a backend before data arrives, and a sentence that explains it.

    `by_hand`: shown and never sent, because it moves or deletes stored data.
    """

    purpose: str
    method: str
    path: str
    body: Mapping[str, Any]
    by_hand: bool = False


class HttpAuthored(Authored[S]):
    """What the author of an exporter over HTTP may write: where requests go, what they carry, and what replies mean."""

    method: ClassVar[str] = "POST"
    content_type: ClassVar[str] = "application/json"
    errors: ClassVar[tuple[Rule, ...]] = ()
    """What the backend's error replies mean: the first matching rule counts for delivery, ladder and `diagnose`; other replies go by
    status, headers and responder."""
    rights_codes: ClassVar[tuple[str, ...]] = ()
    """Prefixes of codes for missing credentials or permissions: such items wait, as all do after a 401."""
    renewed_by_files: ClassVar[tuple[str, ...]] = ("tls.",)
    """Prefixes of the codes of failures that other TLS files may fix: they are read again."""
    products: ClassVar[tuple[str, ...]] = ()
    """The backend's names in `magictel.http.products`: a server that names another product fails at rung http."""

    clock: Clock
    unusable: SettingsError | None
    _endpoints: tuple[Endpoint, ...] | None = None

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The backend's addresses, in the order they are tried (delivery fails over on connect errors only); default: `url`.

        Empty if the settings cannot be used.
        """
        if self._endpoints is None:
            addresses = () if self.unusable is not None else self.settings.addresses()
            self._endpoints = tuple(address.endpoint for address in addresses)
        return self._endpoints

    def headers(self) -> Mapping[str, str]:
        """Headers of every request, credentials included; default: from the settings."""
        return self.settings.request_headers()

    def form(self) -> str:
        """The protocol variant that the next attempt uses, if there are several; stored in `payload.form`."""
        return ""

    def form_headers(self, form: str) -> Mapping[str, str]:
        """Headers that depend on the protocol variant of the payload; they override the content type."""
        return {}

    def authorize(self, request: Request) -> Request:
        """Sign a complete request, body included; default: unchanged."""
        return request

    def compress(self, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """The compressed body, and the headers that declare it."""
        if self.settings.compression == "gzip":
            return gzip(body), {"Content-Encoding": "gzip"}
        return body, {}

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Turn a reply into an outcome. The default reads `errors`, then status and headers; override it for verdicts per item."""
        known = None if reply.ok or reply.looks_like_html else match(read_error(reply), self.errors)
        if known is not None:
            return known.outcome(reply, self.clock.now(), " ".join(reply.text[:200].split()))
        return judge_status(reply, self.clock.now(), self.products)

    def parse_log(self, text: str, status: int | None) -> Reply | None:
        """The backend's reply quoted in a line of a log, for `diagnose`; None: the line quotes none.

        Default: the first JSON value in the line that `judge` knows.
        """
        return reply_in(self.judge, text, status)

    def unverified_code(self, reply: Reply) -> str | None:
        """The code for what a 2xx does not prove (stored? visible?), for `diagnose`; None: it proves all."""
        return None

    def preparations(self, wire: Wire) -> Sequence[Preparation] | Unreadable:
        """What to create in the backend before data arrives; empty: nothing."""
        return ()

    def window(self) -> tuple[float, float]:
        """Seconds before and after the backend's clock within which timestamps are accepted; infinite: no known limit."""
        return float("inf"), 600.0
