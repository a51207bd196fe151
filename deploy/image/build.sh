#!/usr/bin/env bash
# Builds the images of the Dockerfile, with docker or buildah: grapevine/capture and grapevine/operator, tagged with the version.
# Everything that needs a registry of packages happens here, before: the wheel, and the wheels it needs, into out/wheels.
#
#   build.sh                  build both
#   build.sh --archive DIR    and write them to DIR/capture.tar and DIR/operator.tar (docker-archive)
#
#   BASE       image to start from. By default the Dockerfile's where there is docker, else one made by debootstrap
#   PYTHON     the interpreter for pip, python3 by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { echo "image: $*"; }
die() { echo "image: $*" >&2; exit 2; }

archives=
[ "${1:-}" = --archive ] && archives=${2:?--archive needs a directory}
python=${PYTHON:-python3}
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' operator/grapevine/__init__.py)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
base=${BASE:-}

if docker info >/dev/null 2>&1; then
  in_base() { docker run --rm --entrypoint python3 "$base" "$@"; }
  build() { docker build --quiet "$@" . >/dev/null; }
  write() { docker save --output "$2" "$1"; }
  size() { docker image inspect --format '{{.Size}}' "$1"; }
  base=${base:-python:3.13-slim}
elif command -v buildah >/dev/null; then
  store=${XDG_CACHE_HOME:-$HOME/.cache}/grapevine/buildah
  tool=(buildah --storage-driver vfs --root "$store/root" --runroot "$store/run")
  in_base() {
    local container status=0
    container=$("${tool[@]}" from "$base")
    "${tool[@]}" run --isolation chroot "$container" -- python3 "$@" || status=$?
    "${tool[@]}" rm "$container" >/dev/null
    return $status
  }
  build() { "${tool[@]}" bud --quiet --isolation chroot "$@" . >/dev/null; }
  write() { rm -f "$2"; "${tool[@]}" push --quiet "$1" "docker-archive:$2:$1" >/dev/null; }
  size() { "${tool[@]}" images --json "$1" | sed -n 's/.*"size": "\(.*\)",*/\1/p'; }
  if [ -z "$base" ]; then
    command -v debootstrap >/dev/null || die "neither docker nor debootstrap found: name an image with Python to start from, BASE=…"
    base=localhost/python:base
    deploy/image/base.sh "${tool[@]}"
  fi
else
  die "neither a docker daemon nor buildah found: install one (Debian: apt-get install buildah)"
fi

wanted=$(in_base -c 'import sys; print("%d.%d" % sys.version_info[:2])') || die "$base cannot be used: it must be there, or a registry reachable, and have python3"
say "$base has Python $wanted; collecting wheels"
rm -rf out/wheels
mkdir -p out/wheels
pip() { "$python" -m pip --quiet --disable-pip-version-check "$@"; }
pip wheel --no-deps --build-constraint constraints.txt --wheel-dir out/wheels .
pip download --only-binary=:all: --python-version "$wanted" --constraint constraints.txt --dest out/wheels "$(echo out/wheels/grapevine_operator-*.whl)[operator]"

for target in capture operator; do
  image=grapevine/$target:$version
  build --build-arg "BASE=$base" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --target "$target" --tag "$image"
  say "$image: $(size "$image")"
  if [ -n "$archives" ]; then
    mkdir -p "$archives"
    write "$image" "$archives/$target.tar"
    say "$archives/$target.tar: $(($(stat -c %s "$archives/$target.tar") / 1000000)) MB"
  fi
done
