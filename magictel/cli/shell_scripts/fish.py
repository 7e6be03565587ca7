"""The completion script for fish."""

from __future__ import annotations

from magictel.catalogue.builtin_exporters import BUILT_IN
from magictel.catalogue.pages import codes
from magictel.cli.commands import COMMANDS
from magictel.cli.shell_scripts.spelled import GENERATED, RECORDINGS, Spelled, single_quoted
from magictel.guide.topics import TOPICS
from magictel.reporters.formats import KINDS


def fish(commands: tuple[Spelled, ...]) -> str:
    """Return the script for fish."""
    lines = [
        f"# magictel completion for fish. {GENERATED}",
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
        "function __magictel_report_files",
        "    set -l word (string split -m1 = -- (commandline -ct))",
        "    set -q word[2]; and printf '%s\\n' $word[1]=(__fish_complete_path $word[2] | string replace -r '\\t.*' '')",
        "end",
        "",
        "complete -c magictel -f",
        "complete -c magictel -n __fish_use_subcommand -l version -d 'Show the version.'",
        "complete -c magictel -n __fish_use_subcommand -s h -l help -d 'Show help and exit.'",
    ]
    lines += [
        f"complete -c magictel -n __fish_use_subcommand -a {command.name} -d {single_quoted(command.summary)}"
        for command in COMMANDS
    ]
    for command in commands:
        condition = single_quoted(_condition(command, commands))
        start = f"complete -c magictel -n {condition}"
        for name in command.under:
            summary = next(other.summary for other in commands if other.words == (*command.words, name))
            lines.append(f"{start} -a {name} -d {single_quoted(summary)}")
        arguments = {
            "targets": f"(__magictel_targets) {' '.join(BUILT_IN)}",
            "target": "(__magictel_targets)",
            "exporter": f"(__magictel_targets) {' '.join(BUILT_IN)}",
            "code": " ".join(codes(plugins=False)),
            "recordings": " ".join(RECORDINGS),
            "shell": "bash zsh fish",
            "topic": " ".join(TOPICS),
        }.get(command.takes)
        if arguments:
            files = " -F" if command.takes == "recordings" else ""
            lines.append(f'{start}{files} -a "{arguments}"')
        for flag in command.flags:
            spelling = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names)
            value = {
                "none": "",
                "any": " -x",
                "file": " -r -F",
                "choice": f" -x -a '{' '.join(flag.choices)}'",
                "targets": f" -x -a '(__magictel_targets) {' '.join(BUILT_IN)}'",
                "code": f" -x -a '{' '.join(codes(plugins=False))}'",
                "report": f" -x -a '{' '.join(f'{kind}=' for kind in KINDS)} (__magictel_report_files)'",
            }
            lines.append(f"{start} {spelling}{value[flag.value]} -d {single_quoted(flag.help)}")
    return "\n".join(lines) + "\n"


def _condition(command: Spelled, commands: tuple[Spelled, ...]) -> str:
    first = f"__fish_seen_subcommand_from {command.words[0]}"
    if len(command.words) > 1:
        return f"{first}; and __fish_seen_subcommand_from {command.words[1]}"
    return f"{first}; and not __fish_seen_subcommand_from {' '.join(command.under)}" if command.under else first
