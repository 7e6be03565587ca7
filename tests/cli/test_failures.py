"""Whatever goes wrong: the exit code, one document under `--format json`, no traceback, no secret."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from magictel.cli import commands
from magictel.cli import describe as describe_command
from magictel.cli.errors import lines
from magictel.errors import MagictelError
from tests.cli.conftest import Magictel
from tests.reporters.test_terminal import Screen

ERROR_KEYS = {"schema", "code", "message", "remedy", "origin"}

WRONG_USAGE = [
    ("chekc",),
    ("list", "--nope"),
    ("list", "--format", "jsn"),
    ("list", "extra"),
    ("describe",),
    ("describe", "nothing-of-the-kind"),
    ("config", "shwo"),
    ("config", "show", "nothing-of-the-kind"),
    ("check", "nothing-of-the-kind"),
    ("check", "--until", "roof"),
    ("send-sample", "nothing-of-the-kind"),
    ("add",),
    ("remove",),
    ("explain",),
    ("explain", "no.such.code"),
    ("explain", "tls.expired", "--list"),
    ("config", "show", "elasticsearch", "--set", "nonsense"),
]


@pytest.mark.parametrize("arguments", WRONG_USAGE, ids=" ".join)
def test_wrong_usage_is_exit_2_with_a_sentence_and_a_remedy(arguments: tuple[str, ...], magictel: Magictel) -> None:
    if arguments[0] == "remove":
        Path("magictel.toml").write_text("[targets.a]\nexporter = 'file'\n")
    ran = magictel(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.strip()
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments", [words for words in WRONG_USAGE if "--format" not in words and words[0] != "chekc"], ids=" ".join
)
def test_wrong_usage_is_one_document_under_json(arguments: tuple[str, ...], magictel: Magictel) -> None:
    if arguments[0] == "remove":
        Path("magictel.toml").write_text("[targets.a]\nexporter = 'file'\n")
    ran = magictel(*arguments, "--format", "json")
    document = ran.document
    assert ran.code == 2
    assert set(document) == ERROR_KEYS
    assert document["schema"] == "magictel.error/1"
    assert document["code"].startswith("usage.")
    assert document["message"]
    assert document["remedy"]


def test_a_mistyped_command_and_a_mistyped_name_are_told_with_the_near_ones(magictel: Magictel) -> None:
    assert 'no such command: "chekc". Did you mean check?' in magictel("chekc").err
    assert (
        'No target or exporter is called "elastcsearch". Did you mean elasticsearch'
        in magictel("config", "show", "elastcsearch").err
    )


@pytest.mark.parametrize("command", ["check", "send-sample", "config check", "config show"])
def test_nothing_enabled_and_nothing_named_is_exit_78_with_three_lines(command: str, magictel: Magictel) -> None:
    ran = magictel(*command.split())
    assert (ran.code, ran.out) == (78, "")
    assert ran.err.splitlines() == [
        "Nothing is enabled and nothing was named.",
        "  try it without a server:    magictel send-sample --sandbox",
        "  name an exporter:           magictel check elasticsearch",
        "  create a file of targets:   magictel init",
    ]
    document = magictel(*command.split(), "--format", "json").document
    assert (document["schema"], document["code"]) == ("magictel.error/1", "config.nothing-enabled")


@pytest.mark.parametrize(
    "command",
    ["check", "send-sample", "config check", "config show", "replay @node", "send-sample --clean --run 0123456789ab"],
)
def test_unknown_names_in_the_variable_are_exit_78_and_the_other_targets_run(command: str, magictel: Magictel) -> None:
    ran = magictel(*command.split(), ENABLED_EXPORTERS="elastcsearch,file,consle")
    assert ran.code == 78, ran
    every = ran.out + ran.err
    assert 'No target or exporter is called "elastcsearch". Did you mean elasticsearch' in every
    assert 'No target or exporter is called "consle". Did you mean console?' in every
    assert re.search(r"^file\b", every, re.MULTILINE)


def test_a_check_reports_unknown_names_of_the_variable_as_targets_that_fail_at_config(magictel: Magictel) -> None:
    document = magictel("check", "--format", "json", ENABLED_EXPORTERS="elastcsearch,file").document
    first, second = document["targets"]
    assert (first["target"], first["outcome"]) == ("elastcsearch", "fail")
    assert (first["rungs"][0]["rung"], first["rungs"][0]["code"]) == ("config", "config.unknown-target")
    assert (second["target"], second["outcome"]) == ("file", "pass")


@pytest.mark.parametrize("command", ["list", "check", "config show", "describe file", "disable a"])
def test_a_broken_file_is_exit_78_with_its_line(command: str, magictel: Magictel, folder: Path) -> None:
    (folder / "magictel.toml").write_text("[targets.a]\nurl = oops\n")
    ran = magictel(*command.split(), "--format", "json")
    assert ran.code == 78
    assert (ran.document["code"], ran.document["origin"]) == ("config.file.syntax", "magictel.toml:2")


def test_no_command_at_all_is_wrong_usage_and_shows_help(magictel: Magictel) -> None:
    ran = magictel()
    assert (ran.code, ran.out) == (2, "")
    assert "Commands:" in ran.err


def test_a_mistake_of_ours_is_one_sentence_without_its_text(
    magictel: Magictel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise KeyError("s3cr3t")

    monkeypatch.setattr(describe_command, "text", broken)
    ran = magictel("describe", "elasticsearch")
    assert (ran.code, ran.out) == (1, "")
    assert "a bug in magictel: KeyError at magictel/cli/describe.py:" in ran.err
    assert "report" in ran.err
    assert "Traceback" not in ran.err
    assert "s3cr3t" not in ran.err


def test_an_interrupt_is_exit_130_and_one_document(magictel: Magictel, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(describe_command, "described", interrupted)
    ran = magictel("describe", "elasticsearch", "--format", "json")
    assert (ran.code, ran.document["code"]) == (130, "run.interrupted")
    monkeypatch.setattr(describe_command, "text", interrupted)
    assert magictel("describe", "elasticsearch").code == 130


SLOW = """
import sys
from magictel.cli import describe
from magictel.cli.main import main

