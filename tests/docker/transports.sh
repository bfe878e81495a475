#!/bin/bash
# Image builds that no server can be reached from: the cache comes with their context, and what they fetch goes out by a last stage or by its log. Both
# ways with both builders: a two-stage image with wget and curl, cold, then warm without a network; the images are compared file by file with one that was
# built without us, and searched for what carried the cache. VCACHE_TEST_BIN: the folder of the static executables.
set -uo pipefail
cd "$(dirname "$0")/../.."
subject="docker transports"
. tests/docker/common.sh
base=vcache-transports-base-$$
image=vcache-transports-$$
cleanup() { "$docker" image rm -f "$base" "$image":{plain,0-stage,0-log,1-stage,1-log} "$image-default" >/dev/null 2>&1; }

mkdir "$work/plain"
host_shims docker
# BuildKit keeps 200 KiB of what a step prints in a second.
head -c 60000 /dev/urandom >"$work/origin/a.bin"
head -c 70000 /dev/urandom >"$work/origin/b.bin"
head -c 1000 /dev/urandom >"$work/origin/d.bin"
serve_origin 127.0.0.1
stage
make_base bookworm "$base" || exit 1
cat >"$work/context/Dockerfile" <<DOCKERFILE
FROM $base AS fetch
COPY shims /usr/local/sbin
RUN wget -q -O /a.bin $url/a.bin
FROM $base AS last
COPY shims /opt/shims
ENV PATH=/opt/shims:\$PATH
RUN curl -fsSLo /b.bin $url/b.bin && wget -qO- $url/a.bin | sha256sum >/sum
COPY --from=fetch /a.bin /c.bin
USER nobody
RUN curl -fsSLo /tmp/d.bin $url/d.bin
DOCKERFILE
cp -r "$work/context/." "$work/plain"
before=$(cd "$work/context" && find . | sort)

by() { with_shims "$1" env VCACHE_TRANSPORT="$2" "${@:3}"; } # CACHE TRANSPORT COMMAND...
vcache() { VCACHE_DIR="$work/cache-$1" "$work/shims/vcache" "${@:2}"; }

"$docker" build --no-cache --network host -t "$image:plain" "$work/plain" >"$work/log" 2>&1 || { fail "the plain build"; tail -5 "$work/log"; exit 1; }
contents "$image:plain" >"$work/plain.list" || { fail "the plain image can't be looked at"; exit 1; }

for kit in 0 1; do
    builder=$([ $kit = 1 ] && echo BuildKit || echo classic)
    for way in stage log; do
        name=$kit-$way what="$way, $builder"
        asked=$(gets)
        for round in cold warm; do
            network=host
            [ $round = cold ] || { network=none; stop_origin; }
            if by "$name" $way env DOCKER_BUILDKIT=$kit docker build --no-cache --network $network -t "$image:$name" "$work/context" >"$work/log" 2>&1
            then pass "$what: $round build"; else fail "$what: $round build"; tail -5 "$work/log"; continue; fi
            ! grep -a 'vcache: warning: not all that the build' "$work/log" || fail "$what: $round: something was lost"
            contents "$image:$name" >"$work/list"
            if cmp -s "$work/plain.list" "$work/list"; then pass "$what: the $round image is the plain one, file by file"
            else fail "$what: the $round image differs: $(diff "$work/plain.list" "$work/list" | head -4)"; fi
            if is_clean "$image:$name" && ! has vcache-for-this-build/ layers_of "$image:$name"
            then pass "$what: nothing of the cache in the layers of the $round image"; else fail "$what: traces in the $round image"; fi
        done
        serve_origin 127.0.0.1
        # By BuildKit both stages may ask at once.
        asked=$(($(gets) - asked))
        if [ $asked -ge 3 ] && [ $asked -le 4 ]; then pass "$what: $asked requests to the origin, all of the cold build"
        else fail "$what: $asked requests to the origin"; fi
        if vcache "$name" image ls --json | tr -d ' \n' | grep -q '"blobs":3,"bytes":131000,"missing":0'; then pass "$what: the image's content is saved"
        else fail "$what: $(vcache "$name" image ls)"; fi
        if vcache "$name" export --image "$image:$name" -o "$work/archive" >"$work/log" 2>&1; then pass "$what: its calls are known here"
        else fail "$what: export --image: $(tail -2 "$work/log")"; fi
    done
done

# Nobody chose: first over the network, and where there is none by the context.
if by default "" docker build --no-cache --network host -t "$image-default" "$work/context" >"$work/log" 2>&1; then
    stop_origin
    if by default "" docker build --no-cache --network none -t "$image-default" "$work/context" >"$work/log" 2>&1 &&
        contents "$image-default" >"$work/list" && cmp -s "$work/plain.list" "$work/list"
    then pass "without a choice: cold by serve, then warm by stage"; else fail "without a choice: $(tail -3 "$work/log")"; fi
else fail "without a choice, cold: $(tail -3 "$work/log")"; fi

# What can't be carried is docker's own business, and the user is told.
serve_origin 127.0.0.1
for options in "-q -t $image-default" "--label x=y"; do
    if by none stage docker build --network host $options "$work/context" >"$work/log" 2>&1 && grep -q "does not get the cache" "$work/log"
    then pass "stage with $options: built without the cache, after a warning"; else fail "stage with $options: $(tail -3 "$work/log")"; fi
done
sed 's/RUN curl/RUN exit 7 \&\& curl/' "$work/context/Dockerfile" >"$work/failing"
by none stage docker build --network host -f "$work/failing" -t "$image-default" "$work/context" >"$work/log" 2>&1
shim=$?
"$docker" build --network host -f "$work/failing" -t "$image-default" "$work/context" >"$work/log" 2>&1
if [ $shim = $? ] && [ $shim != 0 ]; then pass "a build that fails ends as docker does"; else fail "exit status $shim of a failed build"; fi
if by 0-stage serve vcache image build --transport stage --network host -t "$image-default" "$work/context" >"$work/log" 2>&1 &&
    contents "$image-default" >"$work/list" && cmp -s "$work/plain.list" "$work/list"
then pass "vcache image build"; else fail "vcache image build: $(tail -3 "$work/log")"; fi

if [ "$(cd "$work/context" && find . | sort)" = "$before" ] && [ -z "$(find "$work" -maxdepth 1 -name '.vcache-context-*')" ]
then pass "the context is as it was, and its copy is gone"; else fail "the context changed, or a copy of it is left"; fi
if "$docker" image ls --format '{{.Repository}}' | grep -q '^vcache-build-'; then fail "images of ours are left"; else pass "no image of ours is left"; fi
exit $status
