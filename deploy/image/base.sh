#!/usr/bin/env bash
# Makes the image localhost/python:base, for machines that reach a Debian mirror and no image registry: Debian with Python,
# nothing else. Kept in the user's cache; needs root, debootstrap and buildah.
set -euo pipefail
suite=bookworm
cache=${XDG_CACHE_HOME:-$HOME/.cache}/grapevine
archive=$cache/base-$suite.tar

if [ ! -e "$archive" ]; then
  echo "base: making Debian $suite with Python by debootstrap (a minute, once)"
  mkdir -p "$cache"
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  # python3-minimal lacks json, http and ctypes
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$root" >"$cache/base.log" 2>&1 ||
    { tail -20 "$cache/base.log" >&2; echo "base: debootstrap failed, see $cache/base.log" >&2; exit 2; }
  rm -rf "$root"/var/cache/apt "$root"/var/lib/apt/lists
  tar -C "$root" --numeric-owner -cf "$archive.new" .
  mv "$archive.new" "$archive"
fi
"$@" inspect --type image localhost/python:base >/dev/null 2>&1 && exit 0
container=$("$@" from scratch)
"$@" add --quiet "$container" "$archive" / >/dev/null
"$@" commit --quiet "$container" localhost/python:base >/dev/null
"$@" rm "$container" >/dev/null
