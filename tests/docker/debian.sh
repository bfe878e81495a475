#!/bin/bash
# Debian packages in image builds: update, install, source, and a third-party repository over https with its own key. Built by docker alone; cold; warm
# without a network; warm through `vcache serve`; and once more so, with its versions frozen, after the third party has moved on to newer ones and dropped the old. Files
# and the sizes of layers are compared. VCACHE_TEST_BIN: the folder of the static executables. Without VCACHE_TEST_ALL=1, with which it takes
# many minutes, that is a few packages on Debian 12, cold and warm; with it all rounds on Debian 11, 12 and 13, with twenty packages and build-dep.
set -uo pipefail
cd "$(dirname "$0")/../.."
subject="docker debian"
. tests/docker/common.sh
need gnupg:gpg nginx-light:nginx openssl:openssl dpkg-dev:dpkg-source
suites=(bookworm)
[ "${VCACHE_TEST_ALL:-}" != 1 ] || suites=(bookworm bullseye trixie)
image=vcache-debian-$$
cleanup() {
    if [ -f "$work/nginx/pid" ]; then kill "$(cat "$work/nginx/pid")"; fi
    GNUPGHOME=$work/gnupg gpgconf --kill all
    "$docker" image ls --format '{{.Repository}}:{{.Tag}}' | grep "^$image:" | xargs -r "$docker" image rm -f
} >/dev/null 2>&1

# The third party: a flat repository with one package and its source, behind nginx with a certificate that only this build trusts.
export GNUPGHOME=$work/gnupg
mkdir -m 700 "$GNUPGHOME" && mkdir -p "$work/repo" "$work/nginx" "$work/package/DEBIAN" "$work/package/opt/acme" "$work/zzacme-1.0/debian/source"
gpg --batch --quiet --passphrase '' --quick-gen-key acme@h.example rsa2048 sign never 2>/dev/null || { fail "gpg makes no key"; exit 1; }
publish() { # VERSION: the only one there is from now on
    rm -f "$work/repo/"*.deb
    echo "acme $1" >"$work/package/opt/acme/version"
    printf 'Package: zzacme\nVersion: %s\nArchitecture: all\nMaintainer: A <acme@h.example>\nDescription: x\n' "$1" >"$work/package/DEBIAN/control"
    dpkg-deb --root-owner-group -Znone -b "$work/package" "$work/repo/zzacme_$1_all.deb" >/dev/null
    (
        cd "$work/repo" || exit 1
        for deb in *.deb; do
            dpkg-deb -f "$deb"
            printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum <"$deb" | cut -d' ' -f1)"
        done >Packages
        dpkg-scansources . 2>/dev/null >Sources
        printf 'Origin: acme\nLabel: Acme Tools\nDate: %s\nValid-Until: %s\nSHA256:\n' "$(date -Ru -d "@$2")" "$(date -Ru -d "@$3")" | sed 's/+0000/UTC/' >Release
        for file in Packages Sources; do echo " $(sha256sum <$file | cut -d' ' -f1) $(stat -c %s $file) $file"; done >>Release
        gpg --batch --yes --quiet --clearsign -o InRelease Release
    )
}
printf 'zzacme (1.0) unstable; urgency=low\n\n  * x\n\n -- A <acme@h.example>  Thu, 01 Jan 2026 00:00:00 +0000\n' >"$work/zzacme-1.0/debian/changelog"
printf 'Source: zzacme\nMaintainer: A <acme@h.example>\nBuild-Depends: m4, libz-dev\nStandards-Version: 4.6.0\n\nPackage: zzacme\nArchitecture: all\nDescription: x\n' >"$work/zzacme-1.0/debian/control"
echo '3.0 (native)' >"$work/zzacme-1.0/debian/source/format"
(cd "$work/repo" && dpkg-source -b "$work/zzacme-1.0" >/dev/null 2>&1) || { fail "dpkg-source makes no source"; exit 1; }
now=$(date +%s)
# Valid for long enough to be fetched, and by the end no more.
publish 1.0 $((now - 60)) $((now + 864000))
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$work/nginx/key" -out "$work/nginx/cert" 2>/dev/null
cat >"$work/nginx/conf" <<END
worker_processes 1; pid $work/nginx/pid; error_log $work/nginx/error.log; events {}
http { access_log $work/nginx/access.log; client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p; fastcgi_temp_path $work/nginx/f; uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s;
server { listen 127.0.0.1:$port ssl; ssl_certificate $work/nginx/cert; ssl_certificate_key $work/nginx/key; root $work/repo; } }
END
chmod 755 "$work" "$work/repo"
sed -i "1i user root;" "$work/nginx/conf"
nginx -c "$work/nginx/conf" || { fail "nginx does not start"; exit 1; }

