#compdef magictel
# magictel completion for zsh. Made by `python -m magictel.cli.shell_scripts`: static, no Python at TAB; a test keeps it fresh.
# Put it as _magictel into a folder of $fpath, or load it with:  source magictel.zsh

_magictel_targets() {
    local file=${MAGICTEL_CONFIG:-magictel.toml} line
    local -a found
    [[ -r $file ]] && while IFS= read -r line; do
        [[ $line =~ '^[[:space:]]*\[targets\."?([A-Za-z0-9_-]+)"?\]' ]] && found+=($match[1])
    done < $file
    compadd -- $found
}
_magictel_exporters() { compadd -- elasticsearch opensearch prometheus-remote-write console file }
_magictel_any() { _magictel_targets; _magictel_exporters }
_magictel_codes() { compadd -- clock.drift clock.skew clock.unreadable config.credentials config.file.missing config.file.shape config.file.syntax config.file.unreadable config.file.unwritable config.key.duplicate config.nothing-enabled config.proxy.bad-scheme config.proxy.bad-url config.quotes config.required config.secret.empty config.secret.file config.secret.non-ascii config.secret.whitespace config.target.duplicate config.target.name config.tls.ca-file config.tls.client-cert config.tls.fingerprint config.tls.minimum-version config.unknown-key config.unknown-target config.untrusted-file config.url.bad-host config.url.bad-path config.url.bad-port config.url.bad-scheme config.url.empty config.url.no-host config.url.no-scheme config.url.query config.url.separator config.url.unexpanded-variable config.url.userinfo config.url.whitespace config.value config.variable-unset config.warning console.closed console.stuck delivery.breaker-open delivery.deadline delivery.impossible-point delivery.no-fork delivery.outbox-full delivery.rate-limit delivery.shutdown diagnose.unrecognised es.auth.api-key-encoding es.auth.api-key-expired es.auth.api-key-invalid es.auth.api-key-invalidated es.auth.api-key-unknown es.auth.bad-password es.auth.missing es.auth.refused es.auth.unknown es.authz.auto-create es.authz.bulk es.authz.monitor es.client.version es.health.no-master es.health.red es.health.serverless es.health.timed-out es.health.unreadable es.health.yellow es.http.wrong-port es.mapping.date es.mapping.float es.mapping.long es.mapping.narrow es.mapping.text es.mapping.unprepared es.product.other es.product.too-old es.product.unknown es.read.forbidden es.read.never-refreshed es.read.no-delete es.read.no-index es.read.not-yet-visible es.read.partial es.read.refused es.read.unavailable es.read.unsearchable es.tls.http-on-https-port es.url.path es.write.alias es.write.blocked es.write.breaker es.write.content-type es.write.duplicate es.write.dynamic-template es.write.elsewhere es.write.failure-store es.write.field-limit es.write.field-name es.write.flood-stage es.write.index-closed es.write.index-name es.write.long-value es.write.mapping-strict es.write.mapping-type es.write.no-auto-create es.write.no-verdict es.write.out-of-range es.write.pipeline es.write.pipeline-drop es.write.queue-full es.write.refused es.write.require-data-stream-old es.write.server-error es.write.shard-limit es.write.shard-unavailable es.write.time-series-id es.write.too-large es.write.tsdb-dimension es.write.tsdb-window es.write.unprovable es.write.wrong-path file.failed file.full file.is-directory file.little-room file.no-directory file.permission file.unreadable http.aws.unsigned http.bad-encoding http.bad-gateway http.discarded http.forbidden http.grpc-port http.header-too-large http.malformed-reply http.method http.not-a-backend http.not-found http.not-http http.other-product http.protocol http.proxy.auth http.proxy.down http.proxy.refused http.redirect http.refused http.reply-too-large http.server-error http.throttled http.timeout http.tls-port http.too-large http.truncated http.unauthorized http.unconfirmed http.unknown-status http.write-path internal.error internal.export internal.probe internal.target mimir.label-limit mimir.org-id mimir.rate mimir.refused mimir.token net.dns.not-found net.dns.timeout net.http.closed net.http.read-timeout net.http.write-timeout net.tcp.refused net.tcp.reset net.tcp.timeout net.tcp.unreachable os.auth.unauthorized os.authz.denied os.aws.unsigned os.write.unprovable otlp.number plugin.broken plugin.dependency plugin.duplicate plugin.group plugin.interface plugin.name plugin.not-installed plugin.other-environment plugin.slow plugin.unknown plugin.unregistered prom.health.forbidden prom.health.not-ready prom.otlp.delta prom.otlp.disabled prom.read.failed prom.read.forbidden prom.read.no-query-api prom.rw.buckets prom.rw.collision prom.rw.delta prom.rw.disabled prom.rw.duplicate prom.rw.exponential prom.rw.future prom.rw.get prom.rw.labels prom.rw.loss-labels prom.rw.media-type prom.rw.name prom.rw.native prom.rw.number prom.rw.out-of-bounds prom.rw.out-of-order prom.rw.partial prom.rw.path prom.rw.protobuf prom.rw.replica prom.rw.snappy prom.rw.too-large prom.rw.too-old run.interrupted run.terminated sandbox.fault-for-none sandbox.fault-script sandbox.fault-without-name sandbox.port sandbox.unknown-emulator source.bomb source.broken-line source.damaged source.doubtful source.empty source.format source.impossible-point source.line-too-long source.scrape source.truncated source.unreadable tls.certificate-refused tls.client-cert-rejected tls.client-cert-required tls.closed tls.expired tls.expires-soon tls.handshake tls.handshake-timeout tls.hostname-mismatch tls.not-yet-valid tls.pin-mismatch tls.plaintext-server tls.protocol-version tls.self-signed tls.unknown-ca tls.unverified usage.attribute usage.command-line usage.emulator usage.file-exists usage.filter usage.guard usage.on-error usage.record usage.recording usage.report usage.run usage.set usage.shift usage.skip usage.speed usage.target-exists usage.target-shadows usage.unknown-code usage.unknown-law usage.unknown-target usage.unknown-topic verify.altered verify.clean-partial verify.count verify.delay-beyond-within verify.duplicated verify.lost verify.no-clean verify.nothing-sent verify.rejected verify.undelivered verify.unreadable verify.unsupported verify.unverified vm.loss.labels vm.read.latency }
_magictel_recordings() { compadd -- @node @gateway -; _files }
_magictel_reports() {
    if compset -P '*='; then _files; else compadd -S '' -- json= junit= tap= github= nagios= prometheus= html=; fi
}

