//! The archive that rows are about.
//!
//! | suite | what it has |
//! |---|---|
//! | `stable` | `hello` (depends on `libhello` with an epoch and a `~` in its version, recommends `hello-doc`), `tool` (for all architectures), `two` (in two versions), `big`, `build-essential`, `debhelper`, `foreign` (for another architecture), `clash` (is not installed beside `tool`); sources `hello` (quilt, with `Build-Depends`) and `tool` (native) |
//! | `next` | newer ones of `hello` and `libhello`, not to be taken unless asked for (`NotAutomatic`) |
//! | `flat` | a flat repository with `tool` and its source |
//!
//! `hello`, `libhello` and `tool` have other versions once the archive has moved on.

use vcache_testkit::debian::{Package, Source, Suite, foreign};

/// All suites, in the order of the table above.
pub fn stock() -> Vec<Suite> {
    vec![stable(), next(), flat()]
}

fn stable() -> Suite {
    let other = |package: Package| package.architecture(foreign());
    Suite::new("stable")
        .packages([
            Package::new("hello", "1.0-1")
                .then("1.1-1")
                .depends("libhello (>= 1:1.0~)")
                .field("Recommends", "hello-doc"),
            libhello(),
            other(libhello()),
            Package::new("hello-doc", "1.0-1")
                .architecture("all")
                .file("usr/share/hello-doc/läs mig", "text\n"),
            tool("1.0", "1.1"),
            Package::new("two", "1.0"),
            Package::new("two", "2.0+b1"),
            Package::new("big", "1.0").payload(300_000),
            Package::new("build-essential", "12.9").architecture("all"),
            Package::new("debhelper", "13.11").architecture("all").depends("tool"),
            other(Package::new("foreign", "1.0")).depends("libhello"),
            Package::new("clash", "1.0").field("Conflicts", "tool").field("Provides", "virtual"),
        ])
        .sources([
            Source::new("hello", "1.0-1")
                .then("1.1-1")
                .binaries(&["hello", "hello-doc", "libhello"])
                .build_depends("debhelper (>= 13), two (= 2.0+b1)"),
            Source::new("tool", "1.0").then("1.1"),
        ])
}

fn next() -> Suite {
    Suite::new("next")
        .packages([
            Package::new("hello", "3.0-1").depends("libhello (>= 1:3.0)"),
            Package::new("libhello", "1:3.0-1").multi_arch("same"),
        ])
        .field("NotAutomatic", "yes")
}

fn flat() -> Suite {
    Suite::flat("flat").packages([tool("1.0+flat", "1.1+flat")]).sources([Source::new("tool", "1.0+flat")])
}

fn libhello() -> Package {
    Package::new("libhello", "1:1.0~rc1-1").then("1:1.1-1").multi_arch("same")
}

fn tool(version: &str, next: &str) -> Package {
    Package::new("tool", version).then(next).architecture("all").payload(5_000)
}
