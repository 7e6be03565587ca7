"""Every code has a page, every page holds: retry classes as the fault catalogue says, related codes and commands that exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from magictel.catalogue import pages as catalogue
from magictel.catalogue import plugins
from magictel.catalogue.retry import RETRY

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared" / "reference"
PARTS = "source|config|net|tls|http|clock|es|os|otlp|prom|mimir|vm|dd|nr|statsd|verify|delivery|internal"
PARTS += "|usage|plugin|foreign|sandbox|file|console|run"
CODE = re.compile(rf"^({PARTS})\.[a-z0-9.-]*[a-z0-9]$")
# Texts of the same shape that are no codes: file names, hosts of examples, keys of the backends' own JSON.
NO_CODES = re.compile(
    r"\.(toml|py|json|jsonl|example\.[a-z]+)$|^es\.example\.|^os\.name$|^file\.name$"
    r"|^http\.(server|client|request|response|route)\b"
)
OTHERS = {"--web", "--enable-feature"}
"""Options of the backends' own commands."""
NOTHING = "nothing is wrong"
CODE_OF_THE_READER = "only the code that records the number can change it, and no recording can hold it"
WITHOUT_COMMAND = {
    "delivery.no-fork": NOTHING,
    "es.health.serverless": NOTHING,
    "es.write.time-series-id": NOTHING,
    "prom.health.forbidden": NOTHING,
    "prom.rw.get": NOTHING,
    "otlp.number": CODE_OF_THE_READER,
    "prom.rw.number": CODE_OF_THE_READER,
    "prom.page.number": CODE_OF_THE_READER,
}
BACKENDS = {
    "any",
    "elasticsearch",
    "opensearch",
    "prometheus-remote-write",
    "prometheus-otlp",
    "otlp-http",
    "otlp-grpc",
    "mimir",
    "victoriametrics",
    "datadog",
    "newrelic",
    "statsd",
}


def used_codes() -> dict[str, str]:
    """Every text in the sources that has the shape of a code, and a file that holds it."""
    used: dict[str, str] = {}
    for file in sorted((ROOT / "magictel").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if CODE.match(text) and not NO_CODES.search(text):
                used.setdefault(text, str(file.relative_to(ROOT)))
    return used


def pages() -> Iterator[catalogue.Page]:
    for code in catalogue.codes():
        page = catalogue.explain(code)
        assert page is not None
        yield page


def test_every_code_used_in_the_sources_has_a_page() -> None:
    used = used_codes()
    assert len(used) > 50
    known_codes = catalogue.codes()
    missing = {
        code: file
        for code, file in used.items()
        if catalogue.explain(code) is None and not any(known.startswith(f"{code}.") for known in known_codes)
    }
    assert missing == {}


def test_every_page_is_complete_and_of_one_shape() -> None:
    for page in pages():
        assert page.retry in RETRY, page.code
        for text in (page.title, page.meaning, page.why, *page.fix):
            assert text, page.code
            assert text.startswith("$ ") or text[-1] in ".:'", (page.code, text)
            assert "!" not in text, page.code
        assert page.fix, page.code
        assert page.again.startswith("$ magictel "), page.code
        assert len(page.title) <= 110, page.code


def test_every_page_has_a_command_to_mend_it_with_or_a_reason_why_there_is_none() -> None:
    """The reason is the page's own, for people too: each of these says that nothing is wrong, or whose work it is."""
    without = {page.code for page in pages() if not any(line.startswith("$ ") for line in page.fix)}
    assert without == set(WITHOUT_COMMAND)
    for page in pages():
        commands = [line for line in page.fix if line.startswith("$ ")]
        assert len(set(commands)) == len(commands), page.code
        assert all(len(line) > 2 and line.strip() == line for line in commands), page.code
        assert f"$ magictel explain {page.code}" not in commands, page.code  # the reader is there
        if WITHOUT_COMMAND.get(page.code) == NOTHING:
            assert page.fix[0].startswith("Nothing to fix."), page.code


def test_related_codes_exist_and_are_others() -> None:
    known = set(catalogue.codes())
    for page in pages():
        assert page.related, page.code
        assert len(set(page.related)) == len(page.related), page.code
        assert page.code not in page.related, page.code
        assert set(page.related) <= known, (page.code, set(page.related) - known)


def test_each_file_holds_the_codes_of_its_name() -> None:
    for code in catalogue.codes():
        assert (ROOT / "magictel" / "catalogue" / f"{code.partition('.')[0]}.toml").exists()
        assert re.fullmatch(r"[a-z]+(\.[a-z0-9]+(-[a-z0-9]+)*)+", code), code


@pytest.mark.skipif(not REFERENCE.exists(), reason=f"the fault catalogue is not here: {REFERENCE}")
def test_every_known_fault_has_a_page_of_the_same_retry_class() -> None:
    rows = json.loads((REFERENCE / "fault_responses.json").read_text())["rows"]
    wanted = {row["id"]: row["retry"] for row in rows if row["backend"] in BACKENDS}
    transport = json.loads((REFERENCE / "transport_faults.json").read_text())
    wanted |= {row["id"]: row["retry"] for row in transport if row["id"] and row["client"].startswith("httpx")}
    assert len(wanted) > 60
    retries = {code: page.retry if (page := catalogue.explain(code)) else None for code in wanted}
    assert retries == wanted


def test_the_published_table_is_the_one_that_every_diagnosis_is_held_to() -> None:
    """The guide and `explain` show it; the tests of `diagnose` assert that no verdict stands outside of it."""
    from magictel.cli.explain import outcomes, text
    from magictel.diagnose.diagnosis import BY_CLASS, STANDS_WITH

    assert set(STANDS_WITH) == {*RETRY, None}
    written = (ROOT / "magictel" / "guide" / "retry-classes.md").read_text()
    for retry in RETRY:
        assert set(outcomes(retry)) == {outcome or "none" for outcome in STANDS_WITH[retry]}
        assert BY_CLASS[retry] in STANDS_WITH[retry]
        assert f"| {', '.join(outcomes(retry))} |" in written
    for page in pages():
        lines = text(page)
        if "Retry" in lines:
            written = " ".join(" ".join(lines).split())
            assert f"(class {page.retry}; with the outcome {', '.join(outcomes(page.retry))})" in written
        else:  # no request failed: there is nothing to send again
            assert page.retry == "no", page.code


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("flood-stage", "es.write.flood-stage"),
        ("es.write.floodstage", "es.write.flood-stage"),
        ("tls.expire", "tls.expired"),
        ("es.health", "es.health.red"),
    ],
)
def test_a_code_written_almost_right_is_recognised(written: str, meant: str) -> None:
    assert meant in catalogue.near(written)


