//! What changes the root: install, upgrade, build-dep, remove.

use vcache_tests::debian::{Row, cached, live, local};

const UPDATE: &str = "apt-get update";

pub(crate) fn rows() -> Vec<Row> {
    [installs(), upgrades(), build_dependencies(), removals(), left_alone()].concat()
}

fn installs() -> Vec<Row> {
    vec![
        cached("apt-get update && apt-get install -y hello tool"),
        cached("apt-get -qq update && apt-get -qq install -y hello"),
        cached("apt-get update && apt-get install -y --no-install-recommends hello"),
        cached("apt-get update && apt-get install -d -y hello"),
        cached("apt-get update && apt-get install -d -y hello && apt-get install -y hello"),
        cached("apt-get update && apt-get install -y two=1.0"),
        cached("apt-get update && apt-get install -y two=1.0 && apt-get install -y two"),
        cached(
            "apt-get update && apt-get install -y big && apt-get clean && apt-get install -y --reinstall big",
        )
        // The second time it is a hit, in the cold leg too.
        .ignore("archives"),
        cached("apt-get update && apt-get install -y tool && apt-get install -y clash tool-"),
        cached("apt-get update && apt-get install -y virtual"),
        cached("apt-get update && apt-get install -y foreign:{f} libhello:{a}").foreign(),
        cached("apt-get update && apt-get install -y ./tool_1.0_all.deb").deb("tool"),
        cached("apt-get update && apt-get install -y ./hello_1.0-1_{a}.deb").deb("hello"),
        cached("apt update && apt install -y hello"),
        cached("apt update && apt -o APT::Install-Recommends=0 install -y hello && apt list --installed"),
        cached("apt-get install -y hello").before(UPDATE),
        cached("apt-get update && apt-get install -y hello two").sandboxed(),
    ]
}

fn upgrades() -> Vec<Row> {
    let old = |line| cached(line).installed("tool", "0.9").installed("two", "0.9");
    vec![
        old("apt-get update && apt-get upgrade -y"),
        old("apt-get update && apt-get -y dist-upgrade"),
        old("apt-get update && apt-get install -y --only-upgrade tool"),
        old("apt update && apt list --upgradable && apt full-upgrade -y"),
        cached("apt-get update && apt-get install -y --allow-downgrades tool=1.0").installed("tool", "9"),
        old("apt-get update && apt-get -y upgrade")
            .file("etc/apt/preferences.d/two", "Package: two\nPin: version 1.0\nPin-Priority: 1001\n"),
        old("apt-get update && apt-mark hold tool && apt-get -y upgrade"),
        live("apt-get update && apt-get install -y hello && move on && apt-get update && apt-get upgrade -y"),
    ]
}

fn build_dependencies() -> Vec<Row> {
    vec![
        cached("apt-get update && apt-get build-dep -y hello"),
        cached("apt-get update && apt-get build-dep -y -d hello tool"),
        cached("apt-get update && apt-get source hello && apt-get build-dep -y ./hello-1.0"),
        cached("apt-get update && apt-get build-dep --print-uris -y hello"),
        cached("apt-get update && apt-get satisfy -y 'two (>= 1.0), tool'"),
    ]
}

fn removals() -> Vec<Row> {
    let with_hello = |line| local(line).before("apt-get update && apt-get install -y hello");
    vec![
        with_hello("apt-get remove -y hello"),
        with_hello("apt-get purge -y hello"),
        with_hello("apt-get remove -y hello && apt-get autoremove -y"),
        with_hello("apt-get autoremove -y --purge hello"),
        with_hello("apt-get clean"),
        with_hello("apt purge -y libhello"),
        with_hello("apt-get remove -y hello && apt-get install -y hello"),
    ]
}

fn left_alone() -> Vec<Row> {
    vec![
        local("apt-get").fails(1),
        local("apt-get --version"),
        local("apt-get check"),
        local("apt-get nothing").fails(100),
        local("apt-get install"),
        local("apt-cache policy hello").before(UPDATE),
        local("apt show hello").before(UPDATE),
        local("apt-get -s install hello").before(UPDATE),
        local("apt-get install --nothing hello").before(UPDATE).fails(100),
        local("apt-get indextargets").before(UPDATE),
        local("apt-config dump Dir"),
        local("apt-mark auto hello").before("apt-get update && apt-get install -y hello"),
    ]
}
