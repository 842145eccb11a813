#!/usr/bin/env bash
# Fetches the light peers' packages into .peers; without npm, Node 20 or the registry it says so, and their tests are skipped.
# tests/peers/light.sh PACKAGE@VERSION…
set -euo pipefail
cd "$(dirname "$0")/../.."
without() { echo "The tests with ${packages[*]} are skipped: $1."; exit 0; }
packages=("$@")
[ -f .peers/.done ] || [ "$(cat .peers/.light 2>/dev/null)" = "$*" ] && exit 0
command -v npm >/dev/null && command -v node >/dev/null || without "npm is not here"
node -e 'process.exit(Number(process.versions.node.split(".")[0] < 20))' || without "Node $(node --version) is older than 20"
if ! timeout 75 npm install --prefix .peers --no-audit --no-fund --silent --ignore-scripts --fetch-retries 0 --fetch-timeout 20000 "$@"
then
  rm -rf .peers  # a half of them would fail tests that are to be skipped
  without "npm could not fetch them"
fi
echo "$*" >.peers/.light
