#compdef magictel
# magictel completion for zsh. @generated@
# Put it as _magictel into a folder of $fpath, or load it with:  source magictel.zsh

_magictel_targets() {
    local file=${MAGICTEL_CONFIG:-magictel.toml} line
    local -a found
    [[ -r $file ]] && while IFS= read -r line; do
        [[ $line =~ '^[[:space:]]*\[targets\."?([A-Za-z0-9_-]+)"?\]' ]] && found+=($match[1])
    done < $file
    compadd -- $found
}
_magictel_exporters() { compadd -- @exporters@ }
_magictel_any() { _magictel_targets; _magictel_exporters }
_magictel_codes() { compadd -- @codes@ }
_magictel_recordings() { compadd -- @recordings@; _files }
_magictel_reports() {
    if compset -P '*='; then _files; else compadd -S '' -- @reports@; fi
}

@functions@
_magictel() {
    local -a commands=(
@commands@
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        compadd -- --version --help
        return
    fi
    local name=_magictel_${words[2]//-/_}
    (( $+functions[$name] )) || return
    shift words; (( CURRENT-- ))
    $name
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _magictel "$@"; else compdef _magictel magictel; fi