# What the image gets, besides the shims.
host_shims docker
stage
mkdir -p "$work/context/apt" "$work/plain"
gpg --batch --export >"$work/context/apt/acme.gpg"
cp "$work/nginx/cert" "$work/context/apt/acme.crt"
echo "deb [signed-by=/etc/apt/acme.gpg] https://127.0.0.1:$port/ ./" >"$work/context/apt/acme.list"
echo "deb-src [signed-by=/etc/apt/acme.gpg] https://127.0.0.1:$port/ ./" >>"$work/context/apt/acme.list"
echo 'Acquire::https::CaInfo "/etc/apt/acme.crt";' >"$work/context/apt/acme.conf"
packages="jq tree zzacme" build_dep=
if [ "${VCACHE_TEST_ALL:-}" = 1 ]; then
    packages="bc bzip2 cpio dos2unix file gawk jq less lsof patch pigz procps psmisc rsync socat time tree unzip zip zzacme"
    build_dep="apt-get build-dep -y --no-install-recommends zzacme"
fi
cat >"$work/context/build.sh" <<END
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends $packages
$build_dep
cd /root && apt-get source --download-only zzacme
apt-get clean
END

# Everything but what has the time in it: logs, apt's and ldconfig's binary caches.
list() { contents "$1" | grep -v '^./versions\|^./var/log/\|^./var/cache/apt/[a-z]*pkgcache.bin \|^./var/cache/ldconfig/\|^./usr/local/share/buildinfo'; }
# Of the layer in which everything is installed: the last one.
bytes() { "$docker" history --no-trunc --human=false --format '{{.Size}} {{.CreatedBy}}' "$1" | awk 'NR == 1 { print $1 }'; }

for suite in "${suites[@]}"; do
    make_base "$suite" "$image:base-$suite" || continue
    cat >"$work/context/Dockerfile" <<END
FROM $image:base-$suite
COPY shims /usr/local/sbin
COPY apt/acme.gpg apt/acme.crt /etc/apt/
COPY apt/acme.list /etc/apt/sources.list.d/
COPY apt/acme.conf /etc/apt/apt.conf.d/
COPY build.sh versions* /versions/
RUN mkdir -p /usr/local/share/buildinfo && if [ -e /versions/versions-deb ]; then cp -r /versions /usr/local/share/buildinfo; fi
RUN SONIC_VERSION_CONTROL_COMPONENTS=\${COMPONENTS:-deb} sh /versions/build.sh
END
    rm -f "$work/context/versions"* && rm -rf "$work/plain" && cp -r "$work/context" "$work/plain"
    publish 1.0 $((now - 60)) $((now + 864000))
    if "$docker" build --no-cache --network host -t "$image:plain-$suite" "$work/plain" >"$work/log" 2>&1; then
        list "$image:plain-$suite" >"$work/plain.list" || fail "$suite: the plain image can't be looked at"
    else fail "$suite: the plain build"; tail -5 "$work/log"; continue; fi
    rounds="cold warm"
    [ "${VCACHE_TEST_ALL:-}" != 1 ] || rounds="cold warm served frozen"
    for round in $rounds; do
        network=host transport=stage
        case $round in
        warm) network=none ;;
        served) transport=serve ;;
        frozen)
            transport=serve
            # The image's versions are what this one is built of. The third party has another one by now, whose file is no longer valid.
            container=$("$docker" create "$image:$suite" nothing)
            "$docker" cp "$container:/usr/local/share/buildinfo/build-versions/." "$work/context/" >/dev/null
            "$docker" rm "$container" >/dev/null
            publish 2.0 $((now - 30)) $((now + 864000)) ;;
        esac
        if with_shims "$suite" env VCACHE_TRANSPORT=$transport DOCKER_BUILDKIT=0 docker build --no-cache --network $network -t "$image:$suite" "$work/context" >"$work/log" 2>&1
        then pass "$suite: $round build (--network $network, by $transport)"; else fail "$suite: $round build"; grep -a 'vcache: \|E: ' "$work/log" | head -5; tail -3 "$work/log"; continue; fi
        list "$image:$suite" >"$work/list"
        if cmp -s "$work/plain.list" "$work/list"; then pass "$suite: the $round image is the plain one, file by file"
        else fail "$suite: the $round image differs: $(diff "$work/plain.list" "$work/list" | head -6)"; fi
        plain=$(bytes "$image:plain-$suite") ours=$(bytes "$image:$suite")
        if [ $((ours * 100)) -le $((plain * 101)) ]; then pass "$suite: the $round layer has $ours bytes, the plain one $plain"
        else fail "$suite: the $round layer has $ours bytes, the plain one $plain"; fi
    done
    rm -f "$work/context/"versions-*
done
exit $status
