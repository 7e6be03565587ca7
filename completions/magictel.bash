# magictel completion for bash. Made by `python -m magictel.cli.shell_scripts`: static, no Python at TAB; a test keeps it fresh.
# Load it with:  source magictel.bash
_magictel_exporters='elasticsearch opensearch prometheus-remote-write console file'
_magictel_codes='clock.drift clock.skew clock.unreadable config.credentials config.file.missing config.file.shape config.file.syntax config.file.unreadable config.file.unwritable config.key.duplicate config.nothing-enabled config.proxy.bad-scheme config.proxy.bad-url config.quotes config.required config.secret.empty config.secret.file config.secret.non-ascii config.secret.whitespace config.target.duplicate config.target.name config.tls.ca-file config.tls.client-cert config.tls.fingerprint config.tls.minimum-version config.unknown-key config.unknown-target config.untrusted-file config.url.bad-host config.url.bad-path config.url.bad-port config.url.bad-scheme config.url.empty config.url.no-host config.url.no-scheme config.url.query config.url.separator config.url.unexpanded-variable config.url.userinfo config.url.whitespace config.value config.variable-unset config.warning console.closed console.stuck delivery.breaker-open delivery.deadline delivery.impossible-point delivery.no-fork delivery.outbox-full delivery.rate-limit delivery.shutdown diagnose.unrecognised es.auth.api-key-encoding es.auth.api-key-expired es.auth.api-key-invalid es.auth.api-key-invalidated es.auth.api-key-unknown es.auth.bad-password es.auth.missing es.auth.refused es.auth.unknown es.authz.auto-create es.authz.bulk es.authz.monitor es.client.version es.health.no-master es.health.red es.health.serverless es.health.timed-out es.health.unreadable es.health.yellow es.http.wrong-port es.mapping.date es.mapping.float es.mapping.long es.mapping.narrow es.mapping.text es.mapping.unprepared es.product.other es.product.too-old es.product.unknown es.read.forbidden es.read.never-refreshed es.read.no-delete es.read.no-index es.read.not-yet-visible es.read.partial es.read.refused es.read.unavailable es.read.unsearchable es.tls.http-on-https-port es.url.path es.write.alias es.write.blocked es.write.breaker es.write.content-type es.write.duplicate es.write.dynamic-template es.write.elsewhere es.write.failure-store es.write.field-limit es.write.field-name es.write.flood-stage es.write.index-closed es.write.index-name es.write.long-value es.write.mapping-strict es.write.mapping-type es.write.no-auto-create es.write.no-verdict es.write.out-of-range es.write.pipeline es.write.pipeline-drop es.write.queue-full es.write.refused es.write.require-data-stream-old es.write.server-error es.write.shard-limit es.write.shard-unavailable es.write.time-series-id es.write.too-large es.write.tsdb-dimension es.write.tsdb-window es.write.unprovable es.write.wrong-path file.failed file.full file.is-directory file.little-room file.no-directory file.permission file.unreadable http.aws.unsigned http.bad-encoding http.bad-gateway http.discarded http.forbidden http.grpc-port http.header-too-large http.malformed-reply http.method http.not-a-backend http.not-found http.not-http http.other-product http.protocol http.proxy.auth http.proxy.down http.proxy.refused http.redirect http.refused http.reply-too-large http.server-error http.throttled http.timeout http.tls-port http.too-large http.truncated http.unauthorized http.unconfirmed http.unknown-status http.write-path internal.error internal.export internal.probe internal.target mimir.label-limit mimir.org-id mimir.rate mimir.refused mimir.token net.dns.not-found net.dns.timeout net.http.closed net.http.read-timeout net.http.write-timeout net.tcp.refused net.tcp.reset net.tcp.timeout net.tcp.unreachable os.auth.unauthorized os.authz.denied os.aws.unsigned os.write.unprovable otlp.number plugin.broken plugin.dependency plugin.duplicate plugin.group plugin.interface plugin.name plugin.not-installed plugin.other-environment plugin.slow plugin.unknown plugin.unregistered prom.health.forbidden prom.health.not-ready prom.otlp.delta prom.otlp.disabled prom.read.failed prom.read.forbidden prom.read.no-query-api prom.rw.buckets prom.rw.collision prom.rw.delta prom.rw.disabled prom.rw.duplicate prom.rw.exponential prom.rw.future prom.rw.get prom.rw.labels prom.rw.loss-labels prom.rw.media-type prom.rw.name prom.rw.native prom.rw.number prom.rw.out-of-bounds prom.rw.out-of-order prom.rw.partial prom.rw.path prom.rw.protobuf prom.rw.replica prom.rw.snappy prom.rw.too-large prom.rw.too-old run.interrupted run.terminated sandbox.fault-for-none sandbox.fault-script sandbox.fault-without-name sandbox.port sandbox.unknown-emulator source.bomb source.broken-line source.damaged source.doubtful source.empty source.format source.impossible-point source.line-too-long source.scrape source.truncated source.unreadable tls.certificate-refused tls.client-cert-rejected tls.client-cert-required tls.closed tls.expired tls.expires-soon tls.handshake tls.handshake-timeout tls.hostname-mismatch tls.not-yet-valid tls.pin-mismatch tls.plaintext-server tls.protocol-version tls.self-signed tls.unknown-ca tls.unverified usage.attribute usage.command-line usage.emulator usage.file-exists usage.filter usage.guard usage.on-error usage.record usage.recording usage.report usage.run usage.set usage.shift usage.skip usage.speed usage.target-exists usage.target-shadows usage.unknown-code usage.unknown-law usage.unknown-target usage.unknown-topic verify.altered verify.clean-partial verify.count verify.delay-beyond-within verify.duplicated verify.lost verify.no-clean verify.nothing-sent verify.rejected verify.undelivered verify.unreadable verify.unsupported verify.unverified vm.loss.labels vm.read.latency'
_magictel_reports='json= junit= tap= github= nagios= prometheus= html='

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
        if [[ -z $command ]]; then command=$word; [[ $command == config ]] || break
        else command="$command $word"; break; fi
    done
    case "$command:$previous" in
        "list:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "list:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "describe:--set") :; return ;;
        "describe:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "describe:--format") COMPREPLY=($(compgen -W 'text json toml json-schema' -- "$current")); return ;;
        "init:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "init:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "add:--as") :; return ;;
        "add:--set") :; return ;;
        "add:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "add:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "remove:--set") :; return ;;
        "remove:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "remove:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "enable:--set") :; return ;;
        "enable:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "enable:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "disable:--set") :; return ;;
        "disable:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "disable:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "config show:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "config show:--set") :; return ;;
        "config show:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "config check:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "config check:--set") :; return ;;
        "config check:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "check:--until") COMPREPLY=($(compgen -W 'config dns tcp tls http auth clock health write round-trip' -- "$current")); return ;;
        "check:--skip") COMPREPLY=($(compgen -W "$_magictel_codes" -- "$current")); return ;;
        "check:--wait") :; return ;;
        "check:--timeout") :; return ;;
        "check:--allow") COMPREPLY=($(compgen -W 'read-only empty-write canary-write' -- "$current")); return ;;
        "check:--jobs") :; return ;;
        "check:--format") COMPREPLY=($(compgen -W 'text json junit tap github nagios prometheus html' -- "$current")); return ;;
        "check:--report") compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -W "$_magictel_reports" -- "$current")); return ;;
        "check:--set") :; return ;;
        "check:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "send-sample:--run") :; return ;;
        "send-sample:--attribute") :; return ;;
        "send-sample:--within") :; return ;;
        "send-sample:--deadline") :; return ;;
        "send-sample:--timeout") :; return ;;
        "send-sample:--jobs") :; return ;;
        "send-sample:--format") COMPREPLY=($(compgen -W 'text json junit tap github nagios prometheus html' -- "$current")); return ;;
        "send-sample:--report") compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -W "$_magictel_reports" -- "$current")); return ;;
        "send-sample:--set") :; return ;;
        "send-sample:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "replay:--to") COMPREPLY=($(compgen -W "$_magictel_exporters $(_magictel_targets)" -- "$current")); return ;;
        "replay:--shift") COMPREPLY=($(compgen -W 'now keep 90s' -- "$current")); return ;;
        "replay:--speed") COMPREPLY=($(compgen -W '1 10 max' -- "$current")); return ;;
        "replay:--loop") :; return ;;
        "replay:--filter") :; return ;;
        "replay:--from-point") :; return ;;
        "replay:--on-error") COMPREPLY=($(compgen -W 'stop skip' -- "$current")); return ;;
        "replay:--within") :; return ;;
        "replay:--deadline") :; return ;;
        "replay:--timeout") :; return ;;
        "replay:--format") COMPREPLY=($(compgen -W 'text json junit tap github nagios prometheus html' -- "$current")); return ;;
        "replay:--report") compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -W "$_magictel_reports" -- "$current")); return ;;
        "replay:--set") :; return ;;
        "replay:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "record:--from") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "record:--out") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "record:--every") :; return ;;
        "record:--for") :; return ;;
        "record:--redact") :; return ;;
        "record:--drop") :; return ;;
        "record:--on-error") COMPREPLY=($(compgen -W 'stop skip' -- "$current")); return ;;
        "record:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "prepare:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "prepare:--set") :; return ;;
        "prepare:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "diagnose:--status") :; return ;;
        "diagnose:--header") :; return ;;
        "diagnose:--body") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "diagnose:--text") :; return ;;
        "diagnose:--during") COMPREPLY=($(compgen -W 'auth health write read' -- "$current")); return ;;
        "diagnose:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "diagnose:--set") :; return ;;
        "diagnose:--config") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        "explain:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "guide:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "doctor:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "conformance:--law") :; return ;;
        "conformance:--seed") :; return ;;
        "conformance:--emulator") :; return ;;
        "conformance:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        "conformance:--report") compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -W "$_magictel_reports" -- "$current")); return ;;
        "sandbox:--fault") :; return ;;
        "sandbox:--for") :; return ;;
        "sandbox:--only") :; return ;;
        "sandbox:--port") :; return ;;
        "sandbox:--format") COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    esac
    case "$command" in
        '') flags='--version --help' names='list describe init add remove enable disable config check send-sample replay record prepare diagnose explain guide doctor conformance completion sandbox' ;;
        'list') flags='--all --config --format --help' names='' ;;
        'describe') flags='--set --config --format --help' names="$_magictel_exporters $(_magictel_targets)" ;;
        'init') flags='--config --dry-run --format --help' names='' ;;
        'add') flags='--as --set --config --allow-missing-env --dry-run --format --help' names="$_magictel_exporters $(_magictel_targets)" ;;
        'remove') flags='--set --config --dry-run --format --help' names="$(_magictel_targets)" ;;
        'enable') flags='--set --config --allow-missing-env --dry-run --format --help' names="$(_magictel_targets)" ;;
        'disable') flags='--set --config --allow-missing-env --dry-run --format --help' names="$(_magictel_targets)" ;;
        'config') flags='--help' names='show check' ;;
        'config show') flags='--origin --all --config --set --format --help' names="$_magictel_exporters $(_magictel_targets)" ;;
        'config check') flags='--all --config --set --allow-missing-env --format --help' names="$_magictel_exporters $(_magictel_targets)" ;;
        'check') flags='--all --until --skip --wait --timeout --strict --allow --round-trip --jobs --force --sandbox --sandbox-bare --quiet --debug --format --report --set --config --help' names="$_magictel_exporters $(_magictel_targets)" ;;
        'send-sample') flags='--all --no-verify --thorough --dry-run --clean --run --attribute --within --deadline --timeout --force --timing --strict --jobs --sandbox --sandbox-bare --quiet --debug --format --report --set --config --help' names="$_magictel_exporters $(_magictel_targets)" ;;
        'replay') flags='--to --all --shift --speed --loop --filter --from-point --on-error --dry-run --verify --no-verify --within --deadline --timeout --force --timing --strict --sandbox --sandbox-bare --quiet --debug --format --report --set --config --help' names='@node @gateway -' ;;
        'record') flags='--from --out --every --for --redact --drop --on-error --debug --format --help' names='' ;;
        'prepare') flags='--apply --sandbox --debug --format --set --config --help' names="$(_magictel_targets)" ;;
        'diagnose') flags='--status --header --body --text --during --format --set --config --help' names="$_magictel_exporters $(_magictel_targets)" ;;
        'explain') flags='--list --format --help' names="$_magictel_codes" ;;
        'guide') flags='--format --help' names='quickstart commands settings security ci application replay sandbox-and-faults troubleshooting retry-classes writing-an-exporter benchmark architecture contributing words' ;;
        'doctor') flags='--strict --format --help' names="$_magictel_exporters $(_magictel_targets)" ;;
        'conformance') flags='--law --seed --emulator --strict --verbose --format --report --help' names="$_magictel_exporters $(_magictel_targets)" ;;
        'completion') flags='--help' names='bash zsh fish' ;;
        'sandbox') flags='--fault --for --only --port --bare --format --help' names='' ;;
        *) return ;;
    esac
    if [[ $command == replay && $current != -* ]]; then
        compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -W "$names" -- "$current")); return
    fi
    [[ $current == -* || -z ${names// } ]] && names=$flags
    COMPREPLY=($(compgen -W "$names" -- "$current"))
}
complete -F _magictel magictel