_magictel_list() {
    _arguments \
        '--all[Also what other packages put into OpenTelemetry'\''s group of exporters.]' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        && return
}

_magictel_describe() {
    _arguments \
        '*--set[Show an option at this value, if it is one that the option takes.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '--format[toml is a commented sample, json-schema is for editors.]:value:(text json toml json-schema)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:exporter:_magictel_any'
}

_magictel_init() {
    _arguments \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '--dry-run[Show what would be done, and do nothing.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        && return
}

_magictel_add() {
    _arguments \
        '--as[Its name. Default\: the exporter'\''s.]:value: ' \
        '*--set[An option of the target, written into its table.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '--allow-missing-env[Do not fail on unset variables or missing secret files.]' \
        '--dry-run[Show what would be done, and do nothing.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:exporter:_magictel_any'
}

_magictel_remove() {
    _arguments \
        '*--set[A guard\: remove the target only if this is its value in force; otherwise exit 2, and nothing is changed.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '--dry-run[Show what would be done, and do nothing.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:target:_magictel_targets'
}

_magictel_enable() {
    _arguments \
        '*--set[Also write an option into the target'\''s table; its settings are then validated.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '--allow-missing-env[Do not fail on unset variables or missing secret files.]' \
        '--dry-run[Show what would be done, and do nothing.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:target:_magictel_targets'
}

_magictel_disable() {
    _arguments \
        '*--set[Also write an option into the target'\''s table; its settings are then validated.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '--allow-missing-env[Do not fail on unset variables or missing secret files.]' \
        '--dry-run[Show what would be done, and do nothing.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:target:_magictel_targets'
}

_magictel_config() {
    local -a commands=(
        'show:The settings in force, secrets redacted.'
        'check:Validate settings without a network.'
    )
    if (( CURRENT == 2 )); then _describe command commands; return; fi
    local name=_magictel_config_${words[2]//-/_}
    (( $+functions[$name] )) || return
    shift words; (( CURRENT-- ))
    $name
}

_magictel_config_show() {
    _arguments \
        '--origin[Say where each value came from.]' \
        '--all[Every target of the file, enabled or not.]' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '*--set[Set an option for this run; above every other layer.]:value: ' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '*:target:_magictel_any'
}

_magictel_config_check() {
    _arguments \
        '--all[Every target of the file, enabled or not.]' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '*--set[Set an option for this run; above every other layer.]:value: ' \
        '--allow-missing-env[Do not fail on unset variables or missing secret files.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '*:target:_magictel_any'
}

_magictel_check() {
    _arguments \
        '--all[Every target of the file, enabled or not.]' \
        '--until[The last rung to climb.]:value:(config dns tcp tls http auth clock health write round-trip)' \
        '*--skip[Do not fail or warn for this code; a rung'\''s name is not asked at all.]:code:_magictel_codes' \
        '--wait[Climb again until the ladder holds, this long.]:value: ' \
        '--timeout[For each rung.]:value: ' \
        '--strict[Warnings end with exit code 3.]' \
        '*--allow[Let probes do more than read.]:value:(read-only empty-write canary-write)' \
        '--round-trip[Also send a sample and read it back.]' \
        '--jobs[How many targets at once.]:value: ' \
        '--force[With --round-trip\: write even if that makes an index without a template.]' \
        '--sandbox[Embedded backends in place of real ones.]' \
        '--sandbox-bare[As --sandbox, but without the templates of magictel prepare.]' \
        '--quiet[Print nothing unless a target failed, warns or is unverified.]' \
        '-q[Print nothing unless a target failed, warns or is unverified.]' \
        '--debug[Show each request and reply on standard error, redacted.]' \
        '--format[How the result is written.]:value:(text json junit tap github nagios prometheus html)' \
        '*--report[Also write a report\: json, junit, tap, github, nagios, prometheus, html. PATH - is standard output.]:report:_magictel_reports' \
        '*--set[Set an option for this run; above every other layer.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '*:target:_magictel_any'
}

_magictel_send_sample() {
    _arguments \
        '--all[Every target of the file, enabled or not.]' \
        '--no-verify[Do not read back.]' \
        '--thorough[Add extreme values and long attributes.]' \
        '--dry-run[Show what would be done, and do nothing.]' \
        '--clean[Delete exactly what was written, after the count.]' \
        '--run[With --clean\: an earlier run; nothing is sent.]:value: ' \
        '*--attribute[An attribute on every point.]:value: ' \
        '--within[Wait this long for the points to show. Default\: three times the backend'\''s own delay, at least 5s.]:value: ' \
        '--deadline[For the checks before it and sending, retries included.]:value: ' \
        '--timeout[For each check before sending.]:value: ' \
        '--force[Write even if the clocks are too far apart, or it makes an index without a template.]' \
        '--timing[Say where the time goes, and what to change.]' \
        '--strict[Warnings end with exit code 3.]' \
        '--jobs[How many targets at once.]:value: ' \
        '--sandbox[Embedded backends in place of real ones.]' \
        '--sandbox-bare[As --sandbox, but without the templates of magictel prepare.]' \
        '--quiet[Print nothing unless a target failed, warns or is unverified.]' \
        '-q[Print nothing unless a target failed, warns or is unverified.]' \
        '--debug[Show each request and reply on standard error, redacted.]' \
        '--format[How the result is written.]:value:(text json junit tap github nagios prometheus html)' \
        '*--report[Also write a report\: json, junit, tap, github, nagios, prometheus, html. PATH - is standard output.]:report:_magictel_reports' \
        '*--set[Set an option for this run; above every other layer.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '*:target:_magictel_any'
}

_magictel_replay() {
    _arguments \
        '*--to[Where to; may be repeated. Default\: all enabled.]:target:_magictel_any' \
        '--all[Every target of the file, enabled or not.]' \
        '--shift[What is added to every time; now\: the newest point is sent as of now.]:value:(now keep 90s)' \
        '--speed[As fast as it was recorded, 10 times, as fast as it goes.]:value:(1 10 max)' \
        '--loop[Send the recordings N times, one after another.]:value: ' \
        '*--filter[Only what fits\: '\''name=http_*'\'', '\''zone=eu-*'\''.]:value: ' \
        '--from-point[Pass over the first N points\: they were sent before.]:value: ' \
        '--on-error[What to do with a line that cannot be read.]:value:(stop skip)' \
        '--dry-run[Show what would be done, and do nothing.]' \
        '--verify[Read every point back and compare it.]' \
        '--no-verify[Do not read back (the default).]' \
        '--within[Wait this long for the points to show. Default\: three times the backend'\''s own delay, at least 5s.]:value: ' \
        '--deadline[For each payload, retries included; for all checks before.]:value: ' \
        '--timeout[For each check before sending.]:value: ' \
        '--force[Write even where the clocks are too far apart\: it can poison a backend.]' \
        '--timing[Say where the time goes, and what to change.]' \
        '--strict[Warnings end with exit code 3.]' \
        '--sandbox[Embedded backends in place of real ones.]' \
        '--sandbox-bare[As --sandbox, but without the templates of magictel prepare.]' \
        '--quiet[Print nothing unless a target failed, warns or is unverified.]' \
        '-q[Print nothing unless a target failed, warns or is unverified.]' \
        '--debug[Show each request and reply on standard error, redacted.]' \
        '--format[How the result is written.]:value:(text json junit tap github nagios prometheus html)' \
        '*--report[Also write a report\: json, junit, tap, github, nagios, prometheus, html. PATH - is standard output.]:report:_magictel_reports' \
        '*--set[Set an option for this run; above every other layer.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '*:recording:_magictel_recordings'
}

_magictel_record() {
    _arguments \
        '--from[A page to scrape, or a recording in another format.]:file:_files' \
        '--out[A new file; .zst and .gz are packed.]:file:_files' \
        '--every[Scrape again and again.]:value: ' \
        '--for[With --every\: how long. Default\: until interrupted.]:value: ' \
        '*--redact[Mask the values of attributes by key.]:value: ' \
        '*--drop[Leave attributes out by key.]:value: ' \
        '--on-error[What to do with a line that cannot be read.]:value:(stop skip)' \
        '--debug[Show each request and reply on standard error, redacted.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        && return
}

_magictel_prepare() {
    _arguments \
        '--apply[Send the requests, in order, until one is refused.]' \
        '--sandbox[Embedded backends in place of real ones.]' \
        '--debug[Show each request and reply on standard error, redacted.]' \
        '--format[How the result is written.]:value:(text json)' \
        '*--set[Set an option for this run; above every other layer.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:target:_magictel_targets'
}

_magictel_diagnose() {
    _arguments \
        '--status[The HTTP status of the answer.]:value: ' \
        '*--header[A header of the answer; repeatable.]:value: ' \
        '--body[The answer'\''s body\: a file, or - for standard input.]:file:_files' \
        '--text[An error as a log shows it.]:value: ' \
        '--during[What was being done.]:value:(auth health write read)' \
        '--format[How the result is written.]:value:(text json)' \
        '*--set[Set an option for this run; above every other layer.]:value: ' \
        '--config[The file of targets. Default\: MAGICTEL_CONFIG, or magictel.toml here.]:file:_files' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:exporter:_magictel_any'
}

_magictel_explain() {
    _arguments \
        '--list[List every code with its title.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:code:_magictel_codes'
}

_magictel_guide() {
    _arguments \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:topic:(quickstart commands settings security ci application replay sandbox-and-faults troubleshooting retry-classes writing-an-exporter benchmark architecture contributing words)'
}

_magictel_doctor() {
    _arguments \
        '--strict[Warnings end with exit code 3.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:exporter:_magictel_any'
}

_magictel_conformance() {
    _arguments \
        '*--law[Only this law; may be given more than once.]:value: ' \
        '--seed[What chance goes by.]:value: ' \
        '--emulator[The backend'\''s emulator, where the sandbox has none.]:value: ' \
        '--strict[A broken law that only should hold ends with exit code 3.]' \
        '--verbose[Also show what was held, and why laws were skipped.]' \
        '--format[How the result is written.]:value:(text json)' \
        '*--report[Also write a report to a file\: json=PATH or junit=PATH.]:report:_magictel_reports' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:exporter:_magictel_any'
}

