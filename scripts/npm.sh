#!/bin/bash
# Installs the modules of test/npm/package.json into build/npm: npm.sh DIRECTORY
#
# Tests that need one of them are skipped where npm, or what it asks, is not to be had;
# nothing else is.  Prints the directory in which the modules are.

. "$(dirname "$0")/common.sh"

[ $# = 1 ] || die "where to?"
target=$1
wanted=$root/test/npm/package.json

if ! cmp -s "$wanted" "$target/package.json" || [ ! -e "$target/complete" ]; then
  command -v npm >/dev/null || { echo "npm is not installed: tests with its modules are skipped" >&2; exit 0; }
  mkdir -p "$target"
  rm -f "$target/complete"
  cp "$wanted" "$target/package.json"
  (cd "$target" && npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error >npm.log 2>&1) ||
    { echo "npm could not install its modules ($target/npm.log): tests with them are skipped" >&2; exit 0; }
  chmod -R a+rX "$target"
  touch "$target/complete"
fi
