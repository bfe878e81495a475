#!/bin/bash
# Clones in image builds, with a submodule, a shallow one and a pinned one, through each transport: cold, then warm with the origin stopped (by `serve`) or
# without a network (by `stage` and `log`); the images are compared file by file with one that was built without us. By `serve` in Debian 11 too, whose git
# is 2.30; Debian 10 with 2.20 is on no mirror any more. VCACHE_TEST_BIN: the folder of the static executables.
set -uo pipefail
cd "$(dirname "$0")/../.."
subject="docker git"
. tests/docker/common.sh
need git:git
suites=(bookworm bullseye)
image=vcache-git-$$
cleanup() {
    [ -z "${daemon:-}" ] || kill "$daemon" 2>/dev/null
    "$docker" image rm -f "${suites[@]/#/$image:base-}" "${suites[@]/#/$image:plain-}" "$image":{bookworm-0-serve,bookworm-0-stage,bookworm-1-log,bullseye-0-serve} >/dev/null 2>&1
}

# Two repositories, one a submodule of the other, behind a daemon on loopback.
export GIT_CONFIG_GLOBAL=$work/gitconfig GIT_CONFIG_NOSYSTEM=1
git config --global user.name test && git config --global user.email test@h.example && git config --global init.defaultBranch main
git config --global protocol.file.allow always
commit() { GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z git -C "$1" commit -qm "$2"; }
daemon_start() {
    # Not `git daemon`, whose child it would be.
    "$(git --exec-path)/git-daemon" --export-all --reuseaddr --listen=127.0.0.1 --port="$port" --base-path="$work/repos" "$work/repos" >>"$work/daemon.log" 2>&1 &
    daemon=$!
    for _ in $(seq 50); do git ls-remote "git://127.0.0.1:$port/sub.git" >/dev/null 2>&1 && return; sleep 0.1; done
    fail "git daemon does not answer"; exit 1
}
daemon_stop() {
    kill "$daemon" && wait "$daemon" 2>/dev/null
    daemon=
}
mkdir "$work/repos"
for name in sub super; do
    git init -q "$work/$name"
    for n in 1 2 3; do echo "$name $n" >"$work/$name/$n" && git -C "$work/$name" add . && commit "$work/$name" "$n"; done
    git clone -q --bare "$work/$name" "$work/repos/$name.git"
done
daemon_start
git -C "$work/super" submodule --quiet add "git://127.0.0.1:$port/sub.git" sub && commit "$work/super" submodule
git -C "$work/super" push -q "$work/repos/super.git" main
pin=$(git -C "$work/sub" rev-parse main~1)

host_shims docker
stage
mkdir "$work/context/versions" || exit 1
echo "git://127.0.0.1:$port/sub==$pin" >"$work/context/versions/versions-git"

# The context on this Debian, and what is in an image without us.
prepare() { # SUITE
    make_base "$1" "$image:base-$1" || return 1
    # What a clone's own folder holds differs from one to the next by times alone.
    cat >"$work/context/Dockerfile" <<END
FROM $image:base-$1
COPY shims /usr/local/sbin
RUN git clone --recurse-submodules git://127.0.0.1:$port/super.git /super && git -C /super log --format=%H >/log && find /super -name .git -prune -exec rm -rf {} +
RUN git clone --depth 1 git://127.0.0.1:$port/super.git /shallow && git -C /shallow log --format=%H >/one && rm -rf /shallow/.git
COPY versions /usr/local/share/buildinfo/versions
RUN SONIC_VERSION_CONTROL_COMPONENTS=git git clone git://127.0.0.1:$port/sub.git /pinned && git -C /pinned checkout -q $pin && git -C /pinned log --format=%H >/two \\
    && rm -rf /pinned/.git /usr/local/share/buildinfo/build-versions
END
    rm -rf "$work/plain" && cp -r "$work/context" "$work/plain"
    "$docker" build --no-cache --network host -t "$image:plain-$1" "$work/plain" >"$work/log" 2>&1 || { fail "$1: the plain build"; tail -5 "$work/log"; return 1; }
    contents "$image:plain-$1" >"$work/plain.list" || { fail "$1: the plain image can't be looked at"; return 1; }
}

# Builds cold and warm, and compares.
try() { # SUITE KIT WAY
    local name=$1-$2-$3 what round network
    what="$1, $3, $([ "$2" = 1 ] && echo BuildKit || echo classic)"
    for round in cold warm; do
        network=host
        if [ $round = warm ]; then daemon_stop; [ "$3" = serve ] || network=none; fi
        if with_shims "$name" env VCACHE_TRANSPORT="$3" DOCKER_BUILDKIT="$2" docker build --no-cache --network $network -t "$image:$name" "$work/context" >"$work/log" 2>&1
        then pass "$what: $round build"; else fail "$what: $round build"; tail -12 "$work/log"; continue; fi
        contents "$image:$name" >"$work/list"
        if cmp -s "$work/plain.list" "$work/list"; then pass "$what: the $round image is the plain one, file by file"
        else fail "$what: the $round image differs: $(diff "$work/plain.list" "$work/list" | head -4)"; fi
        if is_clean "$image:$name"; then pass "$what: no token or address in the $round image"; else fail "$what: traces in the $round image"; fi
    done
    daemon_start
}

for suite in "${suites[@]}"; do
    prepare "$suite" || continue
    try "$suite" 0 serve
    # What the builders do differently is for the other scripts to show.
    [ "$suite" = bookworm ] || continue
    try "$suite" 0 stage
    try "$suite" 1 log
done
exit $status
