#!/usr/bin/env bash
# Makes the secrets of an installation by deploy/compose.yaml, once, in deploy/.env, which only its owner reads. Keep a copy in another place
# than your backups: without the master keys what is sealed in them is lost.
set -euo pipefail
cd "$(dirname "$0")"

if [ -e .env ]; then
    echo "secrets: deploy/.env is there already; it is never replaced" >&2
    exit 0
fi
umask 077
{
    for name in NOVA_AUTH_MASTER_KEY NOVA_MESSAGING_MASTER_KEY; do
        printf '%s=%s\n' "$name" "$(openssl rand -base64 32)"
    done
    # Parts of addresses: of letters and digits alone.
    for name in NOVA_USER_SECRET NOVA_MESSAGING_SECRET POSTGRES_PASSWORD GRAFANA_PASSWORD; do
        printf '%s=%s\n' "$name" "$(openssl rand -hex 32)"
    done
} >.env.new
mv .env.new .env
echo "secrets: made deploy/.env" >&2
