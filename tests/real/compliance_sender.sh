#!/bin/sh
# The sender that prometheus/compliance drives (remotewrite/sender, RunProcess):
#   PROMETHEUS_COMPLIANCE_RW_PROCESS_CMD=$PWD/tests/real/compliance_sender.sh go test ./...
# It scrapes and sends until SIGINT, and then exits with 0. MAGICTEL_PYTHON: an interpreter that has magictel.
case $PROMETHEUS_COMPLIANCE_RW_TARGET_REMOTE_WRITE_MESSAGE in
io.prometheus.write.v2.Request) protocol=2.0 ;;
*) protocol=1.0 ;;
esac
endpoint=$PROMETHEUS_COMPLIANCE_RW_TARGET_REMOTE_WRITE_ENDPOINT
case ${endpoint#*://} in
*/?*) ;;
*) endpoint=${endpoint%/}/api/v1/write ;; # the suite's receiver takes any path
esac
exec "${MAGICTEL_PYTHON:-python3}" -m magictel run \
    --from "http://$PROMETHEUS_COMPLIANCE_RW_TARGET_SCRAPE_HOST_PORT/metrics" \
    --job "$PROMETHEUS_COMPLIANCE_RW_TARGET_SCRAPE_JOB_NAME" --every 1s \
    --to prometheus-remote-write --set "url=$endpoint" --set "protocol=$protocol" "$@"