def slow(*_):
    import threading
    print("under way", file=sys.stderr, flush=True)
    threading.Event().wait(60)

describe.described = slow
main(["describe", "file", "--format", "json"])
"""


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGTERM, 143, "run.terminated"), (signal.SIGINT, 130, "run.interrupted")]
)
def test_a_signal_ends_the_process_with_its_code_and_one_document(number: int, code: int, word: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == "under way\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    assert process.returncode == code
    assert json.loads(out)["code"] == word
    assert "Traceback" not in err


def test_a_closed_pipe_is_silent_and_keeps_the_exit_code(folder: Path) -> None:
    command = [sys.executable, "-m", "magictel", "describe", "elasticsearch"]
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (process.returncode, process.stderr) == (0, "")


def test_an_output_that_takes_no_unicode_is_written_all_the_same(folder: Path) -> None:
    (folder / "magictel.toml").write_text('[targets.a]\nexporter = "elasticsearch"\nindex = "größe"\n')
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "magictel", "config", "show", "a"]
    process = subprocess.run(command, capture_output=True, env=environment, check=False, text=True)
    assert "Traceback" not in process.stderr
    assert "gr??e" in process.stdout


def test_colours_are_for_terminals_that_want_them(
    magictel: Magictel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "\x1b" not in magictel("list").out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "\x1b[32mconfigured" in magictel("list", TERM="xterm").out
    assert "\x1b" not in magictel("list", TERM="xterm", NO_COLOR="1").out
    assert "\x1b" not in magictel("list", TERM="dumb").out


@pytest.mark.parametrize("command", [command.name for command in commands.COMMANDS])
def test_every_command_has_help_within_80_columns(command: str, magictel: Magictel) -> None:
    ran = magictel(command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: magictel {command} ")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "-h, --help" in ran.out


def test_the_tops_help_names_every_command_and_the_exit_codes(magictel: Magictel) -> None:
    out = magictel("--help").out
    for command in commands.COMMANDS:
        assert f"  {command.name} " in out
    words = out.split("Exit codes:")[1].split()
    for code in ("0", "1", "2", "3", "78", "130", "143"):
        assert code in words


def test_version_is_said(magictel: Magictel) -> None:
    from magictel import __version__

    assert magictel("--version").out == f"magictel {__version__}\n"


def test_every_command_that_takes_a_target_takes_set() -> None:
    from magictel.cli.shell_scripts.spelled import spelled

    for command in spelled():
        if command.takes in ("targets", "target") and command.words[0] not in ("remove", "enable", "disable"):
            assert any("--set" in flag.names for flag in command.flags), command.words


@pytest.mark.parametrize("width", [40, 60, 80])
def test_on_a_terminal_a_sentence_wraps_between_words_and_a_command_does_not(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "http://127.0.0.1:9 refused the connection: nothing is listening there, and nothing ever did as far as anybody knows"
    command = f"magictel replay {'a-recording-with-a-long-name.jsonl ' * 3}--to prod-es"
    table = "  name an exporter:           magictel check elasticsearch, which is wider than the terminal by far"
    failure = MagictelError("net.tcp.refused", message, f"{message}\n{command}\n{table}", "magictel.toml:7")
    whole = lines(failure)  # to a pipe: nothing wraps
    assert whole == [message, "  from magictel.toml:7", f"  {message}", f"  {command}", table]
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    printed = lines(failure)
    assert f"  {command}" in printed
    assert table in printed
    assert all(len(line) < width for line in printed if line not in (f"  {command}", table))
    assert " ".join(" ".join(printed).split()) == " ".join(" ".join(whole).split())


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("list --json", "magictel list --format json"),
        ("check -o json", "magictel check --format json"),
        ("check --insecure", "magictel check --set verify=false"),
        ("send-sample -v", "magictel send-sample --debug"),
        ("guide -v", "magictel guide --help shows the options"),
        ("--json list", "options follow the command: magictel COMMAND --format json"),
        ("diagnose --header", "magictel --help shows the options"),  # its own option, without a value
    ],
)
def test_an_option_of_another_tool_gets_the_one_that_does_the_same(words: str, fix: str, magictel: Magictel) -> None:
    ran = magictel(*words.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[1].strip() == fix
