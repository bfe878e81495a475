#!/bin/sh
# Builds sonic-vcache and puts it where it is asked to: on this machine, into a build context, into a root file system,
# or in the tools' own places. Safe to run twice; a file that it did not make is never replaced.
set -eu

here=$(CDPATH="" cd "$(dirname "$0")" && pwd)
prefix=${PREFIX:-/usr/local}
shims=$prefix/lib/sonic-vcache/shims
aside=.vcache-real
apt_conf=etc/apt/apt.conf.d/90sonic-vcache

usage() {
    cat <<END
usage: ./install.sh [OPTION]

  (none)           build, and install vcache and the shims under \$PREFIX ($prefix)
  --stage DIR      write DIR/shims for a Dockerfile's \`COPY shims /usr/local/sbin\`
  --root ROOTFS    put the shims into ROOTFS/usr/local/sbin
  --divert         install, and put shims in the tools' own places (/usr/bin/curl, ...) by dpkg-divert
  --apt-conf       with (none), --divert or --root: a file in /etc/apt/apt.conf.d, so that all that fetches by
                   apt's library (python-apt, /usr/bin/apt-get by its path) does so by the cache
  --uninstall      take back what (none) and --divert did; with --root ROOTFS what that did
  --demo           build, then build a small tree from Debian sources, packages and a clone twice: cold, and with the network cut
  --build          build only, and print the folder of the executables
  --from DIR       with any of these: take the executables in DIR, built elsewhere, instead of building
  --help           this text

Exit status: 0 done, 1 failed, 2 wrong usage.
END
}

say() { echo "install.sh: $*" >&2; }
die() { say "error: $*"; exit 1; }

# Debian packages by the command or file that shows they are there.
need_packages() {
    missing=
    command -v cc >/dev/null 2>&1 || missing="$missing gcc"
    [ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"
    for package in "$@"; do
        command -v "${package#*=}" >/dev/null 2>&1 || missing="$missing ${package%=*}"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 || die "needs$missing; install them"
    [ "$(id -u)" = 0 ] || die "needs$missing; run: sudo apt-get install$missing"
    say "installing$missing"
    # shellcheck disable=SC2086 # a list of words
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing; } \
        >/dev/null || die "apt-get could not install$missing"
}

need_rust() {
    [ ! -f "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
    command -v cargo >/dev/null 2>&1 && return
    if [ "$(id -u)" = 0 ] && apt-cache policy rustup 2>/dev/null | grep -q "Candidate: [0-9]"; then
        say "installing rustup"
        apt-get install -qq -y rustup >/dev/null && rustup default stable >&2 && return
    fi
    die "needs Rust 1.89 or later (or --from DIR, with executables built elsewhere); run: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
}

# Builds the static executables; sets $built to their folder.
build() {
    if [ -n "$from" ]; then
        built=$from
        for file in vcache vcache-shim; do [ -x "$built/$file" ] || die "$built/$file: is not there; --from needs it"; done
        return
    fi
    need_packages
    need_rust
    triple=$(rustc -vV | sed -n 's/^host: //p')
    say "building for $triple, linked statically (some minutes the first time)"
    (cd "$here" && RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
        cargo build --release --locked --quiet --target "$triple" -p vcache-multicall -p vcache-cli >&2) ||
        die "the build failed"
    built=${CARGO_TARGET_DIR:-$here/target}/$triple/release
}

# A file of ours, by a name that only our executables hold.
is_ours() { [ ! -e "$1" ] || grep -q SONIC_VERSION_CACHE_METHOD "$1"; }

is_link_to_us() { [ -L "$1" ] && case $(readlink "$1") in *vcache-shim) true ;; *) false ;; esac; }

# Fails before anything is written where the folder can't be.
need_writable() {
    folder=$1
    while [ ! -e "$folder" ]; do folder=$(dirname "$folder"); done
    [ -d "$folder" ] || die "$folder: is not a folder"
    [ -w "$folder" ] || die "$folder: can't be written; run as root, or set PREFIX, such as PREFIX=\$HOME/.local"
}

# Beside and renamed, since a running build may be using the old one.
put() {
    is_ours "$2" || die "$2: is not ours and was left alone; move it away first"
    cp "$1" "$2.new" && chmod 755 "$2.new" && mv -f "$2.new" "$2"
}

# The multi-call executable and a relative link for each name that it serves.
put_shims() {
    need_writable "$1"
    mkdir -p "$1"
    put "$built/vcache-shim" "$1/vcache-shim"
    for name in $("$built/vcache-shim"); do
        if is_link_to_us "$1/$name"; then continue; fi
        if [ -e "$1/$name" ] || [ -L "$1/$name" ]; then die "$1/$name: is not ours and was left alone; move it away first"; fi
        ln -s vcache-shim "$1/$name"
    done
}

