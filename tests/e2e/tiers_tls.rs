//! Second tiers and mirrors behind HTTPS: which certificates are taken, and that an authority of one's own is named by `SSL_CERT_FILE`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;

use vcache_testkit::{Nginx, Origin, Run, Sandbox, TlsFolder, bin_dir, md5_hex, missing};
use vcache_tests::entries;

const RSA: &[&str] = &["rsa:2048"];
const P256: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
const P521: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-521"];
const ED25519: &[&str] = &["ed25519"];

#[test]
fn a_tier_is_read_over_https_if_its_certificate_is_trusted() {
    if missing("a_tier_is_read_over_https", &TlsFolder::NEEDS) {
        return;
    }
    let sandbox = Sandbox::new();
    let (nginx, mut origin) = (Nginx::start(&sandbox.root().join("nginx")), Origin::start());
    let (tier, url) = (format!("{}#trusted", nginx.url()), format!("{}/s300000/a", origin.url()));
    let on = |machine: &str, tier: &str, argv: &[&str]| -> Run {
        let run =
            sandbox.shim(argv).env("VCACHE_DIR", sandbox.root().join(machine)).env("VCACHE_REMOTE", tier);
        run.env("SONIC_VERSION_CONTROL_COMPONENTS", "none")
    };
    on("a", &tier, &["wget", "-q", &url]).finish().expect_code(0);
    on("a", &tier, &[bin_dir().join("vcache").to_str().unwrap(), "flush"]).finish().expect_code(0);
    let rows = [
        (RSA, true, ""),
        (P256, true, ""),
        (P384, true, ""),
        (ED25519, true, ""),
        (P256, false, "invalid peer certificate"),
        // ring has not that curve, and says so in its hello.
        (P521, true, "HandshakeFailure"),
    ];
    for (number, (key, told, problem)) in rows.into_iter().enumerate() {
        let tls =
            TlsFolder::with_key(&sandbox.root().join(format!("tls{number}")), "/tier", &nginx.root(), key);
        let tier = format!("{}/tier#trusted,read-only", tls.url());
        let certificate = if told { tls.certificate() } else { sandbox.root().join("tls0/certificate.pem") };
        let machine = format!("b{number}");
        if problem.is_empty() {
            origin.stop();
        } else {
            origin.resume();
        }
        let done = on(&machine, &tier, &["curl", "-sfL", &url]).env("SSL_CERT_FILE", certificate).finish();
        done.expect_code(0);
        assert_eq!(done.stdout, *origin.content("/s300000/a"), "{key:?}");
        let said = done.stderr_text();
        let events = entries(&sandbox);
        let last = events.last().unwrap();
        assert_eq!(last.tier.is_some(), problem.is_empty(), "{key:?}, {last:?}: {said}");
        assert!(said.contains(problem) && said.is_empty() == problem.is_empty(), "{key:?}: {said}");
    }
}

#[test]
fn a_mirror_is_read_over_https() {
    if missing("a_mirror_is_read_over_https", &TlsFolder::NEEDS) {
        return;
    }
    let (sandbox, mut origin) = (Sandbox::new(), Origin::start());
    let (url, content) = (format!("{}/s5000/a.tgz", origin.url()), origin.content("/s5000/a.tgz"));
    let md5 = md5_hex(&content);
    sandbox.pin_web(&format!("{url}=={md5}\n"));
    origin.stop();
    let packages = sandbox.root().join("packages");
    fs::create_dir(&packages).unwrap();
    fs::write(packages.join(format!("a.tgz-{md5}")), &*content).unwrap();
    let tls = TlsFolder::start(&sandbox.root().join("tls"), "/packages", &packages);
    let mirror = format!("{}/packages", tls.url());
    let call = || sandbox.shim(["wget", "-q", &url]).env("BUILD_PACKAGES_URL", &mirror);
    assert_ne!(call().finish().code, 0, "nobody trusts its certificate");
    call().env("SSL_CERT_FILE", tls.certificate()).finish().expect_code(0);
    assert_eq!(fs::read(sandbox.work().join("a.tgz")).unwrap(), *content);
}
