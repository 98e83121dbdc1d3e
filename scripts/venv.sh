#!/bin/sh
# Usage: [PYTHON=interpreter] scripts/venv.sh FOLDER
# Creates a virtual environment with pip in FOLDER, unless it already holds one that works and was made there.
set -eu

folder=$1
# The environment's own idea of its place must be this one: it is rebuilt after a move.
if [ "$("$folder/bin/python" -c 'import pip, sys; print(sys.prefix)' 2>/dev/null)" = "$(pwd -P)/$folder" ] &&
    head -n 3 "$folder/bin/pip" | grep -qF "$(pwd -P)/$folder/"; then
    exit 0
fi

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
found=
# Candidates are run, not only looked up: version managers put names on PATH that start nothing.
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if "$candidate" -c "$new_enough" >/dev/null 2>&1; then
        found=$candidate
        break
    fi
done
if [ -z "$found" ]; then
    echo "error: no Python 3.11 or newer (tried: ${PYTHON:-python3.13 python3.12 python3.11 python3})." \
        "Install one, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 2
fi
if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "error: $found cannot create virtual environments (venv or ensurepip is missing)." \
        "On Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 2
fi

echo "Creating $folder with $("$found" -V)."
rm -rf -- "$folder"
"$found" -m venv "$folder"
