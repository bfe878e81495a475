//! What only fetches: update, download, source, changelog, and addresses alone.

use vcache_tests::debian::{Row, cached, live, local};

pub(crate) fn rows() -> Vec<Row> {
    [updates(), downloads(), sources(), addresses()].concat()
}

fn updates() -> Vec<Row> {
    vec![
        cached("apt-get update"),
        cached("apt-get update -q"),
        cached("apt-get -qq update"),
        cached("apt update"),
        cached("apt-get update").sandboxed(),
        cached("apt-get update && apt-get update"),
        live("apt-get update && move on && apt-get update && apt-cache policy hello"),
        live("apt-get update && move on && apt-get update && apt-cache policy hello").diffs(),
        live(
            "apt-get update && move on && apt-get update && apt-get update && apt-get install -y hello tool",
        ),
        cached("apt-get update -o Acquire::http::Pipeline-Depth=0"),
        cached("apt-get update -o Acquire::Queue-Mode=access"),
        cached("apt-get update -o Acquire::GzipIndexes=true"),
        cached("apt-get update -o Acquire::Languages=none"),
        cached("apt-get update -o Acquire::CompressionTypes::Order::=gz"),
        cached("apt-get update --list-cleanup"),
        cached("apt-get update --no-list-cleanup"),
        cached("apt-get update --print-uris"),
    ]
}

fn downloads() -> Vec<Row> {
    vec![
        cached("apt-get update && apt-get download hello tool"),
        cached("apt-get update && apt-get download two=1.0 && apt-get download two"),
        cached("apt-get update && apt-get download libhello:{f}").foreign(),
        cached("apt-get update && apt download big"),
        cached("apt-get update && apt-get download hello").sandboxed(),
        cached("apt-get update && apt-get changelog hello"),
        cached("apt-get update && apt-get -q changelog --download-only hello tool"),
        cached("apt-get update && apt-get install -d -y -o Acquire::http::Pipeline-Depth=0 hello two tool"),
        cached("apt-get update && apt-get install -d -y -o Acquire::Queue-Mode=access hello two tool"),
    ]
}

fn sources() -> Vec<Row> {
    vec![
        cached("apt-get update && apt-get source hello"),
        cached("apt-get update && apt-get source tool"),
        cached("apt-get update && apt-get source --download-only hello tool"),
        cached("apt-get update && apt-get source -d --dsc-only hello"),
        cached("apt-get update && apt-get source -d --tar-only hello"),
        cached("apt-get update && apt-get source -d hello=1.0-1 && apt-get source hello"),
        cached("apt-get update && apt source -d tool").sandboxed(),
    ]
}

fn addresses() -> Vec<Row> {
    let with_lists = |line| local(line).before("apt-get update");
    vec![
        with_lists("apt-get install --print-uris -y hello"),
        with_lists("apt-get download --print-uris hello"),
        with_lists("apt-get source --print-uris hello"),
        with_lists("apt-get changelog --print-uris hello"),
    ]
}
