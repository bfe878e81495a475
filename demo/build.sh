#!/bin/bash
# The build of the demo: takes Debian source packages the ways that SONiC's Makefiles take them, unpacks them, and builds
# one; clones a repository with a submodule; fetches packages by apt-get. It knows nothing of a cache. Usage: build.sh OUT MIRROR SUITE REPOSITORY
set -euo pipefail
out=$1 mirror=${2%/} suite=$3 repository=$4
mkdir -p "$out/dl" "$out/tree"
cd "$out/dl"

# The versions are looked up, so that the demo does not rot.
curl -fsSL "$mirror/dists/$suite/main/source/Sources.xz" | xz -dc >Sources

# The first version of a package in the index: "<folder> <file>..."
source_of() {
    awk -v want="$1" '
        /^Package: / { found = ($2 == want); files = 0 }
        found && /^Directory: / { folder = $2 }
        /^[A-Z]/ { files = 0 }
        found && /^Files:/ { files = 1; next }
        found && files { names = names " " $3 }
        found && /^$/ { exit }
        END { print folder names }' Sources
}

read -r -a bash_src <<<"$(source_of bash)"
read -r -a iproute2 <<<"$(source_of iproute2)"
read -r -a openssh <<<"$(source_of openssh)"
read -r -a hello <<<"$(source_of hello)"
read -r -a socat <<<"$(source_of socat)"

of() { for name in "${@:3}"; do case $name in $2) echo "$mirror/$1/$name" ;; esac done | head -1; }

# wget -NO FILE URL, wget -O FILE URL
url=$(of "${bash_src[0]}" '*.dsc' "${bash_src[@]:1}");                wget -q -NO bash.dsc "$url"
url=$(of "${bash_src[0]}" '*.orig.tar.*[!c]' "${bash_src[@]:1}");     wget -q -O bash.orig.tar "$url"
url=$(of "${bash_src[0]}" '*.debian.tar.*' "${bash_src[@]:1}");       wget -q -O "bash.debian.tar" "$url"
# wget URL, wget -P DIR URL, wget -i LIST
url=$(of "${iproute2[0]}" '*.dsc' "${iproute2[@]:1}");                wget -q "$url"
url=$(of "${iproute2[0]}" '*.orig.tar.xz' "${iproute2[@]:1}");        wget -q -P iproute2 "$url"
of "${iproute2[0]}" '*.debian.tar.*' "${iproute2[@]:1}" >list;        wget -q -i list
# curl -o FILE -L URL, curl -O URL, several at once
url=$(of "${openssh[0]}" '*.dsc' "${openssh[@]:1}");                  curl -s -o openssh.dsc -L "$url"
url=$(of "${openssh[0]}" '*.debian.tar.*' "${openssh[@]:1}");         curl -fsSLO "$url"
curl -sS --remote-name-all "$(of "${socat[0]}" '*.dsc' "${socat[@]:1}")" \
    "$(of "${socat[0]}" '*.debian.tar.*' "${socat[@]:1}")"
# Into a pipe: curl -fsSL URL | tar, wget -qO- URL | tar
url=$(of "${hello[0]}" '*.orig.tar.*z' "${hello[@]:1}");              curl -fsSL "$url" | tar -xz -C "$out/tree"
url=$(of "${openssh[0]}" '*.orig.tar.gz' "${openssh[@]:1}");          wget -qO- "$url" | tar -xz -C "$out/tree"
url=$(of "${socat[0]}" '*.orig.tar.gz' "${socat[@]:1}");          wget "$url" -qO - | tar -xz -C "$out/tree"
# Written over, continued, kept
url=$(of "${hello[0]}" '*.dsc' "${hello[@]:1}")
wget -q -O hello.dsc "$url"; wget -q -nc -O hello.nc "$url"; wget -q -c -O hello.c "$url"

# Clones: with its submodule, the last commit alone, and what a branch is at
git clone -q --recurse-submodules "$repository" "$out/tree/clone"
git clone -q --depth 1 "$repository" "$out/tree/shallow"
git ls-remote --heads "$repository" >"$out/heads"
git -C "$out/tree/clone" log --format=%H >"$out/log"
# Git notes there when each file was written.
find "$out"/tree/clone "$out"/tree/shallow -name .git -prune -exec rm -rf {} +

# Packages by the real apt-get, in a root of their own: indexes, archives, a source
apt=$(dirname "$out")/apt
rm -rf "$apt" && mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial "$apt"/etc/{preferences.d,apt.conf.d} && touch "$apt/status"
printf 'deb [trusted=yes] %s %s main\ndeb-src [trusted=yes] %s %s main\n' "$mirror" "$suite" "$mirror" "$suite" >"$apt/sources.list"
printf '%s "%s";\n' Dir::State "$apt" Dir::State::status "$apt/status" Dir::Cache "$apt/cache" Dir::Etc "$apt/etc" \
    Dir::Etc::SourceList "$apt/sources.list" Dir::Etc::SourceParts /dev/null Dir::Etc::TrustedParts /etc/apt/trusted.gpg.d APT::Sandbox::User root Acquire::Languages none >"$apt/apt.conf"
export APT_CONFIG=$apt/apt.conf
apt-get -qq update
apt-get -qq download jq libjq1 tree
apt-get -qq source --download-only hello
rm -rf "$apt"

tar -xf iproute2/*.orig.tar.xz -C "$out/tree"
tar -xf bash.orig.tar -C "$out/tree"
rm Sources

# Built where it always is, so that no path differs; without the time of day.
cd "$out"/tree/hello-*/
export SOURCE_DATE_EPOCH=1
{ ./configure --disable-nls --quiet && make -s -j2; } >"$out/build.log" 2>&1 || { tail -20 "$out/build.log"; exit 1; }
rm "$out/build.log" config.log
