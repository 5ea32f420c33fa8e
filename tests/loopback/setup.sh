#!/bin/sh
# Prepares what the loopback WhatsApp needs and git does not hold: the string table of the binary
# nodes, in .cache/loopback/dictionary.json at the repository's root. Quick when it is there already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/loopback
table=$cache/dictionary.json
made_from=$cache/made-from.lock

if [ -s "$table" ] && cmp -s "$here/package-lock.json" "$made_from"; then
    exit 0
fi

mkdir -p "$cache"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$here/dump-dictionary.mjs" "$cache/"
cd "$cache"
npm ci --ignore-scripts --omit=optional --omit=peer --no-audit --no-fund >&2
node dump-dictionary.mjs "$table.new"
mv "$table.new" "$table"
cp package-lock.json "$made_from"
