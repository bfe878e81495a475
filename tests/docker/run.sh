#!/bin/bash
# Staged shims in real `docker build`s on Debian 11 and trixie: the build fetches through them from an origin on loopback,
# and the image then answers the same calls with no network at all. VCACHE_TEST_BIN: the folder of the static executables.
set -uo pipefail
cd "$(dirname "$0")/../.."
subject=docker
. tests/docker/common.sh
cleanup() { "$docker" image rm -f vcache-test-{base,built}-{bullseye,trixie}-$$ >/dev/null 2>&1; }

head -c 300000 /dev/urandom >"$work/origin/a.bin"
echo 'echo "hello from a script"' >"$work/origin/s.sh"
tar -czf "$work/origin/t.tgz" -C "$work/origin" a.bin
serve_origin 127.0.0.1
stage

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
    make_base "$suite" "$base" || continue
    cat >"$work/context/Dockerfile" <<END
FROM $base
COPY shims /usr/local/sbin
COPY fetch.sh /fetch.sh
ENV SONIC_VERSION_CACHE_METHOD=cache SONIC_VERSION_CONTROL_COMPONENTS=web VCACHE_DIR=/vcache
RUN sh /fetch.sh && mv /sums.now /sums
END
    if "$docker" build --network host -t "$image" "$work/context" >"$work/log" 2>&1; then pass "$suite: docker build with shims"
    else fail "$suite: docker build with shims"; tail -5 "$work/log"; continue; fi
    found=$("$docker" run --rm --network none "$image" sh -c 'wc -l </usr/local/share/buildinfo/build-versions/versions-web' 2>&1)
    if [ "$found" = 3 ]; then pass "$suite: three pins are recorded"; else fail "$suite: pins recorded: $found"; fi
    if "$docker" run --rm --network none "$image" sh -c 'sh /fetch.sh 2>/dev/null; cmp /sums /sums.now' >"$work/log" 2>&1; then
        pass "$suite: the same bytes with --network none"
    else fail "$suite: the same bytes with --network none"; tail -5 "$work/log"; fi
    diverted=$("$docker" run --rm --network none -v "$PWD:/src:ro" -v "$VCACHE_TEST_BIN:/bin-of-test:ro" \
        -e URL="$url/a.bin" "$image" sh /src/tests/docker/divert.sh 2>&1)
    if [ $? = 0 ]; then pass "$suite: --divert and --uninstall"; else fail "$suite: --divert: $diverted"; fi
    if "$docker" run --rm --network none "$image" /usr/bin/curl -fsS "$url/a.bin" >/dev/null 2>&1; then
        fail "$suite: the network was not cut"
    else pass "$suite: the real curl fails there"; fi
done
exit $status
