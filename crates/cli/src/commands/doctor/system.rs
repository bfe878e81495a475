//! What lies around the cache: settings, SONiC's buildinfo folder, version files, the clock, certificates.

use std::path::{Path, PathBuf};

use vcache_shim::mirrors::Mirrors;
use vcache_shim::{Chain, Origin};
use vcache_versions::Malformed;

use super::Check;
use crate::commands::{config, stats};
use crate::context::Context;
use crate::tally::Tally;
use crate::{files, units};

/// 2024-01-01: a clock before it has lost its battery, and no certificate is valid for it.
const PAST: u64 = 1_704_067_200;
const DAY: u64 = 86_400;
/// Where distributions keep the certificates that are trusted.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

pub(super) fn checks(context: &Context) -> Vec<Check> {
    let mut checks = settings(context);
    let folder = context.settings.path("VCACHE_BUILDINFO").unwrap_or_default();
    let is_default = *context.settings.origin("VCACHE_BUILDINFO") == Origin::Default;
    checks.push(buildinfo(&folder, is_default));
    let lock = context.host.cwd().join("vcache-versions");
    let mut folders = vec![folder.join("versions"), folder.join("build-versions"), lock];
    folders.retain(|folder| folder.is_dir());
    checks.extend(version_files(&folders));
    checks.extend(mirrors(context));
    let newest = newest_record(context);
    checks.push(clock(units::now().as_secs(), newest));
    let named = context.host.env("SSL_CERT_FILE").map(PathBuf::from);
    checks.push(certificates(named, &BUNDLES.map(PathBuf::from)));
    checks
}

fn settings(context: &Context) -> Vec<Check> {
    let problems = config::problems(context);
    if problems.is_empty() {
        return vec![Check::ok("settings", "understood")];
    }
    problems
        .into_iter()
        .map(|p| Check::warn("settings", p, "correct it; vcache config shows every setting"))
        .collect()
}

fn buildinfo(folder: &Path, is_default: bool) -> Check {
    let shown = folder.display();
    if !folder.exists() {
        return if is_default {
            Check::ok("buildinfo", format!("{shown} is not there: there are no pins outside `vcache run`"))
        } else {
            let advice = "make it, with versions/ and build-versions/, or correct VCACHE_BUILDINFO";
            Check::fail("buildinfo", format!("{shown} is not there, so no pin holds"), advice)
        };
    }
    if rustix::fs::access(folder, rustix::fs::Access::READ_OK | rustix::fs::Access::EXEC_OK).is_err() {
        return Check::fail(
            "buildinfo",
            format!("{shown} can't be read, so no pin holds"),
            "check its owner and mode",
        );
    }
    Check::ok("buildinfo", shown.to_string())
}

fn unreadable(error: &anyhow::Error) -> Check {
    Check::fail("version files", Chain(error.as_ref()).to_string(), "check its owner and mode")
}

fn version_files(folders: &[PathBuf]) -> Vec<Check> {
    let mut checks = Vec::new();
    let (mut read, mut pins) = (0, 0);
    let advice = "correct the line, or remove it so that it is recorded anew";
    for folder in folders {
        let mut found = Vec::new();
        for kind in ["web", "git"] {
            match files::version_files(folder, kind) {
                Ok(files) => found.extend(files.into_iter().map(|file| (kind, file))),
                Err(error) => checks.push(unreadable(&error)),
            }
        }
        for (kind, file) in found {
            match files::read(&file) {
                Ok(text) => {
                    let (good, malformed) = pins_in(kind, &text);
                    (read, pins) = (read + 1, pins + good);
                    checks.extend(malformed.into_iter().map(|problem| {
                        let detail = format!("{}:{}: {}", file.display(), problem.line, problem.what);
                        Check::fail("version files", detail, advice)
                    }));
                }
                Err(error) => {
                    checks.push(unreadable(&error));
                }
            }
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok("version files", format!("{read} read, {pins} pins")));
    }
    checks
}

/// How many pins a version file of this kind has, and what is wrong with it.
fn pins_in(kind: &str, text: &[u8]) -> (usize, Vec<Malformed>) {
    if kind == "git" {
        let (pins, malformed) = vcache_versions::parse_git(text);
        return (pins.len(), malformed);
    }
    let (pins, malformed) = vcache_versions::parse(text);
    (pins.len(), malformed)
}

