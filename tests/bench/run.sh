#!/bin/bash
# Prints what calls cost with the shims, as ratios to the real tools in the same run, and what `vcache serve`, `export` and `import` cost.
# Options: --quick (small and short), --only-vcache (without the calls), --only-git.
# HOOK_DIR=/path/to/hooks measures another hook directory beside them. A quiet machine gives better figures.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ ! -f "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
built=$(./install.sh --build)
./install.sh --stage "$work" --from "$built"
cargo build --release --locked --quiet -p vcache-bench
VCACHE_BENCH_SHIMS=$work/shims VCACHE_BENCH_VCACHE=$built/vcache "${CARGO_TARGET_DIR:-target}/release/vcache-bench" "$@"
