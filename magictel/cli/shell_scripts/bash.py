"""The completion script for bash."""

from __future__ import annotations

from magictel.catalogue.builtin_exporters import BUILT_IN
from magictel.catalogue.pages import codes
from magictel.cli.commands import COMMANDS
from magictel.cli.shell_scripts.spelled import GENERATED, RECORDINGS, Spelled
from magictel.guide.topics import TOPICS
from magictel.reporters.formats import KINDS

_FILES = 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current"))'


def bash(commands: tuple[Spelled, ...]) -> str:
    """Return the script for bash."""
    groups = " ".join(command.words[0] for command in commands if command.under)
    lines = [
        f"# magictel completion for bash. {GENERATED}",
        "# Load it with:  source magictel.bash",
        f"_magictel_exporters='{' '.join(BUILT_IN)}'",
        f"_magictel_codes='{' '.join(codes(plugins=False))}'",
        f"_magictel_reports='{' '.join(f'{kind}=' for kind in KINDS)}'",
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
        "    # bash splits words at =: 'junit=out.xml' behind --report is three words.",
        "    if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi",
        "    if [[ ${COMP_WORDS[COMP_CWORD-1]} == = || ${COMP_WORDS[COMP_CWORD]} == = ]] && [[ $_magictel_reports == *$previous=* ]]; then",
        '        compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return',
        "    fi",
        "    for ((number = 1; number < COMP_CWORD; number++)); do",
        "        word=${COMP_WORDS[number]}",
        "        [[ $word == -* ]] && continue",
        f"        if [[ -z $command ]]; then command=$word; [[ ' {groups} ' == *\" $command \"* ]] || break",
        '        else command="$command $word"; break; fi',
        "    done",
        '    case "$command:$previous" in',
    ]
    for command in commands:
        for flag in command.flags:
            if flag.value == "none":
                continue
            pattern = " | ".join(f'"{" ".join(command.words)}:{name}"' for name in flag.names)
            if flag.value == "choice":
                action = f"COMPREPLY=($(compgen -W '{' '.join(flag.choices)}' -- \"$current\"))"
            elif flag.value == "file":
                action = _FILES
            elif flag.value == "targets":
                action = 'COMPREPLY=($(compgen -W "$_magictel_exporters $(_magictel_targets)" -- "$current"))'
            elif flag.value == "code":
                action = 'COMPREPLY=($(compgen -W "$_magictel_codes" -- "$current"))'
            elif flag.value == "report":
                action = 'compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -W "$_magictel_reports" -- "$current"))'
            else:
                action = ":"
            lines.append(f"        {pattern}) {action}; return ;;")
    lines += ["    esac", '    case "$command" in']
    names = " ".join(command.name for command in COMMANDS)
    lines.append(f"        '') flags='--version --help' names='{names}' ;;")
    for command in commands:
        flags = " ".join(name for flag in command.flags for name in flag.names if name.startswith("--")) or "--help"
        arguments = {
            "targets": '"$_magictel_exporters $(_magictel_targets)"',
            "target": '"$(_magictel_targets)"',
            "exporter": '"$_magictel_exporters $(_magictel_targets)"',
            "code": '"$_magictel_codes"',
            "recordings": f"'{' '.join(RECORDINGS)}'",
            "shell": "'bash zsh fish'",
            "topic": f"'{' '.join(TOPICS)}'",
        }.get(command.takes, f"'{' '.join(command.under)}'")
        lines.append(f"        '{' '.join(command.words)}') flags='{flags}' names={arguments} ;;")
    lines += [
        "        *) return ;;",
        "    esac",
        "    if [[ $command == replay && $current != -* ]]; then",
        '        compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -W "$names" -- "$current")); return',
        "    fi",
        "    [[ $current == -* || -z ${names// } ]] && names=$flags",
        '    COMPREPLY=($(compgen -W "$names" -- "$current"))',
        "}",
        "complete -F _magictel magictel",
        "",
    ]
    return "\n".join(lines)
