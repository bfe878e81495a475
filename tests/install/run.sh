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

# Optional links, by a PATH that leads to one stand-in of podman or to nothing at all.
shims=$PREFIX/lib/sonic-vcache/shims
mkdir -p "$work/tools" "$work/copy"
cp -P "$shims"/* "$work/copy"
ln -sf vcache-shim "$work/copy/podman"
with_tools() { env PATH="$work/tools" "$@"; }
refresh() { with_tools "$shims/vcache-shim" --refresh-links; }
is_linked() { [ "$(readlink "$shims/podman")" = vcache-shim ]; }
no_file() { [ ! -e "$1" ] && [ ! -L "$1" ]; }
in_run() { (cd "$work" && PATH=$work/tools VCACHE_DIR=$work/cache "$PREFIX/bin/vcache" run -- /bin/sh -c 'command -v podman'); }
check "--refresh-links without the tool" refresh
check "makes no link" no_file "$shims/podman"
check "vcache run gives its build none" refuses in_run
printf '#!/bin/sh\n' >"$work/tools/podman" && chmod +x "$work/tools/podman"
check "vcache run links a tool that has come" sh -c 'case $1 in "" | "$2"/*) false ;; esac' - "$(in_run 2>/dev/null)" "$work/tools"
check "--refresh-links with the tool" refresh
check "makes a link" is_linked
check "and no other" no_file "$shims/docker"
check "--refresh-links again" refresh
check "keeps it" is_linked
rm "$work/tools/podman"
check "--refresh-links when the tool has gone" env PATH="$work/copy" "$shims/vcache-shim" --refresh-links
check "takes the link away, whatever another copy of the shims has linked" no_file "$shims/podman"
printf '#!/bin/sh\n' >"$work/tools/podman" && chmod +x "$work/tools/podman"
check "vcache hooks disable" with_tools "$PREFIX/bin/vcache" hooks disable --dir "$shims"
check "--refresh-links where hooks are disabled" refresh
check "makes no link there" no_file "$shims/podman"
check "vcache hooks enable" with_tools "$PREFIX/bin/vcache" hooks enable --dir "$shims"
check "links the tool at once" is_linked
rm "$shims/podman"
echo mine >"$shims/podman"
check "--refresh-links over a foreign file" refresh
check "leaves it" grep -q mine "$shims/podman"
rm "$work/tools/podman"
check "--refresh-links over a foreign file without the tool" refresh
check "leaves it, too" grep -q mine "$shims/podman"
rm "$shims/podman"

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
