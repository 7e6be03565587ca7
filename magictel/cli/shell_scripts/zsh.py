"""The completion script for zsh."""

from __future__ import annotations

from collections.abc import Iterator

from magictel.catalogue.builtin_exporters import BUILT_IN
from magictel.catalogue.pages import codes
from magictel.cli.commands import COMMANDS
from magictel.cli.shell_scripts.spelled import GENERATED, RECORDINGS, Flag, Spelled, identifier, single_quoted
from magictel.guide.topics import TOPICS
from magictel.reporters.formats import KINDS


def zsh(commands: tuple[Spelled, ...]) -> str:
    """Return the script for zsh."""
    lines = [
        "#compdef magictel",
        f"# magictel completion for zsh. {GENERATED}",
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
        f"_magictel_codes() {{ compadd -- {' '.join(codes(plugins=False))} }}",
        f"_magictel_recordings() {{ compadd -- {' '.join(RECORDINGS)}; _files }}",
        "_magictel_reports() {",
        f"    if compset -P '*='; then _files; else compadd -S '' -- {' '.join(f'{kind}=' for kind in KINDS)}; fi",
        "}",
        "",
    ]
    for spelled in commands:
        if spelled.under:
            lines += _group(spelled, commands)
        else:
            lines += [f"_magictel_{identifier(spelled.words)}() {{", "    _arguments \\"]
            lines += [f"        {spec} \\" for flag in spelled.flags for spec in _flag(flag)]
            action = {
                "targets": "'*:target:_magictel_any'",
                "target": "'1:target:_magictel_targets'",
                "exporter": "'1:exporter:_magictel_any'",
                "code": "'1:code:_magictel_codes'",
                "recordings": "'*:recording:_magictel_recordings'",
                "shell": "'1:shell:(bash zsh fish)'",
                "topic": f"'1:topic:({' '.join(TOPICS)})'",
            }.get(spelled.takes, "")
            lines += [f"        {action}" if action else "        && return", "}", ""]
    described = [f"        {single_quoted(f'{command.name}:{command.summary}')}" for command in COMMANDS]
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


def _group(group: Spelled, commands: tuple[Spelled, ...]) -> list[str]:
    under = [other for other in commands if other.words[:-1] == group.words]
    described = [f"        {single_quoted(f'{other.words[-1]}:{other.summary}')}" for other in under]
    return [
        f"_magictel_{identifier(group.words)}() {{",
        "    local -a commands=(",
        *described,
        "    )",
        "    if (( CURRENT == 2 )); then _describe command commands; return; fi",
        f"    local name=_magictel_{identifier(group.words)}_${{words[2]//-/_}}",
        "    (( $+functions[$name] )) || return",
        "    shift words; (( CURRENT-- ))",
        "    $name",
        "}",
        "",
    ]


def _flag(flag: Flag) -> Iterator[str]:
    actions = {
        "none": "",
        "any": ":value: ",
        "file": ":file:_files",
        "choice": f":value:({' '.join(flag.choices)})",
        "targets": ":target:_magictel_any",
        "code": ":code:_magictel_codes",
        "report": ":report:_magictel_reports",
    }
    sentence = flag.help.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    for name in flag.names:
        yield single_quoted(f"{'*' if flag.again else ''}{name}[{sentence}]{actions[flag.value]}")