_magictel_completion() {
    _arguments \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        '1:shell:(bash zsh fish)'
}

_magictel_sandbox() {
    _arguments \
        '*--fault[What one of them does wrong, request by request\: see above.]:value: ' \
        '--for[Stop after this long.]:value: ' \
        '*--only[Start only these; names may be joined by commas.]:value: ' \
        '--port[Port of the first backend; the others take the next ones.]:value: ' \
        '--bare[Leave out the templates that magictel prepare would make.]' \
        '--format[How the result is written.]:value:(text json)' \
        '-h[Show help and exit.]' \
        '--help[Show help and exit.]' \
        && return
}

_magictel() {
    local -a commands=(
        'list:Every registered exporter, and the targets of the file.'
        'describe:What an exporter is, and every option it has.'
        'init:Write magictel.toml from what the environment holds.'
        'add:Add a target to magictel.toml.'
        'remove:Remove a target from magictel.toml.'
        'enable:Enable a target of magictel.toml.'
        'disable:Disable a target of magictel.toml.'
        'config:Show settings with their origins, or validate them offline.'
        'check:Climb the ladder: at which step are metrics lost?'
        'send-sample:Send one known sample and compare what arrives.'
        'replay:Send a recording: a file, a page, a gateway'\''s log.'
        'record:Write a recording from a scrape or another format.'
        'prepare:What a backend should have before data comes.'
        'diagnose:What a line of a production log means, and what to do.'
        'explain:What a finding means, and how to fix it.'
        'guide:Read the manual: quick start, settings, CI, troubleshooting.'
        'doctor:Why a plugin is not listed, listed twice, slow or refused.'
        'conformance:The laws that every exporter must hold, tried on one.'
        'completion:Print the completion script of bash, zsh or fish.'
        'sandbox:Embedded backends on loopback, to try things without a server.'
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
