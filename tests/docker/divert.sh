#!/bin/sh
# In a container whose cache has $URL and which has no network: shims in the tools' own places serve callers with an
# absolute path, survive a second --divert, and give the real tools back.
set -eu
rm /usr/local/sbin/wget /usr/local/sbin/curl
real=$(sha256sum </usr/bin/curl)
install() { /src/install.sh --from /bin-of-test "$@" 2>/tmp/said || { cat /tmp/said; exit 1; }; }
serves() { /usr/bin/curl -fsS -o /tmp/out "$URL" && cmp /tmp/out /got/a.bin; }
must() { "$@" || { echo "failed: $*"; exit 1; }; }
mustnot() { if "$@" 2>/tmp/said; then echo "succeeded: $*"; exit 1; fi; }

mustnot serves
install --divert
install --divert
must serves
must test "$(sha256sum </usr/bin/curl.vcache-real)" = "$real"
must dpkg-divert --list /usr/bin/curl
# Its name and its place are the tool's own.
must sh -c '/usr/bin/curl --version | grep -q "^curl "'
# Interrupted between its two steps.
rm /usr/bin/curl
install --divert
must serves
install --uninstall
must test "$(sha256sum </usr/bin/curl)" = "$real"
must test -z "$(dpkg-divert --list /usr/bin/curl)"
must test -z "$(find /usr/local /usr/bin -name '*vcache*' ! -path '/usr/local/sbin/*')"
mustnot serves
