#!/usr/bin/env bash
# Brings a checkout to where every command runs: npm packages, compiled TypeScript, torch and its addon. Skips what is there.
set -euo pipefail
cd "$(dirname "$0")/.."

# npm writes this file last: older than the lock file, or not there, the packages are not the locked ones
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  echo "installing npm packages"
  npm ci
fi
npm run --silent build