/// The rules for mirrors: good ones, malformed ones, and those that nothing has matched yet.
fn mirrors(context: &Context) -> Vec<Check> {
    let mirrors = Mirrors::load(&context.host, &context.settings);
    let advice = "see the README, \"Mirrors\", for what a line holds";
    let mut checks: Vec<Check> =
        mirrors.problems.iter().map(|problem| Check::fail("mirrors", problem, advice)).collect();
    let events =
        existing_store(context).and_then(|store| store.events().ok().map(|lines| Tally::of(lines, 0)));
    if let Some(tally) = events.filter(|tally| tally.requests > 0) {
        let idle = stats::idle_rules(&mirrors, &tally).into_iter();
        let advice = "correct the prefix if a build should have matched it";
        checks.extend(
            idle.map(|rule| Check::warn("mirrors", format!("{rule}: no URL matched it so far"), advice)),
        );
    }
    if checks.is_empty() && !mirrors.rules.is_empty() {
        checks.push(Check::ok(
            "mirrors",
            format!("{} rules in {}", mirrors.rules.len(), mirrors.file.display()),
        ));
    }
    checks
}

/// The store, where there is one already.
fn existing_store(context: &Context) -> Option<vcache_store::Store> {
    let exists = context.cache_dir().is_some_and(|dir| crate::context::is_cache(&dir.path));
    exists.then(|| context.store().ok().flatten()).flatten()
}

/// When the last record of the cache was made.
fn newest_record(context: &Context) -> Option<u64> {
    existing_store(context)?
        .records()
        .filter_map(|(_, record)| record.ok())
        .map(|record| record.fetched)
        .max()
}

fn clock(now: u64, newest: Option<u64>) -> Check {
    if now < PAST {
        return Check::fail(
            "clock",
            "it is set to a day before 2024",
            "set it: no certificate is valid on that day",
        );
    }
    if newest.is_some_and(|newest| newest > now + DAY) {
        let advice =
            "set this machine's clock, or that of the machine that shares the cache: gc goes by last use";
        return Check::warn("clock", "the cache holds records from the future", advice);
    }
    Check::ok("clock", "plausible")
}

fn certificates(named: Option<PathBuf>, known: &[PathBuf]) -> Check {
    if let Some(file) = named {
        if file.is_file() {
            return Check::ok("certificates", format!("{} (SSL_CERT_FILE)", file.display()));
        }
        let detail = format!("SSL_CERT_FILE={} is not there", file.display());
        return Check::fail(
            "certificates",
            detail,
            "correct or unset SSL_CERT_FILE: no https server can be trusted",
        );
    }
    match known.iter().find(|file| file.is_file()) {
        Some(file) => Check::ok("certificates", file.display().to_string()),
        None => Check::warn("certificates", "no bundle found", "install ca-certificates: https needs it"),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make the files that are looked at")]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn malformed_lines_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("versions-web");
        std::fs::write(&file, "# c\nhttp://h/a==00\nhttp://h/b==0123456789abcdef0123456789abcdef\n").unwrap();
        let checks = version_files(&[dir.path().to_owned()]);
        assert_eq!((checks.len(), checks[0].status), (1, Status::Fail));
        assert!(checks[0].detail.starts_with(&format!("{}:2: ", file.display())), "{}", checks[0].detail);
        std::fs::write(&file, "http://h/b==0123456789abcdef0123456789abcdef\n").unwrap();
        assert_eq!(version_files(&[dir.path().to_owned()]), [Check::ok("version files", "1 read, 1 pins")]);
    }

    #[test]
    fn folders_clocks_and_certificates() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(buildinfo(nowhere, true).status, Status::Ok);
        assert_eq!(buildinfo(nowhere, false).status, Status::Fail);
        assert_eq!(buildinfo(Path::new("/"), false).status, Status::Ok);
        for (now, newest, status) in [
            (0, None, Status::Fail),
            (PAST, None, Status::Ok),
            (PAST, Some(PAST + DAY), Status::Ok),
            (PAST, Some(PAST + DAY + 1), Status::Warn),
        ] {
            assert_eq!(clock(now, newest).status, status);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(certificates(Some(nowhere.into()), &[]).status, Status::Fail);
        assert_eq!(certificates(Some(file.path().into()), &[]).status, Status::Ok);
        assert_eq!(certificates(None, &[file.path().into()]).status, Status::Ok);
        assert_eq!(certificates(None, &[nowhere.into()]).status, Status::Warn);
    }
}
