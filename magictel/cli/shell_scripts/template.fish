# magictel completion for fish. @generated@
# Put it as magictel.fish into ~/.config/fish/completions.

function __magictel_targets
    set -l file magictel.toml
    set -q MAGICTEL_CONFIG; and set file $MAGICTEL_CONFIG
    test -r $file; or return
    while read -l line
        string replace -rf '^\s*\[targets\."?([A-Za-z0-9_-]+)"?\].*' '$1' -- $line
    end <$file
end

function __magictel_report_files
    set -l word (string split -m1 = -- (commandline -ct))
    set -q word[2]; and printf '%s\n' $word[1]=(__fish_complete_path $word[2] | string replace -r '\t.*' '')
end

complete -c magictel -f
complete -c magictel -n __fish_use_subcommand -l version -d 'Show the version.'
complete -c magictel -n __fish_use_subcommand -s h -l help -d 'Show help and exit.'
@commands@
