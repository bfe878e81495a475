//! What was typed behind dpkg: does it change the database, and which one?
//!
//! dpkg reads options only before the first word that is none. What its configuration files (`dpkg.cfg`) say is not looked
//! at: a database that is named there is not waited for.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use vcache_argv::{Item, Kind, scan};
use vcache_shim::Host;

use super::table::{DPKG, Meaning};

/// Where the database is below a root.
const BELOW_ROOT: &str = "var/lib/dpkg";

/// The folder of the database that the call in `host` changes, absolute. None: it changes none, its locks are
/// another's business, or it was not understood.
pub(crate) fn changed_database(host: &Host) -> Option<PathBuf> {
    // Whoever sets it, with whatever value, holds the front-end lock.
    if host.env_all().any(|(name, _)| name == "DPKG_FRONTEND_LOCKED") {
        return None;
    }
    let items = options(host.args().get(1..).unwrap_or_default())?;
    let mut changes = None;
    let mut folder = None;
    for Item { kind, .. } in items {
        let Kind::Option { opt, value, .. } = kind else { return None };
        let value = value.unwrap_or_default();
        match opt.meaning {
            Meaning::Changes | Meaning::Reads if changes.is_some() => return None,
            Meaning::Changes => changes = Some(true),
            Meaning::Reads => changes = Some(false),
            Meaning::AdminDir => folder = Some(PathBuf::from(value)),
            Meaning::Root => folder = Some(below_root(&value)),
            Meaning::DebugLevel if value.as_bytes().starts_with(b"h") => return None,
            Meaning::Shows | Meaning::Before => return None,
            Meaning::DebugLevel | Meaning::Other => {}
        }
    }
    if changes != Some(true) {
        return None;
    }
    // dpkg 1.20 knows the first variable, 1.21 the second one.
    let by_variable = || host.env("DPKG_ADMINDIR").map(PathBuf::from);
    let by_root = || below_root(host.env("DPKG_ROOT").unwrap_or_default());
    Some(host.cwd().join(folder.or_else(by_variable).unwrap_or_else(by_root)))
}

fn below_root(root: &OsStr) -> PathBuf {
    let root = if root.is_empty() { OsStr::new("/") } else { root };
    PathBuf::from(root).join(BELOW_ROOT)
}

/// What stands before the first word that is no option, but for what is forced or refused. None: something is unknown, or asks for help.
fn options(mut words: &[OsString]) -> Option<Vec<Item<Meaning>>> {
    let mut options = Vec::new();
    loop {
        let mut rest = None;
        for item in scan(&DPKG, words).items {
            match &item.kind {
                Kind::Option { .. } => options.push(item),
                Kind::Unknown { text, .. } => {
                    if things(text)?.split(',').any(|thing| thing == "help") {
                        return None;
                    }
                    // The scan trusts nothing behind it; this word we know.
                    rest = words.get(item.at + 1..);
                    break;
                }
                Kind::Positional(_) | Kind::Separator | Kind::Untrusted(_) => break,
                Kind::MissingValue { .. } => return None,
            }
        }
        let Some(rest) = rest else { return Some(options) };
        words = rest;
    }
}

