#!/bin/bash
# Runs demo/build.sh twice under `vcache run`, cold and with the network cut, compares the trees, and prints a table; then builds an image so, where a Docker Engine answers.
# Started by `./install.sh --demo`; VCACHE_DEMO_BIN is the folder with vcache and vcache-shim.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${VCACHE_DEMO_BIN:?run ./install.sh --demo}
work=$(mktemp -d "${TMPDIR:-/tmp}/vcache-demo-XXXXXX")
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; rm -rf "$work"' EXIT
say() { echo "demo: $*" >&2; }

# The machine's own mirror, as apt is told to use it: the first plain suite.
read -r mirror suite <<<"$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' |
    awk '$1 ~ /^http/ && $3 == "main" && $2 !~ /-(security|updates|backports)$/ && $1 !~ /security/ { print $1, $2; exit }')"
[ -n "${suite:-}" ] || { say "apt has no http mirror with a component main configured"; exit 1; }
say "taking source packages of $suite from this machine's Debian mirror"

# No repository of the internet need be in reach: these sources, with their demo as a submodule, behind a daemon of this machine.
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=demo GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=demo@localhost
port=$((20000 + RANDOM % 10000)) repository=git://127.0.0.1:$port/sources
make_repository() { # FROM NAME
    cp -r "$1" "$work/repositories/$2" && rm -rf "$work/repositories/$2/"{.git,target}
    git -C "$work/repositories/$2" init -q && git -C "$work/repositories/$2" add . && git -C "$work/repositories/$2" commit -q -m "$2"
}
mkdir "$work/repositories"
make_repository "$here" demo
mkdir "$work/sources"
(cd "$here/.." && cp -r crates shims demo README.md Cargo.toml "$work/sources")
make_repository "$work/sources" sources
git daemon --export-all --reuseaddr --listen=127.0.0.1 --port="$port" --base-path="$work/repositories" "$work/repositories" 2>"$work/daemon.log" &
daemon=$!
for _ in $(seq 50); do git ls-remote "$repository" >/dev/null 2>&1 && break; sleep 0.1; done
git -C "$work/repositories/sources" submodule --quiet add "git://127.0.0.1:$port/demo" submodule
git -C "$work/repositories/sources" commit -q -m submodule

# A user namespace where we may not make a plain one; where neither is allowed, proxies that nobody listens on.
if unshare -n true 2>/dev/null; then cut="unshare -n" how="unshare -n"
elif unshare -rn true 2>/dev/null; then cut="unshare -rn" how="unshare -rn"
else
    cut="env http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9" how="dead proxies: no namespaces allowed here"
fi

run() { # NAME COMMAND...
    local name=$1; shift
    rm -rf "$work/out"
    local begin end
    begin=$(date +%s.%N)
    # shellcheck disable=SC2086 # a command and its words
    (cd "$work" && VCACHE_DIR=$work/cache VCACHE_BUILD_LOG=$work/$name.log \
        env -u VCACHE_SHIMS "$@" "$here/build.sh" "$work/out" "$mirror" "$suite" "$repository") || { say "the $name build failed; not answered:"; grep failed "$work/$name.log" >&2; exit 1; }
    end=$(date +%s.%N)
    (cd "$work/out" && find . -type f -exec sha256sum {} + | sort -k2 &&
        find . -printf '%p %y %m %l\n' | sort) >"$work/$name.tree"
    awk -v b="$begin" -v e="$end" 'BEGIN { printf "%.1f", e - b }' >"$work/$name.seconds"
}

say "first build: empty cache"
run cold "$bin/vcache" run --
say "second build: network cut ($how)"
# shellcheck disable=SC2086
run warm $cut "$bin/vcache" run --

count() { grep -c "\"outcome\":\"$2\"" "$work/$1.log" || true; }
bytes() { sed -n "s/.*\"outcome\":\"$2\".*\"bytes\":\([0-9]*\).*/\1/p" "$work/$1.log" | awk '{ s += $1 } END { print s + 0 }'; }
printf '\n%-12s %8s %8s %8s %22s %10s\n' build requests hits misses 'bytes from network' seconds
for name in cold warm; do
    printf '%-12s %8s %8s %8s %22s %10s\n' "$name" "$(wc -l <"$work/$name.log")" "$(count $name hit)" \
        "$(count $name miss)" "$(bytes $name miss)" "$(cat "$work/$name.seconds")"
done
echo
echo "without the cache the second build would have broken at the first of these:"
sed -n 's/.*"outcome":"hit".*"url":"\([^"]*\)".*/  \1/p' "$work/warm.log" | sed 's,https*://[^/]*/,http://(mirror)/,' | sort -u
echo
if ! cmp -s "$work/cold.tree" "$work/warm.tree"; then
    diff "$work/cold.tree" "$work/warm.tree" | head -20
    say "FAILED: the trees differ"; exit 1
fi
if [ "$(count warm miss)" != 0 ] || [ "$(count warm hit)" = 0 ]; then say "FAILED: the second build was not answered from the cache"; exit 1; fi
echo "the trees are the same, byte for byte: $(grep -c . "$work/cold.tree") entries"

if docker info >/dev/null 2>&1; then "$here/image.sh" "$bin" "$work" "$mirror" "$suite"
else say "no Docker Engine answers: no image is built"; fi
