"""The completions for bash, zsh and fish, made from the commands themselves: static files, no Python at TAB.

`python -m magictel.cli.completion` writes them into a folder (default `completions`); a test keeps them fresh.
Names of targets are read from `magictel.toml` by the shell itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from magictel.builtin import BUILT_IN
from magictel.catalogue.pages import codes
from magictel.cli import table
from magictel.cli.table import Takes

SHELLS = ("bash", "zsh", "fish")
Value = Literal["none", "any", "file", "choice"]
_MADE = "Made by `python -m magictel.cli.completion`: static, no Python at TAB; a test keeps it fresh."
_FILES = frozenset({"--config"})


@dataclass(frozen=True, slots=True)
class Flag:
    """One option of a command: its spellings, its sentence, what its value is, whether it may come again."""

    names: tuple[str, ...]
    help: str
    value: Value
    choices: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Spelled:
    """A command by its words (`config show`), what its arguments are, its flags, and the commands under it."""

    words: tuple[str, ...]
    summary: str
    takes: Takes
    flags: tuple[Flag, ...]
    under: tuple[str, ...] = field(default=())


def spelled() -> tuple[Spelled, ...]:
    """Every command, with those under another behind it. Imports them all."""
    return tuple(one for command in table.COMMANDS for one in _spell(command, table.load(command)))


def script(shell: str, commands: tuple[Spelled, ...] | None = None) -> str:
    """The completion script of a shell."""
    makers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return makers[shell](spelled() if commands is None else commands)


def write(folder: Path) -> None:
    """Write all three scripts into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    commands = spelled()
    for shell in SHELLS:
        (folder / f"magictel.{shell}").write_text(script(shell, commands), "utf-8")


def _spell(command: table.Command, loaded: Any) -> Iterator[Spelled]:
    under = getattr(loaded, "commands", None)
    if under is None:
        yield Spelled((command.name,), command.summary, command.takes, _flags(loaded))
        return
    yield Spelled((command.name,), command.summary, "nothing", (), tuple(under))
    for name, one in under.items():
        summary = (one.help or "").partition("\n")[0]
        yield Spelled((command.name, name), summary, "targets", _flags(one))


def _flags(command: Any) -> tuple[Flag, ...]:
    found = []
    for one in command.params:
        if one.param_type_name != "option" or one.hidden:
            continue
        names = tuple(one.opts)
        choices = tuple(str(getattr(choice, "value", choice)) for choice in getattr(one.type, "choices", ()))
        value: Value = "none" if one.is_flag else "any"
        if choices:
            value = "choice"
        elif _FILES & set(names):
            value = "file"
        sentence = " ".join((one.help or "").split())
        found.append(Flag(names, sentence, value, choices, bool(one.multiple)))
        if one.secondary_opts:
            found.append(Flag(tuple(one.secondary_opts), sentence, "none"))
    return (*found, Flag(("-h", "--help"), "Show help and exit.", "none"))


# ---- bash ------------------------------------------------------------------------------------------------------------


