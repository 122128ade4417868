#!/bin/sh
# Copy a home while nights run: sh docs/backup.sh HOME FOLDER. Not while `maintain --apply` deletes files.
#
# Checksums are copied before logs and logs before data, so that whatever the copy refers to is in it: files of
# data are written before the log entry that names them, and never changed.
set -eu
home=$1 to=$2
mkdir -p "$to" && to=$(cd "$to" && pwd) && cd "$home"
chmod 700 "$to" # a ledger and reports are in it

# Copy the files that `find` lists; a temporary file may be gone before it is its turn.
copy() {
    find "$@" -type f -print >"$to/.list"
    while IFS= read -r file; do
        cp -p --parents -t "$to" "$file" 2>"$to/.error" || [ ! -e "$file" ] || { cat "$to/.error" >&2 && exit 1; }
    done <"$to/.list"
    rm -f "$to/.list" "$to/.error"
}

if [ -f ledger.sqlite ]; then sqlite3 ledger.sqlite ".backup '$to/ledger.sqlite'"; fi
if [ -f prefect/prefect.db ]; then
    mkdir -p "$to/prefect"
    sqlite3 prefect/prefect.db ".backup '$to/prefect/prefect.db'"
fi
copy . \( -name _seal.json -o -path '*/_seals/*.json' \)
for tables in tables history; do
    [ -d "$tables" ] || continue
    copy "$tables" -path '*/_delta_log/*' ! -name _last_checkpoint
    copy "$tables" ! -path '*/_delta_log/*' ! -name _seal.json ! -path '*/_seals/*'
done
for rest in reports runs evaluations verdicts drift token_limits concepts models; do
    if [ -d "$rest" ]; then copy "$rest"; fi
done
if [ -f gates.yaml ]; then cp -p gates.yaml "$to/"; fi
chmod 700 "$to" # cp gave it the mode of the home
