#!/bin/bash
# What a build by `stage` must leave alone: files, times and modes of its context, the user's own build arguments, and, where somebody ends it, the machine.
# With both builders; images are compared with those of docker alone. VCACHE_TEST_BIN: the folder of the static executables.
set -uo pipefail
cd "$(dirname "$0")/../.."
subject="docker carried"
. tests/docker/common.sh
base=vcache-carried-base-$$
image=vcache-carried-$$
cleanup() { "$docker" image rm -f "$base" "$image":{plain,stage,ended} >/dev/null 2>&1; }

host_shims docker
for name in a b; do head -c 60000 /dev/urandom >"$work/origin/$name.bin"; done
serve_origin 127.0.0.1
stage
make_base bookworm "$base" || exit 1
cd "$work/context" || exit 1
mkdir -p docker data/closed data/skipped
echo data/skipped >.dockerignore
echo "a file of that name" >data/vcache-build
echo old >data/closed/old
cat >docker/Dockerfile <<DOCKERFILE
FROM $base
COPY shims /usr/local/sbin
COPY . /context
RUN [ "\${NO_PROXY%%,*}" = own.example ] && curl -fsSLo /a.bin $url/a.bin
DOCKERFILE
cat >docker/Targets <<DOCKERFILE
FROM $base AS first
COPY shims /usr/local/sbin
RUN curl -fsSLo /b.bin $url/b.bin
FROM first AS second
RUN false
DOCKERFILE
touch -d 2001-02-03 data/closed/old data/closed
chmod 555 data/closed
touch -d 2002-03-04 data docker shims .dockerignore
cd - >/dev/null || exit 1
before=$(cd "$work/context" && find . -printf '%p %M %T@\n' | sort)

# As `contents`, and with the times of what came from the context; the folder that COPY made for it is as old as its build, and with BuildKit all folders are.
copied() {
    local container folders=.
    [ "$DOCKER_BUILDKIT" = 1 ] && folders='^[^d]'
    contents "$1" && container=$("$docker" create "$1" nothing) || return 1
    "$docker" cp "$container:/context" - | tar -tv --full-time | grep -v ' context/$' | grep "$folders"
    "$docker" rm "$container" >/dev/null
}
by_stage() { with_shims own env TMPDIR="$work/tmp" VCACHE_TRANSPORT=stage "$@"; }
# Containers and images of ours, and copies of contexts.
left() {
    "$docker" ps -a --format '{{.Names}}' | grep '^vcache-build-'
    "$docker" image ls --format '{{.Repository}}' | grep '^vcache-build-'
    find "$work/tmp" "$work" -maxdepth 1 -name '.vcache-context-*'
}
mkdir "$work/tmp"
options="--network host --build-arg NO_PROXY=own.example -f $work/context/docker/Dockerfile"

for kit in 0 1; do
    what=$([ $kit = 1 ] && echo BuildKit || echo "classic builder")
    export DOCKER_BUILDKIT=$kit
    "$docker" build --no-cache $options -t "$image:plain" "$work/context" >"$work/log" 2>&1 || { fail "$what: the plain build"; tail -5 "$work/log"; continue; }
    copied "$image:plain" >"$work/plain.list"
    grep -q 'closed/old$' "$work/plain.list" || { fail "$what: the plain image can't be looked at"; continue; }
    for round in cold warm; do
        by_stage docker build --no-cache $options -t "$image:stage" "$work/context" >"$work/log" 2>&1 || { fail "$what: $round build"; tail -5 "$work/log"; continue; }
        grep -aq 'vcache: warning' "$work/log" && fail "$what: $round: $(grep -a 'vcache: warning' "$work/log")"
        copied "$image:stage" >"$work/list"
        if cmp -s "$work/plain.list" "$work/list"; then pass "$what: the $round image is the plain one, times of the context included"
        else fail "$what: the $round image differs: $(diff "$work/plain.list" "$work/list" | head -9)"; fi
    done
    # The second of two files of a cache of ours would not arrive: the build is docker's own in all but its time.
    echo '*.o' >"$work/context/docker/Dockerfile.dockerignore"
    by_stage docker build $options -t "$image:stage" "$work/context" >"$work/log" 2>&1 && ! grep -a 'vcache: warning' "$work/log" &&
        pass "$what: with an ignore file that may concern the shims" || { fail "$what: with an ignore file"; tail -3 "$work/log"; }
    rm "$work/context/docker/Dockerfile.dockerignore"
    # A stage that is not asked for is not built, in the last stage neither; its failure would show in a warning.
    with_shims "target-$kit" env TMPDIR="$work/tmp" VCACHE_TRANSPORT=stage \
        docker build $options -f "$work/context/docker/Targets" --target first -t "$image:stage" "$work/context" >"$work/log" 2>&1 &&
        ! grep -a 'vcache: warning' "$work/log" && [ "$(VCACHE_DIR=$work/cache-target-$kit "$work/shims/vcache" ls --json | grep -c '/b.bin"')" = 1 ] &&
        pass "$what: with --target, what it fetched is in the cache" || { fail "$what: with --target"; tail -3 "$work/log"; }
done
touch -d 2002-03-04 "$work/context/docker"

# Somebody ends it while docker saves, loads, builds the last stage, copies out.
printf '#!/bin/sh\ncase "$*" in %s\nesac\nexec %s "$@"\n' '*"$SLOW"*) touch "$MARK"; sleep 6;;' "$docker" >"$work/slow"
chmod +x "$work/slow" && rm "$work/real/docker" && cp "$work/slow" "$work/real/docker"
for slow in "--target vcache-export" "create --name" "cp vcache-build" "save vcache-build" "load --quiet"; do
    rm -f "$work/mark"
    # Without a function between, so that the signal comes to the shim.
    env PATH="$work/shims:$work/real:$PATH" VCACHE_DIR="$work/cache-own" SONIC_VERSION_CACHE_METHOD=cache SLOW="$slow" MARK="$work/mark" \
        TMPDIR="$work/tmp" VCACHE_TRANSPORT=stage docker build $options -t "$image:ended" "$work/context" >"$work/log" 2>&1 &
    shim=$!
    for _ in $(seq 600); do [ ! -e "$work/mark" ] || break; sleep 0.1; done
    kill -TERM "$shim"
    wait "$shim"
    ended=$?
    if [ $ended = 143 ]; then pass "ended at '$slow': by that signal"; else fail "ended at '$slow': status $ended"; tail -3 "$work/log"; fi
    if [ -z "$(left)" ]; then pass "ended at '$slow': nothing of ours is left"; else fail "ended at '$slow': left: $(left)"; fi
    ! "$docker" image inspect "$image:ended" >/dev/null 2>&1 || fail "ended at '$slow': there is an image"
done

if [ "$(cd "$work/context" && find . -printf '%p %M %T@\n' | sort)" = "$before" ]; then pass "the context is as it was"
else fail "the context changed: $(diff <(echo "$before") <(cd "$work/context" && find . -printf '%p %M %T@\n' | sort))"; fi
exit $status
