//! Archives of all kinds: how they are signed, named and reached.

use vcache_testkit::debian::{Signing, Trust};
use vcache_tests::debian::{Row, cached, live};

const BOTH: &str = "apt-get update && apt-get install -y tool && apt-get source -d tool";

pub(crate) fn rows() -> Vec<Row> {
    [signatures(), forms(), ways()].concat()
}

fn signatures() -> Vec<Row> {
    vec![
        cached(BOTH).signing(Signing::ReleaseGpg),
        cached(BOTH).signing(Signing::ReleaseGpg).no_by_hash(),
        cached(BOTH).signing(Signing::Unsigned).trust(Trust::Yes),
        cached(BOTH).signing(Signing::Unsigned).deb822().trust(Trust::Yes),
        cached("apt-get update && apt-get install -y --allow-unauthenticated tool")
            .signing(Signing::Unsigned)
            .configured("Acquire::AllowInsecureRepositories \"true\";"),
        cached(BOTH).trust(Trust::Yes),
        cached(BOTH).no_by_hash(),
        cached("apt-get update && apt-get update").no_by_hash().signing(Signing::ReleaseGpg),
        cached("apt-get update -o Acquire::Check-Valid-Until=false").expired(),
        cached("apt-get update -o Acquire::By-Hash=force"),
    ]
}

fn forms() -> Vec<Row> {
    let with_next = |line| cached(line).suites(&["stable", "next"]);
    vec![
        cached(BOTH).trust(Trust::SignedBy),
        cached(BOTH).deb822(),
        cached(BOTH).suites(&["flat"]),
        cached(BOTH).suites(&["flat"]).deb822(),
        cached(BOTH).suites(&["flat"]).signing(Signing::ReleaseGpg),
        cached(BOTH).suites(&["flat"]).signing(Signing::Unsigned).trust(Trust::Yes),
        cached("apt-get update && apt-get install -y tool hello").suites(&["stable", "flat"]),
        with_next("apt-get update && apt-get install -y hello"),
        with_next("apt-get update && apt-get install -y -t next hello"),
        with_next("apt-get update && apt-get install -y hello/next libhello/next"),
        with_next("apt-get update && apt-get install -y -t=stable hello").deb822(),
        with_next("apt-get update && apt-get install -y hello")
            .file("etc/apt/preferences.d/next", "Package: *\nPin: release n=next\nPin-Priority: 900\n"),
    ]
}

fn ways() -> Vec<Row> {
    vec![
        cached(BOTH).https(),
        cached(BOTH).https().sandboxed().deb822(),
        cached(BOTH).manner("/redir/1"),
        cached(BOTH).manner("/redir301"),
        cached(BOTH).manner("/redirrel"),
        cached(BOTH).manner("/norange"),
        cached(BOTH).manner("/nolm"),
        // What has no length has no size in apt's lines, and from the cache it has one.
        live(BOTH).manner("/chunked"),
        cached(BOTH).env("http_proxy", "{o}"),
        cached(BOTH).configured("Acquire::http::Proxy \"DIRECT\";").env("http_proxy", "http://127.0.0.1:9"),
        cached(BOTH)
            .manner("/auth")
            .file("etc/apt/auth.conf.d/test", "machine {o}/auth/ login user password pw\n"),
    ]
}
