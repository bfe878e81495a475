#!/bin/bash
# Image builds from inside a container that drives its host's daemon over the mounted socket, as SONiC's slave container does: the cache is in a volume of
# that container, and its `vcache serve` is reached by the sibling container in which the RUN steps run. Each network of both and each builder: cold, then
# warm with the origin stopped; and networks that docker keeps apart. VCACHE_TEST_BIN: the folder of the static executables.
set -uo pipefail
cd "$(dirname "$0")/../.."
subject="docker sibling"
. tests/docker/common.sh
base=vcache-sibling-base-$$ slave=vcache-sibling-$$ socket=/var/run/docker.sock
cleanup() {
    "$docker" rm -f "$slave" >/dev/null 2>&1
    "$docker" volume rm "$slave" >/dev/null 2>&1
    "$docker" network rm "$slave" >/dev/null 2>&1
    "$docker" image rm -f "$base" $("$docker" images -q "$slave") >/dev/null 2>&1
}
[ -S "$socket" ] || skip "the engine's socket is not $socket"

head -c 300000 /dev/urandom >"$work/origin/a.bin"
head -c 5000000 /dev/urandom >"$work/origin/b.bin"
# The gateway is an address of the daemon's host that containers on any network reach.
gateway=$("$docker" network inspect -f '{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}}{{end}}' bridge | awk '{ sub("[.]0/.*", ".1", $1); print $1 }')
serve_origin "$gateway" || skip "the bridge's gateway (${gateway:-none}) is no address of this machine"
stage
make_base bookworm "$base" || exit 1
cat >"$work/context/Dockerfile" <<END
FROM $base
COPY shims /usr/local/sbin
RUN wget -q -O /a.bin $url/a.bin
RUN curl -fsSLo /b.bin $url/b.bin && sha256sum /a.bin /b.bin >/sums
END
sums=$(cd "$work/origin" && sha256sum a.bin b.bin | sed 's|  |  /|')

# The container as its Dockerfile would have made it: shims as staged, docker's own client with its plugins, vcache.
start_slave() { # NETWORK
    "$docker" rm -f "$slave" >/dev/null 2>&1
    "$docker" run -d --name "$slave" --network "$1" -v "$socket:/var/run/docker.sock" -v "$slave:/var/cache/vcache" \
        -e SONIC_VERSION_CACHE_METHOD=cache "$base" sleep 3600 >"$work/log" 2>&1 || return 1
    "$docker" cp "$work/context" "$slave:/context" && "$docker" cp "$work/context/shims/." "$slave:/usr/local/sbin" &&
        "$docker" cp "$VCACHE_TEST_BIN/vcache" "$slave:/usr/local/bin/vcache" || return 1
    [ ! -d /usr/libexec/docker ] || { inside mkdir -p /usr/libexec && "$docker" cp /usr/libexec/docker "$slave:/usr/libexec"; } || return 1
    local client
    for client in "$docker" /usr/local/bin/docker; do
        [ -x "$client" ] && "$docker" cp -L "$client" "$slave:/usr/bin/docker" && inside /usr/bin/docker version && return
    done
}
inside() { "$docker" exec "$slave" "$@" >"$work/log" 2>&1; }
build() { # KIT CACHE NETWORK IMAGE
    inside env DOCKER_BUILDKIT="$1" VCACHE_DIR="/var/cache/vcache/$2" docker build --no-cache --network "$3" -t "$4" /context
}

for of_slave in bridge host; do
    if ! start_slave "$of_slave"; then fail "the slave container on $of_slave: $(tail -2 "$work/log")"; continue; fi
    if inside vcache-shim --refresh-links && inside test -L /usr/local/sbin/docker; then pass "slave on $of_slave: the shim of docker is linked"
    else fail "slave on $of_slave: --refresh-links: $(tail -2 "$work/log")"; fi
    for kit in 0 1; do
        if ! inside env DOCKER_BUILDKIT=$kit sh -c 'echo "FROM $1" | /usr/bin/docker build -t "$2" -' - "$base" "$slave:probe"; then
            # Newer clients have BuildKit in a plugin that need not be installed, and may have nothing else one day.
            echo "SKIPPED: $subject: this client has no builder for DOCKER_BUILDKIT=$kit: $(tail -1 "$work/log")"; continue
        fi
        for of_build in default host; do
            row="slave on $of_slave, build on $of_build, DOCKER_BUILDKIT=$kit" id=$of_slave-$of_build-$kit
            before=$(gets)
            if build $kit "$id" $of_build "$slave:$id-cold"; then pass "$row: cold build"; else fail "$row: cold build: $(tail -3 "$work/log")"; continue; fi
            asked=$(($(gets) - before))
            if [ $asked = 2 ]; then pass "$row: each content was fetched once"; else fail "$row: $asked requests to the origin"; fi
            stop_origin
            if build $kit "$id" $of_build "$slave:$id-warm"; then pass "$row: warm build with the origin stopped"; else fail "$row: warm build: $(tail -3 "$work/log")"; fi
            serve_origin "$gateway"
            if [ "$("$docker" run --rm --network none "$slave:$id-warm" cat /sums)" = "$sums" ]; then pass "$row: the same bytes"; else fail "$row: other bytes"; fi
            if is_clean "$slave:$id-warm"; then pass "$row: no token or address in the image"
            else fail "$row: the image shows token or address"; fi
        done
    done
    if "$docker" top "$slave" | grep -q "vcache serve"; then fail "slave on $of_slave: a server is left"; else pass "slave on $of_slave: no server is left"; fi
done

# Between two bridges of docker's nothing passes: the build is told so and waits for nothing.
if "$docker" network create "$slave" >"$work/log" 2>&1 && start_slave "$slave" && inside vcache-shim --refresh-links; then
    if build 0 apart default "$slave:apart" && grep -q "does not get the cache: .*kept apart" "$work/log" && ! grep -q "second tier" "$work/log"
    then pass "another network than the slave's: a warning, and no wait"; else fail "another network than the slave's: $(tail -3 "$work/log")"; fi
    if build 0 apart "$slave" "$slave:own-cold" && stop_origin && build 0 apart "$slave" "$slave:own-warm"
    then pass "the slave's own network: warm build with the origin stopped"; else fail "the slave's own network: $(tail -3 "$work/log")"; fi
else fail "the slave container on a network of its own: $(tail -2 "$work/log")"; fi
exit $status
