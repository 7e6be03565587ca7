"""The way out: a command stands alone, to be copied; what is said beside it follows."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from magictel.catalogue.pages import codes, explain
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.reporters.formats import KINDS
from magictel.reporters.remedies import COMMANDS, known, segments
from tests.reporters.cases import STOPPED, check_events, checked, send_events
from tests.reporters.reporting import report
from tests.reporters.test_terminal import text

PREPARE = "magictel prepare es --apply, and then a new index: a field's type cannot be changed afterwards, not here"


REJECTS = 'see which node rejects, and whether it is still growing: curl -s "$ELASTICSEARCH_URL/_cat/thread_pool?v"'
SANDBOX = (
    "with a real backend: magictel prepare es --apply, and then a new index: the values came back as 32-bit floats"
)


@pytest.mark.parametrize(
    ("remedy", "parts"),
    [
        ("magictel prepare es --apply", ["$ magictel prepare es --apply"]),
        (PREPARE, ["$ magictel prepare es --apply", PREPARE.partition(", ")[2]]),
        ("magictel check --wait 60s; if it stays so, ask", ["$ magictel check --wait 60s", "if it stays so, ask"]),
        ("magictel check --wait 60s (it starts)", ["$ magictel check --wait 60s", "(it starts)"]),
        ("magictel list shows all exporters", ["$ magictel list", "shows all exporters"]),
        ("magictel replay f --filter 'a; b (c'", ["$ magictel replay f --filter 'a; b (c'"]),
        ('PUT /i/_settings {"a": 1, "b": 2}', ['$ PUT /i/_settings {"a": 1, "b": 2}']),
        ("start the backend; or check the port", ["start the backend; or check the port"]),
        (REJECTS, [REJECTS.partition(" curl")[0], "$ curl" + REJECTS.partition(" curl")[2]]),
        (SANDBOX, ["with a real backend:", "$ magictel prepare es --apply", SANDBOX.partition(", ")[2]]),
        ("with a real backend: magictel prepare es", ["with a real backend:", "$ magictel prepare es"]),
        ("", []),
    ],
)
def test_a_command_is_parted_from_the_words_beside_it(remedy: str, parts: list[str]) -> None:
    assert [f"$ {text}" if command else text for text, command in segments(remedy)] == parts


@pytest.mark.parametrize("width", [60, 80, 120, None])
def test_on_the_page_a_command_has_its_line_and_words_wrap_under_it(width: int | None) -> None:
    finding = Finding.failed(Rung.WRITE, "es.mapping.long", "decimals are cut", PREPARE)
    lines = text(check_events(checked("es", "es", "", finding)), width).splitlines()
    (place,) = [number for number, line in enumerate(lines) if line == "      fix:   magictel prepare es --apply"]
    assert lines[place + 1].startswith("             and then a new index")
    assert all(len(line) <= (width or 999) for line in lines)


@pytest.mark.parametrize(
    ("kind", "message"), [("github", "`magictel prepare es --apply` and then"), ("html", "</code> and then")]
)
def test_only_the_command_is_written_as_code(kind: str, message: str) -> None:
    finding = Finding.failed(Rung.WRITE, "es.mapping.long", "decimals are cut", PREPARE)
    assert message in report(kind, check_events(checked("es", "es", "", finding)))[0]


def test_every_command_of_the_catalogue_is_known_as_one() -> None:
    for code in codes():
        page = explain(code)
        assert page is not None
        assert [command for command in page.commands if not command.startswith(COMMANDS)] == [], code


def test_where_nobody_gave_a_remedy_the_catalogue_has_one() -> None:
    assert known("es.write.queue-full") == (  # the sentence that leads to no command
        "send fewer and larger requests (max_batch_points, a longer export interval), or add nodes"
    )
    assert known("es.health.red") == 'see the reason: curl -s "$ELASTICSEARCH_URL/_cluster/allocation/explain"'
    assert known("clock.skew") == "set the clock on the side that is wrong: timedatectl status"
    assert known("http.tls-port") == (  # its command is to be filled in
        "use https:// in the address. For a private CA also set ca_file or ca_fingerprint"
    )
    assert known("es.write.long-value") == "let the template truncate what is indexed"  # `Show …` goes with the command
    assert known("prom.rw.collision") == (
        "rename one of the two attribute keys or metrics; give each resource its own service.name or service.instance.id"
    )
    assert known("file.no-directory") is None  # a command alone, to be filled in
    assert known("es.write.unprovable") is None  # a command alone, which needs the target's name
    assert known("es.write.time-series-id") == "nothing to fix"
    assert (known("no.such-code"), known(None)) == (None, None)
    for code in codes():
        page, remedy = explain(code), known(code)
        assert page is not None
        sentence, _, command = (remedy or "").partition(": curl ")
        assert remedy is None or sentence[1:] in " ".join(page.fix) or remedy.endswith(": timedatectl status"), code
        assert command in " ".join(page.fix), code
        assert remedy is not None or any(line.startswith("$ ") for line in page.fix), code
        assert remedy is None or re.fullmatch(r"\S.*[^.:]", remedy), code


@pytest.mark.parametrize(
    "kind", ["terminal", *(kind for kind in KINDS if kind not in ("json", "nagios", "prometheus"))]
)
def test_a_loss_without_a_remedy_of_its_own_shows_the_catalogues(kind: str) -> None:
    receipt = Receipt(12, dropped=12, reasons=(Reason("es.write.queue-full", "the queue is full", 12, Fate.DROPPED),))
    lost = send_events(replace(STOPPED, code="es.write.queue-full", remedy=None, findings=(), receipt=receipt))
    shown = text(lost) if kind == "terminal" else report(kind, lost)[0]
    assert "end fewer and larger requests" in shown
