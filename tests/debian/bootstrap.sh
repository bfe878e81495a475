#!/bin/bash
# debootstrap by its shim, from this machine's own Debian mirror: the real one, the shim cold, and the shim without a network; trees are compared by owners, modes, links, devices, times
# and content. VCACHE_TEST_BIN: the folder of the static executables. VCACHE_TEST_ALL=1: beside the real one,
# with --foreign for another architecture, and with tarballs of packages.
set -uo pipefail
cd "$(dirname "$0")/../.."
subject=debootstrap
status=0
pass() { echo "PASSED: $subject: $*"; }
fail() { echo "FAILED: $subject: $*"; status=1; }
skip() {
    echo "SKIPPED: $subject: $*"
    # The machine that decides has all parts.
    [ "${CI:-}" != true ] || { echo "FAILED: $subject: skipped in CI"; exit 1; }
    exit 0
}
[ "$(id -u)" = 0 ] || skip "debootstrap needs root"
command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends debootstrap; } >/dev/null 2>&1 ||
    skip "debootstrap can't be installed"
unshare -n true 2>/dev/null || skip "no network namespace can be made"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' |
    awk '$1 ~ /^http/ && $3 == "main" && $1 !~ /security/ { print $1; exit }')
[ -n "$mirror" ] || skip "apt has no http mirror configured"

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir "$work/shims"
cp "$VCACHE_TEST_BIN/vcache-shim" "$work/shims"
ln -s vcache-shim "$work/shims/debootstrap"
# SONiC calls it so, for the sake of the wget that it runs.
shim() { env PATH="$work/shims:$PATH" VCACHE_DIR="$work/cache" SONIC_VERSION_CACHE_METHOD=cache SKIP_BUILD_HOOK=y "$@" 2>"$work/err"; }
# What a folder takes on the disk is its file system's business.
tree() { (cd "$1" && find . \( -type d -printf '%p %M %U:%G %T@\n' \) -o \( ! -type d -printf '%p %M %U:%G %s %n %T@ %l %y\n' \) | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
same() { # WHAT A B
    if [ -s "$2" ] && cmp -s "$2" "$3"; then pass "$1"; else fail "$1: $(diff "$2" "$3" | head -4)"; fi
}

# ARGUMENT...: cold into one target, then without a network into one that is there already and is empty.
twice() { # NAME ARGUMENT...
    local name=$1
    shift
    mkdir "$work/$name-cut"
    if ! shim debootstrap "$@" bookworm "$work/$name-cold" "$mirror" >"$work/said-cold"; then fail "$name: cold: $(tail -2 "$work/said-cold")"; return; fi
    if ! shim unshare -n debootstrap "$@" bookworm "$work/$name-cut" "$mirror" >"$work/said-cut"; then fail "$name: without a network: $(tail -2 "$work/err")"; return; fi
    tree "$work/$name-cold" >"$work/cold.list" && tree "$work/$name-cut" >"$work/cut.list"
    same "$name: the same tree without a network" "$work/cold.list" "$work/cut.list"
    same "$name: the same is said" "$work/said-cold" "$work/said-cut"
}
twice minbase --variant=minbase
# Of two real bootstraps times and logs differ; paths, owners, modes and links do not. It takes its time.
shape() { (cd "$1" && find . -printf '%p %M %U:%G %l\n' | sort); }
if [ "${VCACHE_TEST_ALL:-}" != 1 ]; then :
elif debootstrap --variant=minbase bookworm "$work/real" "$mirror" >/dev/null 2>&1; then
    shape "$work/real" >"$work/real.list" && shape "$work/minbase-cut" >"$work/cut.list"
    same "minbase: paths, owners, modes and links of the real one" "$work/real.list" "$work/cut.list"
else fail "the real debootstrap"; fi
rm -rf --one-file-system "$work/real" "$work"/minbase-*
everything() {
    twice foreign --foreign --arch arm64 --variant=minbase --include=jq

    # A tarball of packages, and a tree from that.
    for round in cold cut; do
        cut=()
        [ $round = cold ] || cut=(unshare -n)
        shim "${cut[@]}" debootstrap --variant=minbase --make-tarball="$work/$round.tgz" bookworm "$work/tarball-$round" "$mirror" >/dev/null || fail "--make-tarball, $round: $(tail -2 "$work/err")"
    done
    same "--make-tarball: the same file without a network" "$work/cold.tgz" "$work/cut.tgz"
    twice unpacked --foreign --variant=minbase --unpack-tarball="$work/cold.tgz"
}
[ "${VCACHE_TEST_ALL:-}" != 1 ] || everything

# What is not in the cache, and what is the real one's.
shim env VCACHE_OFFLINE=y debootstrap --variant=minbase --include=jq bookworm "$work/none" "$mirror" >/dev/null
if [ $? = 118 ] && grep -q VCACHE_OFFLINE "$work/err" && [ ! -e "$work/none" ]; then pass "offline and not in the cache: 118"; else fail "offline: $(cat "$work/err")"; fi
mkdir "$work/full" && touch "$work/full/a"
for call in "--print-debs --variant=minbase bookworm $work/none $mirror" "--variant=minbase bookworm $work/full file:///nowhere" "--nothing" "--version"; do
    # shellcheck disable=SC2086 # words
    shim debootstrap $call >"$work/shim.out"
    ours=$?
    # shellcheck disable=SC2086 # words
    debootstrap $call >"$work/real.out" 2>/dev/null
    if [ $ours = $? ] && cmp -s "$work/shim.out" "$work/real.out"; then pass "left to the real one: ${call%% *}"; else fail "left to the real one: $call: status $ours"; fi
done
exit $status
