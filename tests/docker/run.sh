#!/bin/bash
# Staged shims in real `docker build`s on Debian 11 and trixie: the build fetches through them from an origin on loopback,
# and the image then answers the same calls with no network at all. Base images are made by debootstrap from this
# machine's own Debian mirror, since none can be pulled. VCACHE_TEST_BIN: the folder of the static executables.
set -uo pipefail
cd "$(dirname "$0")/../.."
status=0
pass() { echo "PASSED: docker: $*"; }
fail() { echo "FAILED: docker: $*"; status=1; }
skip() {
    echo "SKIPPED: docker: $*"
    # The machine that decides has all parts.
    [ "${CI:-}" != true ] || { echo "FAILED: docker: skipped in CI"; exit 1; }
    exit 0
}

docker info >/dev/null 2>&1 || skip "no Docker Engine answers"
[ "$(id -u)" = 0 ] || skip "debootstrap needs root"
command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends debootstrap; } >/dev/null 2>&1 ||
    skip "debootstrap can't be installed"
command -v python3 >/dev/null || apt-get install -qq -y --no-install-recommends python3-minimal >/dev/null 2>&1 ||
    skip "python3 can't be installed"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' |
    awk '$1 ~ /^http/ && $3 == "main" && $1 !~ /security/ { print $1; exit }')
[ -n "$mirror" ] || skip "apt has no http mirror configured"

work=$(mktemp -d)
cleanup() {
    [ -z "${origin:-}" ] || kill "$origin"
    docker image rm -f vcache-test-{base,built}-{bullseye,trixie}-$$ >/dev/null 2>&1
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT

mkdir -p "$work/origin" "$work/context"
head -c 300000 /dev/urandom >"$work/origin/a.bin"
echo 'echo "hello from a script"' >"$work/origin/s.sh"
tar -czf "$work/origin/t.tgz" -C "$work/origin" a.bin
port=$((20000 + RANDOM % 10000))
python3 -m http.server "$port" --bind 127.0.0.1 --directory "$work/origin" >/dev/null 2>&1 &
origin=$!
url=http://127.0.0.1:$port
./install.sh --from "$VCACHE_TEST_BIN" --stage "$work/context" || { fail "install.sh --stage"; exit 1; }

# The image holds its cache itself: it is the smallest build that can be repeated without a network.
cat >"$work/context/fetch.sh" <<END
set -e
mkdir -p /got && cd /got && rm -rf ./*
wget -q $url/a.bin
wget -q -NO stamped.bin $url/a.bin
curl -fsSL -o curled.bin $url/a.bin
curl -fsSL $url/s.sh | sh >said
wget -qO- $url/t.tgz | tar -xzO >unpacked.bin
sha256sum a.bin stamped.bin curled.bin unpacked.bin said >/sums.now
END

for suite in bullseye trixie; do
    base=vcache-test-base-$suite-$$ image=vcache-test-built-$suite-$$
    # The keys of other releases need not be on this machine, and nothing of the image is used but wget and curl.
    if ! debootstrap --no-check-gpg --variant=minbase --include=wget,curl "$suite" "$work/$suite" "$mirror" >"$work/log" 2>&1; then
        fail "$suite: debootstrap"; tail -3 "$work/log"; continue
    fi
    tar -C "$work/$suite" -c . | docker import - "$base" >/dev/null || { fail "$suite: docker import"; continue; }
    rm -rf --one-file-system "${work:?}/$suite"
    cat >"$work/context/Dockerfile" <<END
FROM $base
COPY shims /usr/local/sbin
COPY fetch.sh /fetch.sh
ENV SONIC_VERSION_CACHE_METHOD=cache SONIC_VERSION_CONTROL_COMPONENTS=web VCACHE_DIR=/vcache
RUN sh /fetch.sh && mv /sums.now /sums
END
    if docker build --network host -t "$image" "$work/context" >"$work/log" 2>&1; then pass "$suite: docker build with shims"
    else fail "$suite: docker build with shims"; tail -5 "$work/log"; continue; fi
    found=$(docker run --rm --network none "$image" sh -c 'wc -l </usr/local/share/buildinfo/build-versions/versions-web' 2>&1)
    if [ "$found" = 3 ]; then pass "$suite: three pins are recorded"; else fail "$suite: pins recorded: $found"; fi
    if docker run --rm --network none "$image" sh -c 'sh /fetch.sh 2>/dev/null; cmp /sums /sums.now' >"$work/log" 2>&1; then
        pass "$suite: the same bytes with --network none"
    else fail "$suite: the same bytes with --network none"; tail -5 "$work/log"; fi
    diverted=$(docker run --rm --network none -v "$PWD:/src:ro" -v "$VCACHE_TEST_BIN:/bin-of-test:ro" \
        -e URL="$url/a.bin" "$image" sh /src/tests/docker/divert.sh 2>&1)
    if [ $? = 0 ]; then pass "$suite: --divert and --uninstall"; else fail "$suite: --divert: $diverted"; fi
    if docker run --rm --network none "$image" /usr/bin/curl -fsS "$url/a.bin" >/dev/null 2>&1; then
        fail "$suite: the network was not cut"
    else pass "$suite: the real curl fails there"; fi
done
exit $status
