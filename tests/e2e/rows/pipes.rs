//! Standard output as shells use it: pipes, substitution, several calls in one script.

use vcache_tests::{Row, any, cached, live, warm};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        cached("sh -c 'curl --proto =http -sSf {o}/script/rustup.sh | sh -s -- -y --profile minimal'"),
        cached("sh -c 'curl -sL {o}/script/x | bash'"),
        cached("sh -c 'wget -qO- {o}/script/x | sh -s one two'"),
        cached("sh -c 'wget -c {o}/tar/x.tar -O - | tar x'"),
        cached("sh -c 'wget -qO- {o}/tar/x.tar | tar xf - -C .'"),
        cached("sh -c 'curl -s {o}/tar/x.tar | tar tf -'"),
        cached("sh -c 'curl -fsSL {o}/pool/gpg | md5sum'"),
        cached("sh -c 'curl -fsSL {o}/pool/gpg | tee copy > second'"),
        cached("sh -c 'v=$(curl -s {o}/pool/latest | md5sum); echo \"got $v\"'"),
        cached("sh -c 'echo `wget -qO- {o}/script/x | wc -l`'"),
        cached("sh -c 'curl -s {o}/pool/a > out'"),
        cached("sh -c 'wget -qO- {o}/pool/a >> log'").file("log", "before\n"),
        warm("sh -c 'wget -q -O - {o}/pool/a {o}/pool/b | wc -c'").fill("wget -q {o}/pool/a {o}/pool/b"),
        cached("sh -c 'cd sub && wget -q {o}/pool/a'").file("sub/there", ""),
        cached("sh -c 'for f in a b c; do curl -fsSLO {o}/pool/$f.deb || exit 1; done'"),
        cached("sh -c 'wget -q {o}/pool/a & wget -q {o}/pool/b & wait'"),
        warm("sh -c 'curl -s -o a {o}/pool/a && cp a b && wget -qO c {o}/pool/a'").fill("wget -q {o}/pool/a"),
        cached("sh -c 'echo {o}/pool/a | xargs wget -q'"),
        cached("sh -c 'command -v wget >/dev/null && wget -nv -O out {o}/pool/a'"),
        cached("sh -c 'exec 3>out; curl -s {o}/pool/a >&3'"),
        cached("bash -c 'set -o pipefail; curl -fsSL {o}/pool/key | cat > key'"),
        cached("env -i PATH=/nonexistent /bin/sh -c 'echo nothing is fetched'"),
        cached("sh -c 'timeout 20 wget -q {o}/pool/a'"),
        cached("sh -c 'nice wget -q {o}/pool/a'"),
        live("bash -c 'set -o pipefail; curl -fsSL {o}/status/404/key | cat > key'"),
        live("sh -c 'wget -q {o}/status/404/a || echo not there'"),
        live("sh -c 'if wget -q --spider {o}/pool/a; then echo there; fi'").unpinned(),
        any("sh -c 'curl -s {o}/s3000000/a | head -c 10'"),
        any("sh -c 'wget -qO- {o}/s3000000/a | head -c 10'"),
        any("sh -c 'wget -qO- {o}/pool/a >&-'"),
        any("sh -c 'wget -qO- {o}/pool/a <&-'"),
        any("sh -c 'curl -s {o}/s3000000/a > /dev/full'"),
    ]
}
