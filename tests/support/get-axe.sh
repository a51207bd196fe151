#!/usr/bin/env bash
# Gets axe-core, which looks for what keeps people out of a page, for the browser tests into the user's cache:
#   ${XDG_CACHE_HOME:-~/.cache}/grapevine/axe-<version>/axe.min.js
# It comes in a wheel of PyPI, of which nothing else is used and nothing is installed. Needs Python with pip.
#
#   get-axe.sh                get it where it is missing
#   get-axe.sh --print-file   print the path of the file, there or not, and do nothing
set -euo pipefail

axe=4.12.1
wheel=axe-playwright-python==0.1.8
digest=fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8

home=${XDG_CACHE_HOME:-$HOME/.cache}/grapevine/axe-$axe
file=$home/axe.min.js
[ "${1:-}" = --print-file ] && { echo "$file"; exit 0; }
[ -f "$file" ] && exit 0

die() { echo "axe: $*" >&2; exit 2; }
mkdir -p "$home"
made=$(mktemp -d "$home/XXXXXX")
trap 'rm -rf "$made"' EXIT
echo "$wheel --hash=sha256:$digest" >"$made/requirements.txt"
"${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
  --dest "$made" --requirement "$made/requirements.txt" || die "$wheel could not be had from PyPI"
"${PYTHON:-python3}" - "$made"/*.whl "$made/axe.min.js" "$axe" <<'PYTHON'
import sys, zipfile
wheel, file, version = sys.argv[1:]
script = zipfile.ZipFile(wheel).read("axe_playwright_python/axe.min.js")
if not script.startswith(f"/*! axe v{version}\n".encode()):
    sys.exit(f"axe: {wheel} has another version than {version}")
open(file, "wb").write(script)
PYTHON
mv "$made/axe.min.js" "$file" # no half-written file stays behind
echo "axe: $axe is in $home"
