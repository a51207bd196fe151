#!/usr/bin/env bash
# Builds CoreDNS for the integration tests from its Go module into the user's cache:
#   ${XDG_CACHE_HOME:-~/.cache}/grapevine/coredns-<version>/bin
# Cold on two cores 2.5 minutes, warm nothing. Needs Go >= 1.26, or Python to fetch one; no C toolchain, no git, no
# root. A binary that is there stays. Runs wait for each other.
#
#   build-coredns.sh               build it where it is missing
#   build-coredns.sh --print-bin   print the directory of the binary, built or not, and do nothing
set -euo pipefail

coredns=v1.14.7

cache=${XDG_CACHE_HOME:-$HOME/.cache}/grapevine
home=$cache/coredns-$coredns
bin=$home/bin
[ "${1:-}" = --print-bin ] && { echo "$bin"; exit 0; }

say() { echo "coredns: $*"; }
die() { echo "coredns: $*" >&2; exit 2; }
source "$(dirname "${BASH_SOURCE[0]}")/go.sh"

[ -x "$bin/coredns" ] && exit 0

mkdir -p "$bin" "$home/src"
exec 9>"$home/lock"
flock -n 9 || { say "waiting for another build ($home/lock)"; flock 9; }
[ -x "$bin/coredns" ] && exit 0

run() { # COMMAND…: its noise goes to a log that a failure shows
  "$@" >"$home/build.log" 2>&1 || { tail -20 "$home/build.log" >&2; die "'$*' failed in $PWD; is the Go module proxy reachable?"; }
}

find_go "$home/go.log"
export GOFLAGS=-buildvcs=false CGO_ENABLED=0
cd "$home/src"
if [ ! -f .resolved ]; then
  say "resolving the modules of CoreDNS $coredns"
  rm -f go.mod go.sum
  run "$go" mod init coredns-for-tests
  run "$go" get "github.com/coredns/coredns@$coredns"
  touch .resolved
fi
say "building"
run "$go" build -ldflags "-s -w" -o "$bin/.coredns" github.com/coredns/coredns
mv "$bin/.coredns" "$bin/coredns" # no half-written binary stays behind
say "ready after $SECONDS s in $bin"