/// What is forced or refused, where the word says that.
fn things(word: &OsStr) -> Option<&str> {
    let word = word.to_str()?.strip_prefix("--")?;
    ["force-", "no-force-", "refuse-"].iter().find_map(|prefix| word.strip_prefix(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(text: &str, env: &[(&str, &str)]) -> String {
        let words = text.split(' ').map(OsString::from).collect();
        let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let folder = changed_database(&Host::new(words, env, "/w".into()));
        folder.map_or_else(|| "-".to_owned(), |folder| folder.display().to_string())
    }

    const SYSTEM: &str = "/var/lib/dpkg";

    #[test]
    fn calls_that_change_the_database() {
        for call in [
            "-i a.deb",
            "--install a.deb",
            "-iE a.deb",
            "-EiB a.deb",
            "-GOiR folder",
            "-i -R --selected-only folder",
            "-i a.deb --no-act",
            "-D2000 -i a.deb",
            "-D 2000 -i a.deb",
            "-D=2000 --debug=1 -i a.deb",
            "-i --force-overwrite,confold --no-force-downgrade --refuse-hold a.deb",
            "--force-all -i -- --version",
            "--status-fd 3 --abort-after=9 --log x -i a.deb",
            "--unpack a.deb",
            "-A a.deb",
            "--configure -a",
            "-r a",
            "-P a",
            "--purge --pending",
            "--triggers-only -a",
            "--set-selections",
            "--clear-selections",
            "--update-avail",
            "--merge-avail f",
            "--clear-avail",
            "--forget-old-unavail",
        ] {
            assert_eq!(database(&format!("dpkg {call}"), &[]), SYSTEM, "{call}");
        }
    }

    #[test]
    fn calls_that_do_not_or_that_are_not_understood() {
        for call in [
            "--version",
            "--help",
            "-l",
            "-L a",
            "-s a",
            "-S /bin/sh",
            "-C",
            "-V a",
            "-b . a.deb",
            "-c a.deb",
            "--print-architecture",
            "--compare-versions 1 lt 2",
            "--add-architecture armhf",
            "--get-selections",
            "--no-act -i a.deb",
            "-i --dry-run a.deb",
            "--simulate -r a",
            "--force-help",
            "--force-hold,help -i a.deb",
            "-Dh -i a.deb",
            "--debug=help -i a.deb",
            "--pre-invoke=x -i a.deb",
            "--command-fd 3",
            "--assert-multi-arch",
            "-i --strange a.deb",
            "-iZ a.deb",
            "-i -r a.deb",
            "-i --version",
            "--admindir",
            "- -i a.deb",
            "a.deb -i",
            "--force",
            "-R folder",
        ] {
            assert_eq!(database(&format!("dpkg {call}"), &[]), "-", "{call}");
        }
        assert_eq!(database("dpkg", &[]), "-");
    }

    #[test]
    fn which_database() {
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let (admin, root) = (("DPKG_ADMINDIR", "/e"), ("DPKG_ROOT", "/r"));
        let rows: &[Row] = &[
            ("--admindir=/a -i x", &[], "/a"),
            ("--admindir a -i x", &[], "/w/a"),
            ("--root=/t -i x", &[admin, root], "/t/var/lib/dpkg"),
            ("--root t -i x", &[], "/w/t/var/lib/dpkg"),
            ("--root= -i x", &[], SYSTEM),
            ("--admindir=/a --root=/t -i x", &[], "/t/var/lib/dpkg"),
            ("-i --root=/t --admindir=/a x", &[], "/a"),
            ("--force-not-root --root=/t --force-all -i x", &[], "/t/var/lib/dpkg"),
            ("--admindir --force-all -i x", &[], "/w/--force-all"),
            ("--instdir=/t -i x", &[], SYSTEM),
            ("-i x --admindir=/a", &[], SYSTEM),
            ("-i x", &[admin, root], "/e"),
            ("-i x", &[root], "/r/var/lib/dpkg"),
            ("-i x", &[("DPKG_FRONTEND_LOCKED", "")], "-"),
            ("-i x", &[("DPKG_FRONTEND_LOCKED", "true")], "-"),
        ];
        for (text, env, folder) in rows {
            assert_eq!(database(&format!("dpkg {text}"), env), *folder, "{text} {env:?}");
        }
    }

    /// All calls of dpkg in SONiC's tree.
    #[test]
    fn sonics_calls() {
        let rows = [
            ("dpkg -i redis-tools_6.0.6-1~bpo10+1_amd64.deb", SYSTEM),
            ("dpkg --info /tmp/otelcol-contrib.deb", "-"),
            ("dpkg -i /debs/socat_1.8.0.2-1_amd64.deb /debs/libssl3_3.0.11-1~deb12u2+fips_amd64.deb", SYSTEM),
            ("dpkg -P sonic-platform-vs", SYSTEM),
            ("dpkg -I ./fsroot/platform/common/sonic-platform-vs_1.0_amd64.deb", "-"),
            ("dpkg -b . mft-fwtrace-cfg-4.36.0-1033.deb", "-"),
            ("dpkg -i kernel-mft-dkms_4.36.0-1033_all.deb", SYSTEM),
            ("dpkg -b /tmp/dkms.Xy12Ab34Cd .", "-"),
            ("dpkg -e bfscripts_4.14.0-13938_all.deb bfscripts/DEBIAN", "-"),
            ("dpkg -L grub2-common", "-"),
            ("dpkg -L kmod", "-"),
            ("dpkg --print-architecture", "-"),
            ("dpkg -s libperl-dev:armhf", "-"),
            ("dpkg -x target/debs/trixie/libnl-3-dev_3.7.0-0.2+b1sonic1_amd64.deb tmp", "-"),
        ];
        for (text, folder) in rows {
            assert_eq!(database(text, &[]), folder, "{text}");
        }
    }
}
