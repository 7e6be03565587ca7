"""The completions: fresh, static, and right in bash itself."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from magictel.catalogue import builtin_exporters
from magictel.catalogue.pages import codes
from magictel.cli import commands, shell_scripts
from magictel.cli.shell_scripts.spelled import spelled
from magictel.registry.foreign import OFFICIAL
from magictel.reporters.formats import KINDS
from tests.cli.running import magictel

FOLDER = Path(__file__).parent.parent.parent / "completions"


@pytest.mark.parametrize("shell", shell_scripts.SHELLS)
def test_the_file_is_what_the_commands_say_now(shell: str) -> None:
    text = (FOLDER / f"magictel.{shell}").read_text("utf-8")
    assert text == shell_scripts.script(shell), "run: python -m magictel.cli.shell_scripts"


@pytest.mark.parametrize("shell", shell_scripts.SHELLS)
def test_the_file_starts_no_python(shell: str) -> None:
    for line in (FOLDER / f"magictel.{shell}").read_text("utf-8").splitlines():
        if not line.lstrip().startswith("#"):
            assert "python" not in line
            assert "$(magictel" not in line
            assert "_MAGICTEL_COMPLETE" not in line


@pytest.mark.parametrize("shell", shell_scripts.SHELLS)
def test_the_command_prints_the_file(shell: str, tmp_path: Path) -> None:
    ran = magictel("completion", shell, folder=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (FOLDER / f"magictel.{shell}").read_text("utf-8")


def test_another_shell_is_wrong_usage(tmp_path: Path) -> None:
    ran = magictel("completion", "tcsh", folder=tmp_path)
    assert ran.code == 2
    assert "bash" in ran.err


def test_every_command_and_every_flag_is_in_every_file() -> None:
    spellings = spelled()
    assert {spelling.words[0] for spelling in spellings} == {command.name for command in commands.COMMANDS}
    for shell in shell_scripts.SHELLS:
        text = (FOLDER / f"magictel.{shell}").read_text("utf-8")
        for spelling in spellings:
            for flag in spelling.flags:
                for name in flag.names:
                    if name.startswith("--"):
                        assert (name if shell != "fish" else f"-l {name[2:]}") in text


def bash(folder: Path, *words: str) -> list[str]:
    script = (
        f"source {FOLDER}/magictel.bash\n"
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()\n'
        '_magictel\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    command = ["bash", "-c", script, "bash", "magictel", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here: apt-get install bash")
def test_bash_completes_commands_names_flags_and_values(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text('# [targets.no]\n[targets.prod-es]\nexporter = "x"\n[targets."b2"]\n')
    assert bash(tmp_path, "") == [command.name for command in commands.COMMANDS]
    assert bash(tmp_path, "che") == ["check"]
    assert bash(tmp_path, "check", "") == [*builtin_exporters.BUILT_IN, *OFFICIAL, "prod-es", "b2"]
    assert bash(tmp_path, "check", "elasticsearch", "pro") == [
        *(name for name in builtin_exporters.BUILT_IN if name.startswith("pro")),
        "prod-es",
    ]
    assert bash(tmp_path, "check", "--sand") == ["--sandbox", "--sandbox-bare"]
    assert bash(tmp_path, "list", "--format", "") == ["text", "json"]
    assert bash(tmp_path, "list", "--format", "=", "j") == ["json"]
    assert bash(tmp_path, "check", "--set", "") == []
    assert bash(tmp_path, "config", "") == ["show", "check"]
    assert bash(tmp_path, "config", "show", "--o") == ["--origin"]
    assert bash(tmp_path, "remove", "") == ["prod-es", "b2"]
    assert bash(tmp_path, "explain", "tls.exp") == [code for code in codes() if code.startswith("tls.exp")]
    assert bash(tmp_path, "list", "--config", "magic") == ["magictel.toml"]
    assert bash(tmp_path, "run", "--from", "magic") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_can_read_their_files(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here: apt-get install {shell}")
    subprocess.run([shell, "-n", str(FOLDER / f"magictel.{shell}")], check=True)


def fish(folder: Path, line: str) -> list[str]:
    script = f"source {FOLDER}/magictel.fish; complete -C '{line}'"
    home = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"]}
    ran = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True, cwd=folder, env=home)
    return [match.partition("\t")[0] for match in ran.stdout.splitlines()]


SETUP = """
PROMPT=; RPROMPT=
autoload -U compinit; compinit -D
source {folder}/magictel.zsh
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
mark() {{ print -r - '<mark>' }}
compprefuncs=(mark); comppostfuncs=(mark)
compadd() {{
    if [[ ${{@[1,(i)(-|--)]}} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
    typeset -a hits
    builtin compadd -A hits "$@"
    print -rl - $hits
}}
stty -echo
print '<re''ady>'
"""


def zsh(folder: Path, line: str) -> list[str]:
    """What zsh's completion adds at the end of a line: a real zsh on a terminal of its own, in which compadd prints."""
    (folder / "setup.zsh").write_text(SETUP.format(folder=FOLDER))
    environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(folder), "ZDOTDIR": str(folder)}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
    try:
        os.write(terminal, b"source setup.zsh\n")
        _until(terminal, b"<ready>")
        os.write(terminal, line.encode() + b"\t")
        text = _until(terminal, b"<mark>", 2).decode()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    between = text.split("<mark>")[1]
    (folder / "setup.zsh").unlink()
    return [match.strip() for match in between.splitlines() if match.strip()]


def _until(terminal: int, mark: bytes, times: int = 1) -> bytes:
    read = b""
    while read.count(mark) < times:
        readable, _, _ = select.select([terminal], [], [], 60)
        assert readable, read
        read += os.read(terminal, 65536)
    return read


COMPLETERS = {"bash": lambda folder, line: bash(folder, *line.split(" ")[1:]), "zsh": zsh, "fish": fish}
LINES = {
    "magictel che": {"check"},
    "magictel check ": {*builtin_exporters.BUILT_IN, *OFFICIAL, "prod-es"},
    "magictel check --sandb": {"--sandbox", "--sandbox-bare"},
    "magictel list --format ": {"json", "text"},
    "magictel config ": {"check", "show"},
    "magictel remove ": {"prod-es"},
    "magictel replay @": {"@node", "@gateway"},
    "magictel replay traf": {"traffic.jsonl"},
    "magictel replay --to pro": {"prometheus", "prometheus-remote-write", "prod-es"},
    "magictel replay --on-error ": {"stop", "skip"},
    "magictel check --report ": {f"{kind}=" for kind in KINDS},
    "magictel check --skip tls.exp": {code for code in codes() if code.startswith("tls.exp")},
    "magictel explain tls.exp": {code for code in codes() if code.startswith("tls.exp")},
    "magictel completion ": {"bash", "zsh", "fish"},
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("shell", COMPLETERS)
def test_the_real_shell_completes(shell: str, line: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here: apt-get install {shell}")
    (tmp_path / "magictel.toml").write_text('# [targets.no]\n[targets.prod-es]\nexporter = "x"\n')
    (tmp_path / "traffic.jsonl").write_text("")
    assert {match.rstrip(" ") for match in COMPLETERS[shell](tmp_path, line)} == LINES[line]


@pytest.mark.parametrize("shell", COMPLETERS)
def test_a_report_is_completed_to_a_file(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here: apt-get install {shell}")
    (tmp_path / "traffic.jsonl").write_text("")
    if shell == "bash":  # splits words at =
        assert bash(tmp_path, "check", "--report", "junit", "=", "traf") == ["traffic.jsonl"]
        assert bash(tmp_path, "check", "--report", "junit", "=") == ["traffic.jsonl"]
    else:
        (match,) = COMPLETERS[shell](tmp_path, "magictel check --report junit=traf")
        assert match.endswith("traffic.jsonl")
