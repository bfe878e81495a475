#!/bin/bash
# Prints what calls cost with the shims, as ratios to the real tools in the same run. Options: --quick (small and short).
# HOOK_DIR=/path/to/hooks measures another hook directory beside them. A quiet machine gives better figures.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ ! -f "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
./install.sh --stage "$work"
cargo build --release --locked --quiet -p vcache-bench
VCACHE_BENCH_SHIMS=$work/shims "${CARGO_TARGET_DIR:-target}/release/vcache-bench" "$@"
