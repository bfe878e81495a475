#!/bin/bash
# Clones in image builds, with a submodule, a shallow one and a pinned one, through each transport: cold, then warm with the origin stopped (by `serve`) or
# without a network (by `stage` and `log`); the images are compared file by file with one that was built without us. VCACHE_TEST_BIN: the folder of the static executables.
set -uo pipefail
cd "$(dirname "$0")/../.."
subject="docker git"
. tests/docker/common.sh
need git:git
base=vcache-git-base-$$
image=vcache-git-$$
cleanup() {
    [ -z "${daemon:-}" ] || kill "$daemon" 2>/dev/null
    "$docker" image rm -f "$base" "$image":{plain,0-serve,0-stage,1-log} >/dev/null 2>&1
}

# Two repositories, one a submodule of the other, behind a daemon on loopback.
export GIT_CONFIG_GLOBAL=$work/gitconfig GIT_CONFIG_NOSYSTEM=1
git config --global user.name test && git config --global user.email test@h.example && git config --global init.defaultBranch main
git config --global protocol.file.allow always
commit() { GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z git -C "$1" commit -qm "$2"; }
daemon_start() {
    git daemon --export-all --reuseaddr --listen=127.0.0.1 --port="$port" --base-path="$work/repos" "$work/repos" >>"$work/daemon.log" 2>&1 &
    daemon=$!
    for _ in $(seq 50); do git ls-remote "git://127.0.0.1:$port/sub.git" >/dev/null 2>&1 && return; sleep 0.1; done
    fail "git daemon does not answer"; exit 1
}
daemon_stop() {
    kill "$daemon" && wait "$daemon" 2>/dev/null
    # What serves the connections is a child of it.
    pkill -f "git-daemon.*--port=$port"
    daemon=
}
mkdir -p "$work/repos" "$work/plain"
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
make_base bookworm "$base" || exit 1
mkdir "$work/context/versions"
echo "git://127.0.0.1:$port/sub==$pin" >"$work/context/versions/versions-git"
# What a clone's own folder holds differs from one to the next by times alone.
cat >"$work/context/Dockerfile" <<END
FROM $base
COPY shims /usr/local/sbin
RUN git clone --recurse-submodules git://127.0.0.1:$port/super.git /super && git -C /super log --format=%H >/log && find /super -name .git -prune -exec rm -rf {} +
RUN git clone --depth 1 git://127.0.0.1:$port/super.git /shallow && git -C /shallow log --format=%H >/one && rm -rf /shallow/.git
COPY versions /usr/local/share/buildinfo/versions
RUN SONIC_VERSION_CONTROL_COMPONENTS=git git clone git://127.0.0.1:$port/sub.git /pinned && git -C /pinned checkout -q $pin && git -C /pinned log --format=%H >/two \\
    && rm -rf /pinned/.git /usr/local/share/buildinfo/build-versions
END
cp -r "$work/context/." "$work/plain"
"$docker" build --no-cache --network host -t "$image:plain" "$work/plain" >"$work/log" 2>&1 || { fail "the plain build"; tail -5 "$work/log"; exit 1; }
contents "$image:plain" >"$work/plain.list" || { fail "the plain image can't be looked at"; exit 1; }

for kit in 0 1; do
    # What the builders do differently is for the other scripts to show.
    ways=(serve stage)
    [ $kit = 0 ] || ways=(log)
    for way in "${ways[@]}"; do
        name=$kit-$way what="$way, $([ $kit = 1 ] && echo BuildKit || echo classic)"
        for round in cold warm; do
            network=host
            if [ $round = warm ]; then daemon_stop; [ $way = serve ] || network=none; fi
            if with_shims "$name" env VCACHE_TRANSPORT=$way DOCKER_BUILDKIT=$kit docker build --no-cache --network $network -t "$image:$name" "$work/context" >"$work/log" 2>&1
            then pass "$what: $round build"; else fail "$what: $round build"; tail -12 "$work/log"; continue; fi
            contents "$image:$name" >"$work/list"
            if cmp -s "$work/plain.list" "$work/list"; then pass "$what: the $round image is the plain one, file by file"
            else fail "$what: the $round image differs: $(diff "$work/plain.list" "$work/list" | head -4)"; fi
            if is_clean "$image:$name"; then pass "$what: no token or address in the $round image"; else fail "$what: traces in the $round image"; fi
        done
        daemon_start
    done
done
exit $status
