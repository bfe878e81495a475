#!/bin/bash
# The image of the demo: built cold, and once more without a network; both images are compared. Started by demo/run.sh where a Docker Engine
# answers. Usage: image.sh BIN WORK MIRROR SUITE. The base image is a static busybox from the Debian mirror, since registries may be out of reach.
set -euo pipefail
bin=$1 work=$2/image mirror=${3%/} suite=$4
say() { echo "demo: $*" >&2; }
image=vcache-demo-$$
mkdir -p "$work/context/shims" "$work/context/bin" "$work/shims"
trap 'docker image rm -f "$image" >/dev/null 2>&1' EXIT

(cd "$work" && apt-get -qq download busybox-static >/dev/null 2>&1 && dpkg-deb -x busybox-static_*.deb busybox) ||
    { say "no busybox-static to be had: no image is built"; exit 0; }
cp "$(find "$work/busybox" -type f -path '*/bin/busybox')" "$work/context/bin"
for name in sh wget sha256sum; do ln -s busybox "$work/context/bin/$name"; done
cp "$bin/vcache-shim" "$work/context/shims"
ln -s vcache-shim "$work/context/shims/wget"
cp "$bin/vcache-shim" "$bin/vcache" "$work/shims"
ln -s vcache-shim "$work/shims/docker"
# The shell of busybox takes its own wget, whatever PATH says: so without a shell.
cat >"$work/context/Dockerfile" <<DOCKERFILE
FROM scratch
COPY bin /bin
COPY shims /usr/local/sbin
ENV PATH=/usr/local/sbin:/bin
RUN ["wget", "-q", "-O", "/InRelease", "$mirror/dists/$suite/InRelease"]
RUN ["wget", "-q", "-O", "/Sources.xz", "$mirror/dists/$suite/main/source/Sources.xz"]
RUN sha256sum /InRelease /Sources.xz >/sums
DOCKERFILE

build() { # NAME NETWORK; prints how long it took
    local begin end container
    begin=$(date +%s.%N)
    PATH=$work/shims:$PATH VCACHE_DIR=$work/cache SONIC_VERSION_CACHE_METHOD=cache \
        docker build --no-cache --network "$2" -t "$image" "$work/context" >"$work/$1.log" 2>&1 ||
        { say "the $1 image build failed:"; tail -5 "$work/$1.log" >&2; return 1; }
    end=$(date +%s.%N)
    container=$(docker create "$image" nothing)
    docker cp "$container:/sums" "$work/$1.sums" >/dev/null
    docker rm "$container" >/dev/null
    awk -v b="$begin" -v e="$end" 'BEGIN { printf "%.1f", e - b }'
}

say "an image build: empty cache, over the network"
cold=$(build cold host)
say "and once more with --network none"
warm=$(build warm none)
cmp -s "$work/cold.sums" "$work/warm.sums" || { say "FAILED: the images differ"; exit 1; }
printf '\nimage build: %s s cold, %s s without a network; what it downloaded is the same:\n' "$cold" "$warm"
sed 's/^/  /' "$work/warm.sums"
