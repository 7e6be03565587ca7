# magictel completion for bash. @generated@
# Load it with:  source magictel.bash
_magictel_exporters='@exporters@'
_magictel_codes='@codes@'
_magictel_reports='@reports@'

_magictel_targets() {
    local line file=${MAGICTEL_CONFIG:-magictel.toml}
    [[ -r $file ]] || return
    while IFS= read -r line; do
        [[ $line =~ ^[[:space:]]*\[targets\.\"?([A-Za-z0-9_-]+)\"?\] ]] && printf '%s ' "${BASH_REMATCH[1]}"
    done < "$file"
}

_magictel() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= flags= names= word number
    COMPREPLY=()
    # bash splits words at =: 'junit=out.xml' behind --report is three words.
    if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi
    if [[ ${COMP_WORDS[COMP_CWORD-1]} == = || ${COMP_WORDS[COMP_CWORD]} == = ]] && [[ $_magictel_reports == *$previous=* ]]; then
        compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return
    fi
    for ((number = 1; number < COMP_CWORD; number++)); do
        word=${COMP_WORDS[number]}
        [[ $word == -* ]] && continue
        if [[ -z $command ]]; then command=$word; [[ ' @groups@ ' == *" $command "* ]] || break
        else command="$command $word"; break; fi
    done
    case "$command:$previous" in
@values@
    esac
    case "$command" in
        '') flags='--version --help' names='@commands@' ;;
@words@
        *) return ;;
    esac
    if [[ $command == replay && $current != -* ]]; then
        compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -W "$names" -- "$current")); return
    fi
    [[ $current == -* || -z ${names// } ]] && names=$flags
    COMPREPLY=($(compgen -W "$names" -- "$current"))
}
complete -F _magictel magictel
