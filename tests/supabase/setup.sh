#!/bin/sh
# Prepares what the tests of Supabase need and git does not hold: the Data API @supabase/lite, in
# .cache/supabase-lite at the repository's root. Quick when it is there already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)/lite
cache=$(cd "$here/../../.." && pwd)/.cache/supabase-lite
made_from=$cache/made-from.lock

if ! cmp -s "$here/package-lock.json" "$made_from"; then
    mkdir -p "$cache"
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$cache/"
    cd "$cache"
    npm ci --ignore-scripts --omit=optional --omit=peer --no-audit --no-fund >&2
    cp package-lock.json "$made_from"
fi
