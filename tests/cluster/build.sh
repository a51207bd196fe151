#!/usr/bin/env bash
# Builds what a one-node Kubernetes needs besides the control plane of the other tests, into the user's cache:
#   ${XDG_CACHE_HOME:-~/.cache}/grapevine/node-<kubernetes>/{bin,images}
# kubelet, kube-proxy, kube-controller-manager and kube-scheduler from their Go modules, the images of CoreDNS, the pause
# container and the test's workload as archives. etcd, kube-apiserver, kubectl and CoreDNS are those of tests/support, and
# so are the versions. Cold on two cores 3 minutes, with the other tests' binaries 7; warm a second. No root.
#
#   build.sh                build what is missing
#   build.sh --print-home   print the directory, built or not, and do nothing
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
support=$here/../support
control_plane=$("$support/build-control-plane.sh" --print-bin)
coredns=$("$support/build-coredns.sh" --print-bin)
kubernetes=$(basename "$(dirname "$control_plane")"); kubernetes=${kubernetes#control-plane-}; kubernetes=${kubernetes%-v*}
home=${XDG_CACHE_HOME:-$HOME/.cache}/grapevine/node-$kubernetes
bin=$home/bin
images=$home/images
[ "${1:-}" = --print-home ] && { echo "$home"; exit 0; }

say() { echo "node: $*"; }
die() { echo "node: $*" >&2; exit 2; }
source "$support/go.sh"

"$support/build-control-plane.sh"
"$support/build-coredns.sh"

mkdir -p "$bin" "$images" "$home/src"
exec 9>"$home/lock"
flock -n 9 || { say "waiting for another build ($home/lock)"; flock 9; }

run() { # COMMAND…: its noise goes to a log that a failure shows
  "$@" >"$home/build.log" 2>&1 || { tail -20 "$home/build.log" >&2; die "'$*' failed in $PWD; is the Go module proxy reachable?"; }
}
go_build() { # NAME PACKAGE [LDFLAGS]: leaves no half-written binary behind
  local start=$SECONDS
  run "$go" build -ldflags "-s -w ${3:-}" -o "$bin/.$1" "$2"
  mv "$bin/.$1" "$bin/$1"
  say "built $1 in $((SECONDS - start)) s"
}
image() { python3 "$here/mkimage.py" "localhost/$1:1" "$images/$1.tar" "$2=/$1"; }

daemons=(kube-controller-manager kube-scheduler kubelet kube-proxy)
missing=()
for name in "${daemons[@]}"; do [ -x "$bin/$name" ] || missing+=("$name"); done

find_go "$home/go.log"
export GOFLAGS=-buildvcs=false CGO_ENABLED=0

if [ ${#missing[@]} -gt 0 ]; then
  cd "$home/src"
  if [ ! -f .resolved ]; then
    say "resolving the modules of Kubernetes $kubernetes"
    rm -f go.mod go.sum
    run "$go" mod init cluster-for-tests
    source=$("$go" mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    { # Kubernetes' own go.mod points at ./staging, which its module does not carry; the same code is published as v0.
      echo "require k8s.io/kubernetes $kubernetes"
      echo "replace ("
      sed -n 's|^[[:space:]]*\(k8s.io/[a-z0-9-]*\) => ./staging.*|\1|p' "$source/go.mod" | sort -u | sed "s|.*|\t& => & v0.${kubernetes#v1.}|"
      echo ")"
    } >>go.mod
    { printf '//go:build tools\n\npackage tools\n\n'; printf 'import _ "k8s.io/kubernetes/cmd/%s"\n' "${daemons[@]}"; } >tools.go
    run "$go" mod tidy
    touch .resolved
  fi
  v=k8s.io/component-base/version # without it they call themselves v0.0.0-master, which clients cannot parse
  minor=${kubernetes#v1.}; minor=${minor%%.*}
  for name in "${missing[@]}"; do
    go_build "$name" "k8s.io/kubernetes/cmd/$name" "-X $v.gitVersion=$kubernetes -X $v.gitMajor=1 -X $v.gitMinor=$minor -X $v.gitTreeState=clean"
  done
fi

for name in traffic pause; do
  cd "$here/$name"
  if [ main.go -nt "$images/$name.tar" ]; then
    go_build "$name" .
    image "$name" "$bin/$name"
  fi
done
[ "$images/coredns.tar" -nt "$coredns/coredns" ] || image coredns "$coredns/coredns"
say "ready after $SECONDS s in $home"
