#!/bin/sh
# Runs a TypeScript file of this repository under Bun: `sh build/bootstrap.sh FILE [ARGUMENT...]`.
# Installs the npm packages of package-lock.json first when they are missing, and says what it lacks otherwise.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x node_modules/.bin/bun ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  command -v npm >/dev/null || { echo "npm is missing: apt-get install nodejs npm (needs root)" >&2; exit 1; }
  echo "== npm ci (packages named in package-lock.json)"
  npm ci --loglevel=error
fi
exec node_modules/.bin/bun "$@"
