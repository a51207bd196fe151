#!/usr/bin/env bash
# Builds Helm for the tests of the chart from its Go module into the user's cache:
#   ${XDG_CACHE_HOME:-~/.cache}/grapevine/helm-<version>/bin
# Cold on two cores 1.5 minutes, warm nothing. Needs Go >= 1.26, or Python to fetch one; no C toolchain, no git, no
# root. A binary that is there stays. Runs wait for each other.
#
#   build-helm.sh               build it where it is missing
#   build-helm.sh --print-bin   print the directory of the binary, built or not, and do nothing
set -euo pipefail

helm=v3.22.0

cache=${XDG_CACHE_HOME:-$HOME/.cache}/grapevine
home=$cache/helm-$helm
bin=$home/bin
[ "${1:-}" = --print-bin ] && { echo "$bin"; exit 0; }

say() { echo "helm: $*"; }
die() { echo "helm: $*" >&2; exit 2; }
source "$(dirname "${BASH_SOURCE[0]}")/go.sh"

[ -x "$bin/helm" ] && exit 0

mkdir -p "$bin" "$home/src"
exec 9>"$home/lock"
flock -n 9 || { say "waiting for another build ($home/lock)"; flock 9; }
[ -x "$bin/helm" ] && exit 0

run() { # COMMAND…: its noise goes to a log that a failure shows
  "$@" >"$home/build.log" 2>&1 || { tail -20 "$home/build.log" >&2; die "'$*' failed in $PWD; is the Go module proxy reachable?"; }
}

find_go "$home/go.log"
export GOFLAGS=-buildvcs=false CGO_ENABLED=0
cd "$home/src"
if [ ! -f .resolved ]; then
  say "resolving the modules of Helm $helm"
  rm -f go.mod go.sum
  run "$go" mod init helm-for-tests
  run "$go" get "helm.sh/helm/v3/cmd/helm@$helm"
  touch .resolved
fi
# As Helm's own Makefile: `helm template` without a cluster takes the Kubernetes of its client library, else 1.20.
minor=$("$go" list -m -f '{{.Version}}' k8s.io/client-go | cut -d. -f2)
flags="-s -w -X helm.sh/helm/v3/internal/version.version=$helm"
for package in lint/rules chartutil; do
  flags+=" -X helm.sh/helm/v3/pkg/$package.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$package.k8sVersionMinor=$minor"
done
say "building"
run "$go" build -ldflags "$flags" -o "$bin/.helm" helm.sh/helm/v3/cmd/helm
mv "$bin/.helm" "$bin/helm" # no half-written binary stays behind
say "ready after $SECONDS s in $bin"
