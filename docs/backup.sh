#!/bin/sh
# Copy a home while nights run: sh docs/backup.sh HOME FOLDER. Not while `maintain --apply` deletes files.
#
# Checksums are copied before logs and logs before data, so that whatever the copy refers to is in it: files of
# data are written before the log entry that names them, and never changed.
set -eu
home=$1 to=$2
mkdir -p "$to" && to=$(cd "$to" && pwd) && cd "$home"
chmod 700 "$to" # a ledger and reports are in it
if [ -f ledger.sqlite ]; then sqlite3 ledger.sqlite ".backup '$to/ledger.sqlite'"; fi
if [ -f prefect/prefect.db ]; then
    mkdir -p "$to/prefect"
    sqlite3 prefect/prefect.db ".backup '$to/prefect/prefect.db'"
fi
find . \( -name _seal.json -o -path '*/_seals/*.json' \) -exec cp -a --parents -t "$to" {} +
for tables in tables history; do
    [ -d "$tables" ] || continue
    find "$tables" -path '*/_delta_log/*' ! -name _last_checkpoint -exec cp -a --parents -t "$to" {} +
    find "$tables" -type f ! -path '*/_delta_log/*' ! -name _seal.json ! -path '*/_seals/*' -exec cp -a --parents -t "$to" {} +
done
for rest in reports runs evaluations models gates.yaml; do
    if [ -e "$rest" ]; then cp -a "$rest" "$to/"; fi
done
chmod 700 "$to" # cp gave it the mode of the home
