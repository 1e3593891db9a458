#!/bin/sh
# Runs a TypeScript file of this repository under Bun: `sh build/bootstrap.sh FILE [ARGUMENT...]`.
# Installs the npm packages of package.json first when they are missing or older than it, and says what it lacks otherwise.
# Versions are exact in package.json. There is no lock file: npm 11 leaves optional packages of other platforms out of the one it writes
# when it may not write addresses, and `npm ci` then refuses it.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x node_modules/.bin/bun ] || [ package.json -nt node_modules/.installed ]; then
  command -v npm >/dev/null || { echo "npm is missing: apt-get install nodejs npm (needs root)" >&2; exit 1; }
  echo "== npm install (packages named in package.json)"
  npm install --no-package-lock --no-save --loglevel=error
  touch node_modules/.installed
fi
exec node_modules/.bin/bun "$@"