def _bash(commands: tuple[Spelled, ...]) -> str:
    lines = [
        f"# magictel completion for bash. {_MADE}",
        "# Load it with:  source magictel.bash",
        f"_magictel_exporters='{' '.join(BUILT_IN)}'",
        f"_magictel_codes='{' '.join(codes())}'",
        "",
        "_magictel_targets() {",
        "    local line file=${MAGICTEL_CONFIG:-magictel.toml}",
        "    [[ -r $file ]] || return",
        "    while IFS= read -r line; do",
        '        [[ $line =~ ^[[:space:]]*\\[targets\\.\\"?([A-Za-z0-9_-]+)\\"?\\] ]] && printf \'%s \' "${BASH_REMATCH[1]}"',
        '    done < "$file"',
        "}",
        "",
        "_magictel() {",
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= flags= names= word number",
        "    COMPREPLY=()",
        "    if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi",
        "    for ((number = 1; number < COMP_CWORD; number++)); do",
        "        word=${COMP_WORDS[number]}",
        "        [[ $word == -* ]] && continue",
        "        if [[ -z $command ]]; then command=$word; [[ $command == config ]] || break",
        '        else command="$command $word"; break; fi',
        "    done",
        '    case "$command:$previous" in',
    ]
    for one in commands:
        for flag in one.flags:
            if flag.value == "none":
                continue
            pattern = " | ".join(f'"{" ".join(one.words)}:{name}"' for name in flag.names)
            if flag.value == "choice":
                action = f"COMPREPLY=($(compgen -W '{' '.join(flag.choices)}' -- \"$current\"))"
            elif flag.value == "file":
                action = 'compopt -o default; COMPREPLY=($(compgen -f -- "$current"))'
            else:
                action = ":"
            lines.append(f"        {pattern}) {action}; return ;;")
    lines += ["    esac", '    case "$command" in']
    names = " ".join(command.name for command in table.COMMANDS)
    lines.append(f"        '') flags='--version --help' names='{names}' ;;")
    for one in commands:
        flags = " ".join(name for flag in one.flags for name in flag.names if name.startswith("--")) or "--help"
        arguments = {
            "targets": '"$_magictel_exporters $(_magictel_targets)"',
            "target": '"$(_magictel_targets)"',
            "exporter": '"$_magictel_exporters $(_magictel_targets)"',
            "code": '"$_magictel_codes"',
        }.get(one.takes, f"'{' '.join(one.under)}'")
        lines.append(f"        '{' '.join(one.words)}') flags='{flags}' names={arguments} ;;")
    lines += [
        "        *) return ;;",
        "    esac",
        "    [[ $current == -* || -z ${names// } ]] && names=$flags",
        '    COMPREPLY=($(compgen -W "$names" -- "$current"))',
        "}",
        "complete -F _magictel magictel",
        "",
    ]
    return "\n".join(lines)


# ---- zsh -------------------------------------------------------------------------------------------------------------


def _zsh(commands: tuple[Spelled, ...]) -> str:
    lines = [
        "#compdef magictel",
        f"# magictel completion for zsh. {_MADE}",
        "# Put it as _magictel into a folder of $fpath, or load it with:  source magictel.zsh",
        "",
        "_magictel_targets() {",
        "    local file=${MAGICTEL_CONFIG:-magictel.toml} line",
        "    local -a found",
        "    [[ -r $file ]] && while IFS= read -r line; do",
        "        [[ $line =~ '^[[:space:]]*\\[targets\\.\"?([A-Za-z0-9_-]+)\"?\\]' ]] && found+=($match[1])",
        "    done < $file",
        "    compadd -- $found",
        "}",
        f"_magictel_exporters() {{ compadd -- {' '.join(BUILT_IN)} }}",
        "_magictel_any() { _magictel_targets; _magictel_exporters }",
        f"_magictel_codes() {{ compadd -- {' '.join(codes())} }}",
        "",
    ]
    for one in commands:
        if one.under:
            lines += _zsh_group(one, commands)
        else:
            lines += [f"_magictel_{_identifier(one.words)}() {{", "    _arguments \\"]
            lines += [f"        {spec} \\" for flag in one.flags for spec in _zsh_flag(flag)]
            action = {
                "targets": "'*:target:_magictel_any'",
                "target": "'1:target:_magictel_targets'",
                "exporter": "'1:exporter:_magictel_any'",
                "code": "'1:code:_magictel_codes'",
            }.get(one.takes, "")
            lines += [f"        {action}" if action else "        && return", "}", ""]
    described = [f"        {_single(f'{command.name}:{command.summary}')}" for command in table.COMMANDS]
    lines += [
        "_magictel() {",
        "    local -a commands=(",
        *described,
        "    )",
        "    if (( CURRENT == 2 )); then",
        "        _describe command commands",
        "        compadd -- --version --help",
        "        return",
        "    fi",
        "    local name=_magictel_${words[2]//-/_}",
        "    (( $+functions[$name] )) || return",
        "    shift words; (( CURRENT-- ))",
        "    $name",
        "}",
        'if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _magictel "$@"; else compdef _magictel magictel; fi',
        "",
    ]
    return "\n".join(lines)


