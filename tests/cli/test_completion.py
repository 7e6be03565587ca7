"""The completions: fresh, static, and right in bash itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from magictel import builtin
from magictel.catalogue.pages import codes
from magictel.cli import completion, table

FOLDER = Path(__file__).parent.parent.parent / "completions"


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_file_is_what_the_commands_say_now(shell: str) -> None:
    text = (FOLDER / f"magictel.{shell}").read_text("utf-8")
    assert text == completion.script(shell), "run: python -m magictel.cli.completion"


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_file_starts_no_python(shell: str) -> None:
    for line in (FOLDER / f"magictel.{shell}").read_text("utf-8").splitlines():
        if not line.lstrip().startswith("#"):
            assert "python" not in line
            assert "$(magictel" not in line
            assert "_MAGICTEL_COMPLETE" not in line


def test_every_command_and_every_flag_is_in_every_file() -> None:
    commands = completion.spelled()
    assert {one.words[0] for one in commands} == {command.name for command in table.COMMANDS}
    for shell in completion.SHELLS:
        text = (FOLDER / f"magictel.{shell}").read_text("utf-8")
        for one in commands:
            for flag in one.flags:
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
    assert bash(tmp_path, "") == [command.name for command in table.COMMANDS]
    assert bash(tmp_path, "che") == ["check"]
    assert bash(tmp_path, "check", "") == [*builtin.BUILT_IN, "prod-es", "b2"]
    assert bash(tmp_path, "check", "elasticsearch", "pro") == ["prometheus-remote-write", "prod-es"]
    assert bash(tmp_path, "check", "--sand") == ["--sandbox"]
    assert bash(tmp_path, "list", "--format", "") == ["text", "json"]
    assert bash(tmp_path, "list", "--format", "=", "j") == ["json"]
    assert bash(tmp_path, "check", "--set", "") == []
    assert bash(tmp_path, "config", "") == ["show", "check"]
    assert bash(tmp_path, "config", "show", "--o") == ["--origin"]
    assert bash(tmp_path, "remove", "") == ["prod-es", "b2"]
    assert bash(tmp_path, "explain", "tls.exp") == [code for code in codes() if code.startswith("tls.exp")]
    assert bash(tmp_path, "list", "--config", "magic") == ["magictel.toml"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_can_read_their_files(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here: apt-get install {shell}")
    subprocess.run([shell, "-n", str(FOLDER / f"magictel.{shell}")], check=True)


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here: apt-get install fish")
def test_fish_completes_commands_names_flags_and_values(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text('# [targets.no]\n[targets.prod-es]\nexporter = "x"\n')

    def fish(line: str) -> list[str]:
        script = f"source {FOLDER}/magictel.fish; complete -C '{line}'"
        output = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
        return [found.partition("\t")[0] for found in output.splitlines()]

    assert fish("magictel che") == ["check"]
    assert set(fish("magictel check ")) == {*builtin.BUILT_IN, "prod-es"}
    assert fish("magictel check --sand") == ["--sandbox"]
    assert fish("magictel list --format ") == ["json", "text"]
    assert fish("magictel config ") == ["check", "show"]
    assert fish("magictel remove ") == ["prod-es"]
