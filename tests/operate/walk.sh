#!/usr/bin/env bash
# An operator's walk by docs/OPERATE.md: install in a clean folder, take a feed, back up while it runs, destroy, restore, verify. Timed.
# DATABASE_URL=postgresql://… names an empty database that may be dropped and made again (by psql); else SQLite. ROWS=100000 by default.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
room=$(mktemp -d "${TMPDIR:-/tmp}/quayside-walk-XXXXXX")
rows=${ROWS:-100000}
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
pids=()
ended() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$room"; }
trap ended EXIT
began=$SECONDS; step=$SECONDS
took() { printf '%-58s %4d s\n' "$1" "$((SECONDS - step))"; step=$SECONDS; }
say() { echo "FAILED: $1" >&2; exit 1; }

mkdir "$room/app" && (cd "$here" && git archive HEAD) | tar -x -C "$room/app"
cd "$room/app"
python3.11 -m venv .venv
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements-production.lock
took "installed from requirements-production.lock"

export DATA_DIR=$room/data PRODUCTION=1 PUBLIC_URL=https://portal.example.com PROXIES=1 PORT=$port LOG_FORMAT=json
flask() { .venv/bin/flask --app app "$@"; }
start() {
  for verb in web worker scheduler; do .venv/bin/flask --app app $verb >>"$room/$verb.log" 2>&1 & pids+=($!); done
  for _ in $(seq 300); do curl -fs "http://127.0.0.1:$port/readyz" >/dev/null && return; sleep 0.2; done
  tail -n 20 "$room"/*.log >&2; say "the portal did not become ready"
}
flask migrate >/dev/null
flask create-merchant "Harbor & Pine" >/dev/null
echo "kites over the harbour" | flask create-user owner@harbor.example --merchant "Harbor & Pine" --role owner --staff >/dev/null
start
took "first start: database, owner, web, worker and scheduler"

python3 - "$rows" "$room/stock.csv" <<'PY'
import sys
with open(sys.argv[2], "w") as file:
    file.write("sku,title,quantity,cost\n")
    file.writelines(f"SKU-{n:07},Lamp {n},{n % 90},{n % 40 + 1}.50\n" for n in range(int(sys.argv[1])))
PY
flask import-feed --merchant "Harbor & Pine" --source Northwind --create "$room/stock.csv" >/dev/null || say "the feed was not taken"
took "a feed of $rows rows"
flask backup "$room/backups" >/dev/null
took "backup, while it runs"
flask restore --check "$room/backups"
took "restore --check"
flask doctor || true
cp "$DATA_DIR/secret.key" "$room/safe.key"

for pid in "${pids[@]}"; do kill -9 "$pid"; done; wait 2>/dev/null || true; pids=()
rm -rf "$DATA_DIR"
if [ -n "${DATABASE_URL:-}" ]; then psql -q "$DATABASE_URL" -c 'DROP SCHEMA public CASCADE' -c 'CREATE SCHEMA public'; fi
mkdir -m 0700 "$DATA_DIR"
flask restore "$room/backups" >/dev/null && say "a restore without the key should have been refused"
flask restore "$room/backups" --key "$room/safe.key"
took "destroyed, and restored"

flask sending status --json | grep -q '"on": false' || say "sending is not off"
flask verify-keys >/dev/null || say "a credential does not open"
flask audit-verify >/dev/null || say "the audit log is not intact"
start
told=$(.venv/bin/python -c "from app import app
from portal.models import InventoryItem, database
with database.connection_context(): print(InventoryItem.select().count())")
[ "$told" = "$rows" ] || say "$told items came back, $rows were there"
flask sending on >/dev/null
took "verified and started again: $told items, sending was off"
echo "The whole walk: $((SECONDS - began)) s."
