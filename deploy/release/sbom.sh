#!/usr/bin/env bash
# Builds the wheel and writes what it brings along as a bill of materials (CycloneDX JSON, validated): for capture, which needs
# the base dependencies alone, and for the operator with its extra. Each is read off a virtual environment that holds nothing
# else, installed from wheels as the images are, and then compared with it. All of it in out/sbom.
#
#   PYTHON     the interpreter, python3 by default: markers may choose other dependencies for another version
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=${PYTHON:-python3}
out=out/sbom
pip() { "$python" -m pip --quiet --disable-pip-version-check "$@"; }
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' operator/grapevine/__init__.py)
export SOURCE_DATE_EPOCH # of the commit, so that the same commit gives the same bill
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)

rm -rf "$out"
mkdir -p "$out/wheels"
echo "sbom: building the wheel, collecting those it needs"
pip wheel --no-deps --build-constraint constraints.txt --wheel-dir "$out/wheels" .
pip download --only-binary=:all: --constraint constraints.txt --dest "$out/wheels" \
  "$(echo "$out"/wheels/grapevine_operator-*.whl)[operator]"
"$python" -m venv --clear "$out/tool"
"$out/tool/bin/python" -m pip --quiet --disable-pip-version-check install --constraint deploy/release/constraints.txt cyclonedx-bom

sed "s/^dynamic = .*/version = \"$version\"/" pyproject.toml > "$out/pyproject.toml" # the tool knows no dynamic version
cp LICENSE "$out"

for part in capture operator; do
  extra=
  [ "$part" = capture ] || extra='[operator]'
  "$python" -m venv --clear --without-pip "$out/$part"
  pip --python "$out/$part/bin/python" install --no-index --find-links "$out/wheels" "grapevine-operator$extra"
  "$out/tool/bin/cyclonedx-py" environment --pyproject "$out/pyproject.toml" --gather-license-texts --output-reproducible \
    --output-format JSON --output-file "$out/grapevine-$part.cdx.json" "$out/$part/bin/python"
  "$python" deploy/release/check_sbom.py "$out/grapevine-$part.cdx.json" "$out/$part"
done
cp "$out"/wheels/grapevine_operator-*.whl "$out"
(cd "$out" && sha256sum ./*.whl ./*.cdx.json > SHA256SUMS)
