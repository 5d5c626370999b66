#!/usr/bin/env bash
# Holds dashboards, rules and runbooks against a running Nova: Prometheus' own checks and the unit tests of the alerts; then three
# services under a little of every kind of load, which a real Prometheus scrapes, and every query of every dashboard and every
# expression of every rule asked of it. Uses ports of the loopback interface only, and folders of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "monitoring: skipped: $*" >&2
    [ "${CI:-}" != true ]
    exit
}
# Prometheus is taken out of its Debian package and not installed: there is then no service that apt would start.
bin=$PWD/target/tools/prometheus/usr/bin
if command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1; then
    bin=$(dirname "$(command -v promtool)")
elif [ ! -x "$bin/promtool" ]; then
    skip "neither prometheus nor promtool is here: make setup-tests gets them where there is apt"
fi
command -v python3 >/dev/null 2>&1 || skip "it needs python3"
command -v redis-server >/dev/null 2>&1 || skip "it needs redis-server: make setup-tests"

scripts/dashboards.py --check
python3 scripts/monitoring.py files
"$bin/promtool" check config deploy/prometheus/prometheus.yml
"$bin/promtool" test rules deploy/prometheus/tests/*.yml

[ -n "${NOVA_PROGRAMS:-}" ] || cargo build --quiet --workspace --bins # all at once, as scripts/nova.sh does
programs=${NOVA_PROGRAMS:-${CARGO_TARGET_DIR:-target}/debug}
PATH=$bin:$PATH timeout 150 python3 scripts/monitoring.py live "$programs"