@pytest.mark.parametrize("written", ["", ".", "..", "../pyproject", "net", "net.", "no.such.code", "/etc/passwd"])
def test_what_is_no_code_has_no_page(written: str) -> None:
    assert catalogue.explain(written) is None


def test_every_magictel_command_of_a_page_exists() -> None:
    commands = _commands()
    wrong = []
    for page in pages():
        for line in page.commands:
            wrong += [f"{page.code}: {problem}" for problem in _problems(line, commands)]
    assert wrong == []


def test_every_magictel_command_of_a_remedy_exists() -> None:
    commands = _commands()
    names = "|".join(sorted({name.split()[0] for name in commands if name}))
    pattern = re.compile(rf"(?<![\w/.-])magictel (?:{names})(?: [^\n;,()`'\"]*)?")
    seen, wrong = 0, []
    for file in sorted((ROOT / "magictel").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for line in pattern.findall(node.value):
                    seen += 1
                    wrong += [f"{file.name}: {problem}" for problem in _problems(line, commands)]
    assert wrong == []
    assert seen > 5


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        ("magictel check TARGET --until tcp", 0),
        ("magictel config show TARGET --origin", 0),
        ("magictel --version", 0),
        ("curl -s --no-such URL", 0),
        ("magictel chek TARGET", 1),
        ("magictel check TARGET --untill tcp", 1),
        ("magictel config nothing", 1),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, problems: int) -> None:
    assert len(list(_problems(line, _commands()))) == problems


def test_every_option_that_a_finding_names_exists() -> None:
    """`not asked: add --round-trip`: options stand in sentences without a command too."""
    known = set().union(*_commands().values())
    wrong = []
    for folder in ("ladder", "operations", "exporters", "delivery", "settings"):
        for file in sorted((ROOT / "magictel" / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and "--" in node.value:
                    named = re.findall(r"(?:^|(?<=[\s(`]))--[a-z][a-z-]+", node.value)
                    wrong += [f"{file.name}: {option}" for option in named if option not in known | OTHERS]
    assert wrong == []


def _commands() -> dict[str, set[str]]:
    """Every command of the command line, `config show` among them, with its options; "" is `magictel` itself."""
    from magictel.cli import commands

    accepted: dict[str, set[str]] = {"": {"--help", "--version"}}

    def walk(command: Any, path: str) -> None:
        below = getattr(command, "commands", None)
        if below:
            for name, subcommand in below.items():
                walk(subcommand, f"{path} {name}")
            return
        options = {"--help"}
        for parameter in command.params:
            options |= {*parameter.opts, *parameter.secondary_opts}
        accepted[path] = options

    for listed in commands.COMMANDS:
        walk(commands.load(listed), listed.name)
    return accepted


def _problems(line: str, commands: dict[str, set[str]]) -> Iterator[str]:
    words = shlex.split(line.partition(" # ")[0])
    if not words or words[0] != "magictel":
        return
    name = next((" ".join(words[1:n]) for n in (3, 2) if " ".join(words[1:n]) in commands), None)
    if name is None and words[1:2] and words[1].startswith("--"):
        name = ""
    if name is None:
        yield f"no such command: {line}"
        return
    for word in words[1:]:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in commands[name]:
            yield f"no such option: {option} in {line}"


def test_a_page_of_a_package_with_an_unknown_retry_class_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_pages").mkdir()
    page = "".join(f'{key} = "text"\n' for key in ("title", "meaning", "why", "again")) + 'fix = ["text"]\n'
    text = f'["acme.good"]\nretry = "no"\n{page}["acme.bad"]\nretry = "sometimes"\n{page}'
    (tmp_path / "acme_pages" / "codes.toml").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    complete, problems = plugins.read(EntryPoint("acme", "acme_pages:codes.toml", plugins.GROUP))
    assert list(complete) == ["acme.good"]
    (problem,) = problems
    assert problem.endswith("codes.toml: the page acme.bad has the unknown retry class 'sometimes'")