def _zsh_group(one: Spelled, commands: tuple[Spelled, ...]) -> list[str]:
    under = [other for other in commands if other.words[:-1] == one.words]
    described = [f"        {_single(f'{other.words[-1]}:{other.summary}')}" for other in under]
    return [
        f"_magictel_{_identifier(one.words)}() {{",
        "    local -a commands=(",
        *described,
        "    )",
        "    if (( CURRENT == 2 )); then _describe command commands; return; fi",
        f"    local name=_magictel_{_identifier(one.words)}_${{words[2]//-/_}}",
        "    (( $+functions[$name] )) || return",
        "    shift words; (( CURRENT-- ))",
        "    $name",
        "}",
        "",
    ]


def _zsh_flag(flag: Flag) -> Iterator[str]:
    actions = {"none": "", "any": ":value: ", "file": ":file:_files", "choice": f":value:({' '.join(flag.choices)})"}
    sentence = flag.help.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    for name in flag.names:
        yield _single(f"{'*' if flag.again else ''}{name}[{sentence}]{actions[flag.value]}")


# ---- fish ------------------------------------------------------------------------------------------------------------


def _fish(commands: tuple[Spelled, ...]) -> str:
    lines = [
        f"# magictel completion for fish. {_MADE}",
        "# Put it as magictel.fish into ~/.config/fish/completions.",
        "",
        "function __magictel_targets",
        "    set -l file magictel.toml",
        "    set -q MAGICTEL_CONFIG; and set file $MAGICTEL_CONFIG",
        "    test -r $file; or return",
        "    while read -l line",
        "        string replace -rf '^\\s*\\[targets\\.\"?([A-Za-z0-9_-]+)\"?\\].*' '$1' -- $line",
        "    end <$file",
        "end",
        "",
        "complete -c magictel -f",
        "complete -c magictel -n __fish_use_subcommand -l version -d 'Show the version.'",
        "complete -c magictel -n __fish_use_subcommand -s h -l help -d 'Show help and exit.'",
    ]
    lines += [
        f"complete -c magictel -n __fish_use_subcommand -a {command.name} -d {_single(command.summary)}"
        for command in table.COMMANDS
    ]
    for one in commands:
        condition = _single(_fish_condition(one, commands))
        start = f"complete -c magictel -n {condition}"
        for name in one.under:
            summary = next(other.summary for other in commands if other.words == (*one.words, name))
            lines.append(f"{start} -a {name} -d {_single(summary)}")
        arguments = {
            "targets": f"(__magictel_targets) {' '.join(BUILT_IN)}",
            "target": "(__magictel_targets)",
            "exporter": f"(__magictel_targets) {' '.join(BUILT_IN)}",
            "code": " ".join(codes()),
        }.get(one.takes)
        if arguments:
            lines.append(f'{start} -a "{arguments}"')
        for flag in one.flags:
            spelling = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names)
            value = {"none": "", "any": " -x", "file": " -r -F", "choice": f" -x -a '{' '.join(flag.choices)}'"}
            lines.append(f"{start} {spelling}{value[flag.value]} -d {_single(flag.help)}")
    return "\n".join(lines) + "\n"


def _fish_condition(one: Spelled, commands: tuple[Spelled, ...]) -> str:
    first = f"__fish_seen_subcommand_from {one.words[0]}"
    if len(one.words) > 1:
        return f"{first}; and __fish_seen_subcommand_from {one.words[1]}"
    return f"{first}; and not __fish_seen_subcommand_from {' '.join(one.under)}" if one.under else first


def _identifier(words: tuple[str, ...]) -> str:
    return "_".join(words).replace("-", "_")


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "completions"))
