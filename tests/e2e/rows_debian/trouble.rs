//! Calls that fail.

use vcache_testkit::debian::{Signing, Trust};
use vcache_tests::debian::{Row, live, local};

pub(crate) fn rows() -> Vec<Row> {
    let rows = vec![
        live("apt-get update").trust(Trust::Nothing),
        live("apt-get update").signing(Signing::Unsigned),
        live("apt-get update").expired(),
        live("apt-get update").manner("/auth"),
        live("apt-get update && apt-get install -y hello").manner("/status/500"),
        live("apt-get update").manner("/status/404"),
        live("apt-get update && move on && apt-get install -y hello"),
        live("apt-get update && move on && apt-get install -y hello --fix-missing"),
        live("apt-get update && apt-get install -y nothing"),
        live("apt-get update && apt-get install -y hello=9"),
        live("apt-get update && apt-get install -y hello/next"),
        live("apt-get update && apt-get source nothing"),
        live("apt-get update && apt-get changelog nothing"),
        live("apt-get update && apt-get install -y foreign"),
        local("apt-get install -y hello"),
        local("apt-get install ./nothing.deb"),
    ];
    rows.into_iter().map(|row| row.fails(100)).collect()
}
