#!/usr/bin/env bash
# Every check and every test; the last line says how many passed, failed and were skipped, and why those were.
set -u
report=$(mktemp)
trap 'rm -f "$report"' EXIT
failed_checks=()
check() { # name, command…
  local name=$1
  shift
  echo "== $name"
  "$@" || failed_checks+=("$name")
}
check 'format and lint' biome check --error-on-warnings .
check 'types of the tests' tsc -p config/tsconfig.checks.json
check 'dead code' knip --config config/knip.json
check 'single file of the bot' npm run --silent build:bot
echo '== tests'
vitest run --reporter=default --reporter=json --outputFile.json="$report"
vitest_code=$?
node bin/test-summary.js "$report" "$vitest_code" "${failed_checks[@]+"${failed_checks[@]}"}"
