"""The remedy for a refused credential: only where the reply was a 401 that gives no other reason."""

from __future__ import annotations

import pytest

from magictel.encoding.payload import Payload
from magictel.http.wire import Reply
from magictel.model.events import SendOutcome, SendResult
from magictel.model.outcome import FailedAttempts, Outcome, Receipt, Rejected
from magictel.operations.send_result import with_sent_credentials
from tests.conformance.acme import AcmeExporter, AcmeSettings


class Locked(AcmeExporter):
    """It has a code of its own for a plain 401, and another one for a 401 that names a reason."""

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        if reply.status == 401:
            return Rejected("acme.no-tenant" if b"tenant" in reply.body else "acme.locked", reply.text)
        return super().judge(payload, reply)


@pytest.mark.parametrize(
    ("code", "status", "remedy"),
    [
        ("acme.locked", 401, "set or correct the credentials"),
        ("http.unauthorized", 401, "set or correct the credentials; if the message names a proxy, "),
        ("acme.no-tenant", 401, ""),
        ("acme.locked", 400, ""),
        ("acme.unauthorized", 401, ""),
        (None, None, ""),
    ],
)
def test_a_plain_401_names_the_credentials_whatever_its_code_is_called(
    code: str | None, status: int | None, remedy: str
) -> None:
    failed = (FailedAttempts(code, status),) if code else ()
    result = SendResult("acme", "acme", SendOutcome.UNDELIVERED, Receipt(failed=failed), code=code)
    shown = with_sent_credentials(result, Locked(AcmeSettings(url="http://127.0.0.1:9"))).remedy or ""
    assert shown.startswith(remedy)
    assert bool(shown) is bool(remedy)
