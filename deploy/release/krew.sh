#!/usr/bin/env bash
# Writes the kubectl plugin for krew into out/krew: an archive for this platform and this Python, and the manifest that names it.
# The archive holds the package with its libraries, from wheels alone, in the versions of constraints.txt.
#
#   PYTHON     the interpreter, python3 by default: whoever installs the plugin needs one of the same minor version
#   URI        where the archive will be published, for the manifest; required
#   HOMEPAGE   of the project, for the manifest; required
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=${PYTHON:-python3}
: "${URI:?where will the archive be published?}" "${HOMEPAGE:?where is the project?}"
out=out/krew
pip() { "$python" -m pip --quiet --disable-pip-version-check "$@"; }
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' operator/grapevine/__init__.py)
minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
os=$(uname -s | tr '[:upper:]' '[:lower:]')
arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
archive=kubectl-grapevine-$version-$os-$arch-python$minor.tar.gz

rm -rf "$out"
mkdir -p "$out/plugin/lib"
pip wheel --no-deps --build-constraint constraints.txt --wheel-dir "$out" .
pip install --only-binary=:all: --no-compile --constraint constraints.txt --target "$out/plugin/lib" \
  "$(echo "$out"/grapevine_operator-*.whl)[operator]"
install -m 755 deploy/release/kubectl-grapevine "$out/plugin"
install -m 755 deploy/release/kubectl-grapevine "$out/plugin/kubectl_complete-grapevine"
install -m 644 LICENSE "$out/plugin"
echo "$minor" > "$out/plugin/PYTHON"
tar --create --gzip --file "$out/$archive" --directory "$out/plugin" \
  --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" .
sha256=$(sha256sum "$out/$archive" | cut -d' ' -f1)
sed "/^#/d; s|@VERSION@|$version|; s|@PYTHON@|$minor|; s|@OS@|$os|; s|@ARCH@|$arch|; s|@SHA256@|$sha256|; \
  s|@URI@|$URI|; s|@HOMEPAGE@|$HOMEPAGE|" \
  deploy/release/krew.yaml > "$out/grapevine.yaml"
echo "krew: $out/$archive, $(du -k "$out/$archive" | cut -f1) KiB; try it: kubectl krew install --manifest=$out/grapevine.yaml --archive=$out/$archive"
