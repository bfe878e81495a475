#!/bin/bash
# All tests, against the static executables that install.sh builds. Installs the Debian packages that they need.
# The last line sums everything up; the exit status is 1 when anything failed.
set -uo pipefail
cd "$(dirname "$0")/.."

need=()
for pair in wget:wget curl:curl util-linux:unshare iproute2:ip procps:pkill make:make xz-utils:xz nginx-light:nginx git:git fcgiwrap:fcgiwrap gnupg:gpg dpkg-dev:dpkg-source diffutils:diff openssl:openssl; do
    command -v "${pair#*:}" >/dev/null || need+=("${pair%:*}")
done
# Where an engine answers, its client is what is missing.
if [ -S /var/run/docker.sock ] && ! command -v docker >/dev/null; then need+=(docker.io); fi
if [ ${#need[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] || { echo "needs ${need[*]}; run: sudo apt-get install ${need[*]}" >&2; exit 1; }
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${need[@]}" >/dev/null || exit 1
fi

[ ! -f "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
VCACHE_TEST_BIN=$(./install.sh --build) || exit 1
export VCACHE_TEST_BIN
echo "testing $VCACHE_TEST_BIN: $("$VCACHE_TEST_BIN/vcache-shim" --version), $(stat -c %s "$VCACHE_TEST_BIN/vcache-shim") bytes"

log=$(mktemp)
# Base images that the scripts with an engine leave for one another.
export VCACHE_TEST_BASES=vcache-test-base-$$
forget_bases() { docker image ls --format '{{.Repository}}' 2>/dev/null | grep "^$VCACHE_TEST_BASES-" | xargs -r docker image rm -f >/dev/null; }
trap 'rm -f "$log"; forget_bases' EXIT
cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
for script in tests/install/run.sh tests/docker/run.sh tests/docker/serve.sh tests/docker/sibling.sh tests/docker/transports.sh tests/docker/carried.sh tests/docker/git.sh tests/docker/debian.sh tests/debian/bootstrap.sh; do
    bash "$script" 2>&1 | tee -a "$log"
    [ "${PIPESTATUS[0]}" = 0 ] || { status=1; echo "FAILED: $script" | tee -a "$log"; }
done

# Of cargo: "test result: ok. 3 passed; 0 failed; 1 ignored; ..."; of the scripts: "PASSED: ...", "FAILED: ...".
awk '
    /^test result: / { passed += $4; failed += $6 }
    /^PASSED: / { passed++ }
    /^FAILED: / { failed++ }
    /SKIPPED: / { skipped++ }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$log"
[ "$status" = 0 ] || exit 1