remove_shims() {
    for link in "$1"/*; do
        if is_link_to_us "$link"; then rm "$link"; fi
    done
    if [ -e "$1/vcache-shim" ] && is_ours "$1/vcache-shim"; then rm "$1/vcache-shim"; fi
}

# $1: a root file system, or nothing; $2: the folder of the shims, as it is seen there.
put_apt_conf() {
    [ "$with_apt_conf" = yes ] || return 0
    [ -d "$1/etc/apt/apt.conf.d" ] || die "$1/etc/apt/apt.conf.d: is not there; --apt-conf needs an apt"
    is_ours "$1/$apt_conf" || die "$1/$apt_conf: is not ours and was left alone; move it away first"
    cat >"$1/$apt_conf.new" <<END
// Made by sonic-vcache's install.sh --apt-conf; without SONIC_VERSION_CACHE_METHOD and its like apt's own methods do it all.
Dir::Bin::Methods::http "$2/vcache-shim";
Dir::Bin::Methods::https "$2/vcache-shim";
DPkg::Post-Invoke { "$2/vcache-shim --refresh-links || true"; };
END
    mv -f "$1/$apt_conf.new" "$1/$apt_conf"
    say "put $1/$apt_conf"
}

remove_apt_conf() {
    if [ -e "$1/$apt_conf" ] && is_ours "$1/$apt_conf"; then rm "$1/$apt_conf"; fi
}

install_here() {
    build
    need_writable "$prefix/bin"
    put_shims "$shims"
    mkdir -p "$prefix/bin"
    put "$built/vcache" "$prefix/bin/vcache"
    "$shims/vcache-shim" --refresh-links
    put_apt_conf "" "$shims"
    say "installed $prefix/bin/vcache and $shims; for builds without \`vcache run\`: PATH=$shims:\$PATH; try: vcache doctor"
}

divert() {
    [ "$(id -u)" = 0 ] || die "--divert needs root"
    command -v dpkg-divert >/dev/null 2>&1 || die "--divert needs dpkg-divert, so a Debian or Ubuntu"
    install_here
    for name in $("$built/vcache-shim" --names); do
        tool=/usr/bin/$name
        # Nobody calls it by a path, and the git shim finds it beside itself.
        [ "$name" != git-remote-vcache ] || continue
        # What need not be there is not missed.
        if [ ! -e "$tool$aside" ] && [ ! -e "$tool" ] && [ ! -e "$shims/$name" ]; then continue; fi
        if is_link_to_us "$tool"; then continue; fi
        if [ ! -e "$tool" ] && [ -x "$tool$aside" ]; then
            # A run before this one was interrupted between the two steps.
            ln -s "$shims/vcache-shim" "$tool"
            continue
        fi
        [ -x "$tool" ] || { say "$tool: is not there, so it is not diverted"; continue; }
        dpkg-divert --local --quiet --rename --divert "$tool$aside" --add "$tool"
        ln -s "$shims/vcache-shim" "$tool"
        say "diverted $tool to $tool$aside"
    done
}

uninstall() {
    if [ -n "$root" ]; then
        [ -d "$root/usr" ] || die "$root: is not a root file system (it has no usr/)"
        remove_apt_conf "$root"
        remove_shims "$root/usr/local/sbin"
        say "took the shims out of $root/usr/local/sbin"
        return
    fi
    [ ! -e "$prefix/bin/vcache" ] || need_writable "$prefix/bin"
    for tool in /usr/bin/*"$aside"; do
        tool=${tool%"$aside"}
        if is_link_to_us "$tool"; then rm "$tool"; fi
        if [ -e "$tool" ] || [ ! -e "$tool$aside" ]; then continue; fi
        dpkg-divert --local --quiet --rename --remove "$tool"
        say "took back $tool"
    done
    remove_apt_conf ""
    remove_shims "$shims"
    rmdir "$shims" "$prefix/lib/sonic-vcache" 2>/dev/null || true
    if [ -e "$prefix/bin/vcache" ] && is_ours "$prefix/bin/vcache"; then rm "$prefix/bin/vcache"; fi
    say "uninstalled; caches were left alone"
}

# An empty folder name would put files at the root of this machine.
folder_of() { [ -n "${2:-}" ] || { usage >&2; say "error: $1 needs a folder"; exit 2; }; }

one_action() {
    [ "$action" = install ] || { usage >&2; say "error: --$action and $1: one at a time"; exit 2; }
}

action=install root= from= with_apt_conf=no
while [ $# -gt 0 ]; do
    case $1 in
    --from) folder_of "$@"; from=$(CDPATH="" cd "$2" && pwd) || die "$2: is not a folder"; shift ;;
    --stage) folder_of "$@"; one_action "$1"; action=stage stage=$2; shift ;;
    --root) folder_of "$@"; root=$2; [ "$action" = uninstall ] || { one_action "$1"; action=root; }; shift ;;
    --apt-conf) with_apt_conf=yes ;;
    --uninstall) [ "$action" = root ] || one_action "$1"; action=uninstall ;;
    --divert | --demo | --build) one_action "$1"; action=${1#--} ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; say "error: $1: unknown option"; exit 2 ;;
    esac
    shift
done

case $action-$with_apt_conf in
install-* | divert-* | root-* | *-no) ;;
*) usage >&2; say "error: --apt-conf goes with (none), --divert or --root"; exit 2 ;;
esac
case $action in
install) install_here ;;
build) build; echo "$built" ;;
stage) build; put_shims "$stage/shims"; say "staged $stage/shims; in the Dockerfile: COPY shims /usr/local/sbin" ;;
root)
    [ -d "$root/usr" ] || die "$root: is not a root file system (it has no usr/)"
    build; put_shims "$root/usr/local/sbin"; put_apt_conf "$root" /usr/local/sbin; say "put the shims into $root/usr/local/sbin" ;;
divert) divert ;;
uninstall) uninstall ;;
demo)
    need_packages wget curl git xz-utils=xz make tar util-linux=unshare
    build; VCACHE_DEMO_BIN=$built exec "$here/demo/run.sh" ;;
esac
