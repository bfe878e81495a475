#!/bin/bash
# What the ways of getting a cache into an image build and out of it cost, on the same build: 64 MB by wget and curl from an origin on loopback. Prints
# seconds of the cold and the warm build, and what the image holds more than one without a cache. VCACHE_TEST_BIN: the folder of the static executables.
set -uo pipefail
cd "$(dirname "$0")/../.."
[ ! -f "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
: "${VCACHE_TEST_BIN:=$(./install.sh --build)}"
subject="bench images"
. tests/docker/common.sh
base=vcache-bench-base-$$
image=vcache-bench-$$
cleanup() { "$docker" image rm -f "$base" "$image":{plain,0,1,three,three-build} >/dev/null 2>&1; }

mkdir "$work/three"
host_shims docker
head -c 60000000 /dev/urandom >"$work/origin/large"
for i in 1 2 3 4; do head -c 1000000 /dev/urandom >"$work/origin/$i"; done
serve_origin 127.0.0.1
stage
make_base bookworm "$base" || exit 1
steps="RUN wget -q -O /large $url/large
RUN for i in 1 2 3 4; do curl -fsSLo /\$i $url/\$i || exit 1; done"
printf 'FROM %s\nCOPY shims /usr/local/sbin\n%s\n' "$base" "$steps" >"$work/context/Dockerfile"

# The three-step build of the discussion: the cache is a folder of the image, is copied out of it, and deleted in one more layer.
cp -r "$work/context/shims" "$work/three"
mkdir "$work/three/vcache"
printf 'FROM %s AS build\nCOPY shims /usr/local/sbin\nCOPY vcache /vcache\nENV SONIC_VERSION_CACHE_METHOD=cache VCACHE_DIR=/vcache\n%s\nFROM scratch AS output\nCOPY --from=build /vcache /\nFROM build AS final\nRUN rm -r /vcache\n' \
    "$base" "$steps" >"$work/three/Dockerfile"
three() {
    export DOCKER_BUILDKIT=1
    "$docker" build --no-cache --network host --target build -t "$image:three-build" "$work/three" &&
        "$docker" build --network host --target output -o "$work/three/vcache" "$work/three" &&
        "$docker" build --network host --target final -t "$image:three" "$work/three"
}
plain() { DOCKER_BUILDKIT=$1 "$docker" build --no-cache --network host -t "$image:plain" "$work/context"; }
ours() { # BUILDER TRANSPORT
    with_shims "$2-$1" env VCACHE_TRANSPORT="$2" DOCKER_BUILDKIT="$1" \
        docker build --no-cache --network host -t "$image:$1" "$work/context"
}
seconds() { # COMMAND...
    local begin end
    begin=$(date +%s.%N)
    "$@" >"$work/log" 2>&1 || { tail -3 "$work/log" >&2; echo failed; return; }
    end=$(date +%s.%N)
    awk -v b="$begin" -v e="$end" 'BEGIN { printf "%.1f", e - b }'
}
size() { "$docker" image inspect --format '{{.Size}}' "$1"; }
row() { # NAME IMAGE COMMAND...
    local cold warm
    cold=$(seconds "${@:3}"); warm=$(seconds "${@:3}")
    awk -v name="$1" -v cold="$cold" -v warm="$warm" -v more=$(($(size "$2") - plain_size)) \
        'BEGIN { printf "%-34s %8s %8s %12.1f\n", name, cold, warm, more / 1e6 }'
}
printf '%-34s %8s %8s %12s\n' way cold warm 'MB more'
for kit in 0 1; do
    builder=$([ $kit = 1 ] && echo BuildKit || echo classic)
    seconds plain $kit >/dev/null
    plain_size=$(size "$image:plain")
    row "no cache, $builder" "$image:plain" plain $kit
    row "serve, $builder" "$image:$kit" ours $kit serve
    row "stage, $builder" "$image:$kit" ours $kit stage
    [ $kit = 1 ] || row "log, $builder" "$image:$kit" ours $kit log
done
row "three-step build, BuildKit" "$image:three" three
exit $status
