#!/usr/bin/env bash
# Builds etcd, kube-apiserver and kubectl for the integration tests from their Go modules into the user's cache:
#   ${XDG_CACHE_HOME:-~/.cache}/grapevine/control-plane-<kubernetes>-<etcd>/bin
# Cold on two cores 4 minutes and 3 GB of memory, warm nothing. Needs Go >= 1.26, or Python to fetch one; no C toolchain,
# no git, no root. What is there stays: an interrupted build goes on with the next binary. Runs wait for each other.
#
#   build-control-plane.sh               build what is missing
#   build-control-plane.sh --print-bin   print the directory of the binaries, built or not, and do nothing
set -euo pipefail

kubernetes=v1.37.2
etcd=v3.7.3

cache=${XDG_CACHE_HOME:-$HOME/.cache}/grapevine
home=$cache/control-plane-$kubernetes-$etcd
bin=$home/bin
[ "${1:-}" = --print-bin ] && { echo "$bin"; exit 0; }

say() { echo "control plane: $*"; }
die() { echo "control plane: $*" >&2; exit 2; }
have() { [ -x "$bin/$1" ]; }

have kube-apiserver && have kubectl && have etcd && exit 0

mkdir -p "$bin" "$home/src/kubernetes" "$home/src/etcd"
exec 9>"$home/lock"
flock -n 9 || { say "waiting for another build ($home/lock)"; flock 9; }

build() { # NAME PACKAGE [LDFLAGS]: leaves no half-written binary behind
  have "$1" && return
  local start=$SECONDS
  say "building $1"
  "$go" build -ldflags "-s -w ${3:-}" -o "$bin/.$1" "$2" 2>"$home/build.log" || { tail -20 "$home/build.log" >&2; die "building $1 failed, see $home/build.log"; }
  mv "$bin/.$1" "$bin/$1"
  say "built $1 in $((SECONDS - start)) s"
}

module() { # COMMAND…: runs a go command that resolves versions; its noise goes to a log that a failure shows
  "$@" >"$home/module.log" 2>&1 || { tail -20 "$home/module.log" >&2; die "'$*' failed in $PWD; is the Go module proxy reachable?"; }
}

source "$(dirname "${BASH_SOURCE[0]}")/go.sh"
find_go "$home/go.log"
export GOFLAGS=-buildvcs=false CGO_ENABLED=0

cd "$home/src/kubernetes"
if [ ! -f .resolved ]; then
  say "resolving the modules of Kubernetes $kubernetes"
  rm -f go.mod go.sum
  module "$go" mod init controlplane
  source=$("$go" mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  [ -n "$source" ] || die "k8s.io/kubernetes@$kubernetes could not be downloaded; is the Go module proxy reachable?"
  { # Kubernetes' own go.mod points at ./staging, which its module does not carry; the same code is published as v0.
    echo "require k8s.io/kubernetes $kubernetes"
    echo "replace ("
    sed -n 's|^[[:space:]]*\(k8s.io/[a-z0-9-]*\) => ./staging.*|\1|p' "$source/go.mod" | sort -u | sed "s|.*|\t& => & v0.${kubernetes#v1.}|"
    echo ")"
  } >>go.mod
  printf '//go:build tools\n\npackage controlplane\n\nimport (\n\t_ "k8s.io/kubernetes/cmd/kube-apiserver"\n\t_ "k8s.io/kubernetes/cmd/kubectl"\n)\n' >tools.go
  module "$go" mod tidy
  touch .resolved
fi
v=k8s.io/component-base/version # without it the server calls itself v0.0.0-master, which clients cannot parse
minor=${kubernetes#v1.}; minor=${minor%%.*}
flags="-X $v.gitVersion=$kubernetes -X $v.gitMajor=1 -X $v.gitMinor=$minor -X $v.gitTreeState=clean"
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "$flags"
build kubectl k8s.io/kubernetes/cmd/kubectl "$flags"

cd "$home/src/etcd"
if [ ! -f .resolved ]; then
  say "resolving the modules of etcd $etcd"
  rm -f go.mod go.sum
  module "$go" mod init controlplane
  module "$go" get "go.etcd.io/etcd/server/v3@$etcd"
  touch .resolved
fi
build etcd go.etcd.io/etcd/server/v3
say "ready after $SECONDS s in $bin"
