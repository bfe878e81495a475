#!/bin/bash
# install.sh, as a user runs it: staged, into a root, into a prefix, twice, over a foreign file, and taken back.
set -uo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
check() { # WHAT COMMAND...: the command must succeed.
    local what=$1; shift
    if "$@" >"$work/log" 2>&1; then echo "PASSED: install: $what"; else
        echo "FAILED: install: $what"; tail -5 "$work/log"; status=1
    fi
}
refuses() { ! "$@"; }

check "--stage" ./install.sh --stage "$work/context"
check "--stage again" ./install.sh --stage "$work/context"
check "links are relative" test "$(readlink "$work/context/shims/wget")" = vcache-shim
mkdir -p "$work/root/usr"
check "--root" ./install.sh --root "$work/root"
check "--root has the shims" test -x "$work/root/usr/local/sbin/curl"
check "--uninstall --root" ./install.sh --uninstall --root "$work/root"
check "nothing stays in the root" test -z "$(ls "$work/root/usr/local/sbin")"
check "--from" ./install.sh --from "$VCACHE_TEST_BIN" --stage "$work/built-elsewhere"
check "--from an empty folder is refused" refuses ./install.sh --from "$work/root" --stage "$work/nothing"
check "--root refuses what is no root" refuses ./install.sh --root "$work/context"
export PREFIX=$work/prefix
check "installs" ./install.sh
check "installs again" ./install.sh
check "vcache run finds the shims" sh -c 'cd "$1" && VCACHE_DIR=$1/cache "$PREFIX/bin/vcache" run -- wget --version' - "$work"
rm "$PREFIX/lib/sonic-vcache/shims/wget"
echo mine >"$PREFIX/lib/sonic-vcache/shims/wget"
check "refuses to replace a foreign file" refuses ./install.sh
check "the foreign file is as it was" grep -q mine "$PREFIX/lib/sonic-vcache/shims/wget"
check "--uninstall" ./install.sh --uninstall
check "only the foreign file stays" test "$(cd "$PREFIX" && find . ! -type d)" = ./lib/sonic-vcache/shims/wget
check "an unknown option is refused" refuses ./install.sh --nonsense
check "two actions at once are refused" refuses ./install.sh --root "$work/root" --divert
check "--stage without a folder is refused" refuses ./install.sh --stage
exit $status
