#!/bin/bash
# Image builds that read and fill this machine's cache through `vcache serve`, by the docker and buildah shims: the classic builder, BuildKit, buildah. Each
# builds a two-stage image with wget and curl cold, then warm with the origin stopped; the images are compared file by file with one
# that was built without us, and histories, configurations and layers are searched for token and address. VCACHE_TEST_BIN: the folder of the static executables.
set -uo pipefail
cd "$(dirname "$0")/../.."
subject="docker serve"
. tests/docker/common.sh
need buildah:buildah
base=vcache-serve-base-$$
cleanup() {
    "$docker" image rm -f "$base" "vcache-serve-$$":{plain,0-cold,0-warm,1-cold,1-warm,bridge-0,bridge-1} >/dev/null 2>&1
}

mkdir "$work/plain"
host_shims docker buildah
head -c 300000 /dev/urandom >"$work/origin/a.bin"
head -c 5000000 /dev/urandom >"$work/origin/b.bin"
serve_origin 127.0.0.1
stage

make_base bookworm "$base" || exit 1

cat >"$work/context/Dockerfile" <<END
FROM $base AS fetch
COPY shims /usr/local/sbin
RUN wget -q -O /a.bin $url/a.bin
FROM $base
COPY shims /usr/local/sbin
RUN curl -fsSLo /b.bin $url/b.bin && wget -qO- $url/a.bin | sha256sum >/sum
COPY --from=fetch /a.bin /c.bin
END
cp -r "$work/context/." "$work/plain"

if "$docker" build --no-cache --network host -t "vcache-serve-$$:plain" "$work/plain" >"$work/log" 2>&1; then
    contents "vcache-serve-$$:plain" >"$work/plain.list" || fail "the plain image can't be looked at"
else fail "the plain build"; tail -5 "$work/log"; fi

for kit in 0 1; do
    builder=$([ $kit = 1 ] && echo BuildKit || echo classic)
    before=$(gets)
    for round in cold warm; do
        image=vcache-serve-$$:$kit-$round
        [ $round = cold ] || stop_origin
        if with_shims $kit env DOCKER_BUILDKIT=$kit docker build --no-cache --network host -t "$image" "$work/context" >"$work/log" 2>&1
        then pass "$builder: $round build"; else fail "$builder: $round build"; tail -5 "$work/log"; continue; fi
        contents "$image" >"$work/list"
        if cmp -s "$work/plain.list" "$work/list"; then pass "$builder: the $round image is the plain one, file by file"
        else fail "$builder: the $round image differs: $(diff "$work/plain.list" "$work/list" | head -4)"; fi
        if is_clean "$image"; then pass "$builder: no token or address in the $round image"
        else fail "$builder: the $round image shows token or address"; fi
    done
    serve_origin 127.0.0.1
    asked=$(($(gets) - before))
    # Two contents: what the second stage asks for again is there by then.
    if [ $asked = 2 ]; then pass "$builder: each content was fetched once"; else fail "$builder: $asked requests to the origin"; fi
    events=$(VCACHE_DIR="$work/cache-$kit" "$work/shims/vcache" stats --json | tr -d ' \n')
    case $events in
    *'"hits":4,'*) pass "$builder: the host's statistics count the build's calls" ;;
    *) fail "$builder: statistics: ${events:0:200}" ;;
    esac
    if with_shims $kit "$work/shims/vcache" export --image "vcache-serve-$$:$kit-cold" -o "$work/image-$kit.tar.zst" >"$work/log" 2>&1 &&
        [ "$(stat -c %s "$work/image-$kit.tar.zst")" -gt 5000000 ]; then pass "$builder: export of what the image asked for"
    else fail "$builder: export --image: $(tail -2 "$work/log")"; fi
done

# On docker's own network only the server can be reached: the origin listens on the host's loopback.
for kit in 0 1; do
    if with_shims $kit env DOCKER_BUILDKIT=$kit docker build --no-cache -t "vcache-serve-$$:bridge-$kit" "$work/context" >"$work/log" 2>&1
    then pass "bridge network, DOCKER_BUILDKIT=$kit: warm build by the server at the gateway"
    else fail "bridge network, DOCKER_BUILDKIT=$kit: $(tail -3 "$work/log")"; fi
done

# A build that is given nothing: another transport, no network, no server; each is docker's own business.
if with_shims 0 env VCACHE_TRANSPORT=other DOCKER_BUILDKIT=0 docker build --no-cache --network host -t "vcache-serve-$$:plain" "$work/context" >"$work/log" 2>&1 &&
    grep -q "does not get the cache" "$work/log"
then pass "VCACHE_TRANSPORT=other leaves the build alone"; else fail "VCACHE_TRANSPORT=other: $(tail -3 "$work/log")"; fi
if with_shims 0 env VCACHE_DIR=/proc/none DOCKER_BUILDKIT=0 docker build --no-cache --network host -t "vcache-serve-$$:plain" "$work/context" >"$work/log" 2>&1 &&
    grep -q "does not get the cache" "$work/log"; then pass "a server that does not come up costs a warning"
else fail "a server that does not come up: $(tail -3 "$work/log")"; fi
with_shims 0 docker build --no-cache --network host -t "vcache-serve-$$:plain" "$work/nowhere" >"$work/log" 2>&1
shim=$?
"$docker" build --no-cache --network host -t "vcache-serve-$$:plain" "$work/nowhere" >"$work/log" 2>&1
if [ $shim = $? ]; then pass "a build that fails ends as docker does"; else fail "exit status $shim of a failed build"; fi
if pgrep -f "vcache serve --until-stdin-closes" >/dev/null; then fail "a server is left"; else pass "no server is left"; fi

# buildah has a store of its own; vfs needs nothing of the kernel.
store=(--root "$work/buildah" --runroot "$work/buildah-run" --storage-driver vfs)
"$docker" save "$base" -o "$work/base.tar"
if buildah "${store[@]}" pull "docker-archive:$work/base.tar" >"$work/log" 2>&1; then
    buildah "${store[@]}" tag "$(buildah "${store[@]}" images -q | head -1)" "localhost/$base" >/dev/null 2>&1
    stop_origin
    if with_shims 0 buildah "${store[@]}" bud --isolation chroot --network host -t warm "$work/context" >"$work/log" 2>&1
    then pass "buildah: warm build with the origin stopped"; else fail "buildah: $(tail -3 "$work/log")"; fi
    if buildah "${store[@]}" inspect --type image warm | grep -qi 'vcache\.invalid\|no_proxy'; then fail "buildah: token or address in the image"
    else pass "buildah: no token or address in the image"; fi
else fail "buildah pull: $(tail -2 "$work/log")"; fi
exit $status
