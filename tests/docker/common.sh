#!/bin/bash
# Sourced by the tests with a Docker Engine: verdicts, the engine's client, what is needed, a base image, an origin. `subject` begins each verdict.
# Base images are made by debootstrap from this machine's own Debian mirror, since none can be pulled.
status=0
pass() { echo "PASSED: $subject: $*"; }
fail() { echo "FAILED: $subject: $*"; status=1; }
skip() {
    echo "SKIPPED: $subject: $*"
    # The machine that decides has all parts.
    [ "${CI:-}" != true ] || { echo "FAILED: $subject: skipped in CI"; exit 1; }
    exit 0
}

# Of several clients the one with both builders.
docker=/usr/bin/docker
[ -x "$docker" ] || docker=$(command -v docker) || skip "no docker"
"$docker" info >/dev/null 2>&1 || skip "no Docker Engine answers"
[ "$(id -u)" = 0 ] || skip "debootstrap needs root"

need() { # PACKAGE:COMMAND...
    local pair missing=()
    for pair in "$@"; do command -v "${pair#*:}" >/dev/null || missing+=("${pair%:*}"); done
    # python3-minimal has no servers.
    python3 -c 'import http.server' 2>/dev/null || missing+=(python3)
    [ ${#missing[@]} = 0 ] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
        skip "${missing[*]} can't be installed"
}
need debootstrap:debootstrap python3:python3
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' |
    awk '$1 ~ /^http/ && $3 == "main" && $1 !~ /security/ { print $1; exit }')
[ -n "$mirror" ] || skip "apt has no http mirror configured"

work=$(mktemp -d)
origin=
stop_origin() { [ -z "$origin" ] || { kill "$origin"; wait "$origin"; } 2>/dev/null; origin=; }
cleanup() { :; } # What a test has made besides.
trap 'stop_origin; cleanup; rm -rf --one-file-system "$work"' EXIT

# Serves $work/origin at an address of this machine; sets $url. Started again it is where it was.
port=$((20000 + RANDOM % 10000))
mkdir -p "$work/origin" "$work/context"
serve_origin() {
    python3 -m http.server "$port" --bind "$1" --directory "$work/origin" >>"$work/origin.log" 2>&1 &
    origin=$!
    url=http://$1:$port
    sleep 1
    kill -0 "$origin" 2>/dev/null
}
gets() { grep -c '"GET' "$work/origin.log"; }

# With wget, curl and git. The keys of other releases need not be on this machine. Where VCACHE_TEST_BASES is set the image is kept under a name that begins so, for the
# scripts that follow.
make_base() { # SUITE IMAGE
    local kept=${VCACHE_TEST_BASES:+$VCACHE_TEST_BASES-$1}
    if [ -n "$kept" ] && "$docker" tag "$kept" "$2" 2>/dev/null; then return; fi
    rm -rf --one-file-system "${work:?}/root"
    debootstrap --no-check-gpg --variant=minbase --include=wget,curl,git "$1" "$work/root" "$mirror" >"$work/log" 2>&1 ||
        { ! grep -q 'noexec or nodev' "$work/log" || skip "debootstrap may make no devices here (a container without --privileged)"
          fail "$1: debootstrap"; tail -3 "$work/log"; return 1; }
    tar -C "$work/root" -c . | "$docker" import - "$2" >/dev/null || { fail "$1: docker import"; return 1; }
    [ -z "$kept" ] || "$docker" tag "$2" "$kept"
    rm -rf --one-file-system "${work:?}/root"
}

stage() { ./install.sh --from "$VCACHE_TEST_BIN" --stage "$work/context" 2>/dev/null || { fail "install.sh --stage"; exit 1; }; }

# vcache, and shims of these names ahead of the real client, for calls on this machine.
host_shims() { # NAME...
    mkdir -p "$work/shims" "$work/real"
    ln -s "$docker" "$work/real/docker"
    cp "$VCACHE_TEST_BIN/vcache-shim" "$VCACHE_TEST_BIN/vcache" "$work/shims"
    local name
    for name in "$@"; do ln -s vcache-shim "$work/shims/$name"; done
}
with_shims() { # CACHE COMMAND...
    env PATH="$work/shims:$work/real:$PATH" VCACHE_DIR="$work/cache-$1" SONIC_VERSION_CACHE_METHOD=cache "${@:2}"
}

# Not `grep -q`: it leaves at the first hit, and with pipefail the broken pipe would count as "nothing found".
has() { # PATTERN COMMAND...: 0 found, 1 not found; what can't be read counts as found
    local pattern=$1
    shift
    "$@" >"$work/searched" 2>/dev/null || return 0
    [ "$(grep -aciE -e "$pattern" "$work/searched")" != 0 ]
}
layers_of() { "$docker" save "$1" | tar -xO; }

# A token has 32 hex digits, and what carries it ends in this.
is_clean() { # IMAGE
    ! has 'vcache\.invalid|no_proxy' "$docker" history --no-trunc "$1" &&
        ! has 'vcache\.invalid|no_proxy' "$docker" inspect "$1" &&
        ! has '[0-9a-f]{60}\.[0-9a-f.]*vcache\.invalid' layers_of "$1"
}

# Paths, modes, owners, sizes and content of an image; fails where there is nothing. Folders that a container is given change with each.
contents() {
    local container taken listed
    container=$("$docker" create "$1" nothing) || return 1
    mkdir -p "$work/tree" && "$docker" export "$container" | tar -x -C "$work/tree"
    taken=$?
    "$docker" rm "$container" >/dev/null
    (cd "$work/tree" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -name .dockerenv \) -prune -o -printf '%p %M %U:%G %y ' \
        \( -type f -printf '%s ' -exec sha256sum {} \; -o -printf '\n' \) | grep -v '^./etc/\(hostname\|hosts\|resolv.conf\|mtab\) ' | sort)
    listed=$?
    rm -rf --one-file-system "$work/tree"
    [ $taken = 0 ] && [ $listed = 0 ]
}
