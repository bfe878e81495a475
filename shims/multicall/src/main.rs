//! `vcache-shim`: the one executable behind all names. It finds the family of tools for the name that it was called
//! by; nothing else.
//!
//! By its own name it answers for itself: `vcache-shim` lists the names that every image may have, one a line, `--names` all,
//! `--links` those that are to be linked here: the former, and of the others those whose real tool is in `PATH`.
//! `--refresh-links` links and unlinks these others; `--reasons` lists the counted reasons of passthroughs; `--explain TOOL
//! ARG…` says as JSON what a call would lead to; `--version`. `--flush` sends what waits for the second tiers, without a
//! word: shims start it beside a build. `--reproducible-mirrors` and `--original-mirrors` (each with a root, if it is another one) do what SONiC's
//! `set_reproducible_mirrors` and its `-d` do.
#![allow(clippy::print_stdout, reason = "under its own name it is a command that prints facts")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use vcache_debian::Sources;
use vcache_shim::{Family, Host, Settings, cache, exit, links, outbox, real_tool};

/// Every family. A new one is a folder under `shims/` and a line here.
const FAMILIES: &[&Family] = &[
    &vcache_web::FAMILY,
    &vcache_git::FAMILY,
    &vcache_debian::FAMILY,
    &vcache_debian::BOOTSTRAP,
    &vcache_docker::FAMILY,
];

fn main() -> ExitCode {
    let host = Host::from_process();
    match family(&host) {
        Some(family) => (family.run)(&host, &Settings::load(&host)),
        None if host.name() == links::EXECUTABLE => own_name(&host),
        None => {
            eprintln!(
                "vcache: error: {}: not a name that vcache-shim serves ({})",
                host.name().display(),
                names().join(" ")
            );
            ExitCode::from(exit::NO_REAL_TOOL)
        }
    }
}

fn family(host: &Host) -> Option<&'static Family> {
    let name = host.name();
    FAMILIES.iter().copied().find(|f| f.names.iter().chain(f.also).any(|n| name == *n))
}

fn names() -> Vec<&'static str> {
    FAMILIES.iter().flat_map(|f| f.names).copied().collect()
}

/// The names that are linked whether their tool is there or not.
fn staged() -> Vec<&'static str> {
    FAMILIES.iter().filter(|family| !family.only_with_tool).flat_map(|family| family.names).copied().collect()
}

/// The names to be linked here: the staged ones, and the others whose real tool is in `PATH`.
fn here(host: &Host) -> Vec<&'static str> {
    let belongs =
        |name: &&str| staged().contains(name) || real_tool::is_there(&host.with_args(vec![(*name).into()]));
    names().into_iter().filter(belongs).collect()
}

/// Links the other names in the executable's folder where their tool has come, and unlinks them where it has gone. Where no
/// staged name is linked (`vcache hooks disable`), no other one is.
fn refresh_links(host: &Host) -> ExitCode {
    let Some(folder) = host.args().first().and_then(|typed| folder_of(host, Path::new(typed))) else {
        eprintln!("vcache: error: the folder of the shims can't be told; call vcache-shim by its path");
        return ExitCode::FAILURE;
    };
    let enabled = staged().iter().any(|name| links::is_linked(&folder, name));
    let here = here(host);
    let others = names().into_iter().filter(|name| !staged().contains(name)).map(str::to_owned);
    let (wanted, gone): (Vec<_>, Vec<_>) = others.partition(|name| enabled && here.contains(&name.as_str()));
    if let Err(e) = links::arrange(&folder, &wanted, &gone) {
        eprintln!("vcache: error: {}: the links can't be changed: {e}", folder.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Where a path that was typed leads, else where `PATH` does.
fn folder_of(host: &Host, typed: &Path) -> Option<PathBuf> {
    let path = if typed.components().count() > 1 {
        host.cwd().join(typed)
    } else {
        host.path()
            .into_iter()
            .map(|folder| host.cwd().join(folder).join(typed))
            .find(|path| path.is_file())?
    };
    path.parent().map(Path::to_owned)
}

fn own_name(host: &Host) -> ExitCode {
    let words = &host.args()[1.min(host.args().len())..];
    match words.first().and_then(|w| w.to_str()) {
        None if words.is_empty() => println!("{}", staged().join("\n")),
        Some("--names") => println!("{}", names().join("\n")),
        Some("--links") => println!("{}", here(host).join("\n")),
        Some("--refresh-links") => return refresh_links(host),
        Some("--version") => println!("vcache-shim {}", env!("CARGO_PKG_VERSION")),
        Some("--reasons") => {
            for (name, help) in FAMILIES.iter().flat_map(|f| (f.reasons)()) {
                println!("{name}\t{help}");
            }
        }
        Some(outbox::FLUSH) => {
            let settings = Settings::load(host);
            let sent = cache::open(host, &settings, cache::Use::Unheard).map(|opened| {
                vcache_remote::flush(&opened.store, Duration::ZERO, &mut |_| {}, &mut |_, _| {})
            });
            let all = sent.is_ok_and(|sent| sent.is_ok_and(|sent| sent.left == 0));
            return if all { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Some(switch @ ("--reproducible-mirrors" | "--original-mirrors")) if words.len() <= 2 => {
            return switch_sources(host, switch, words.get(1).map_or(Path::new("/"), Path::new));
        }
        Some("--explain") if words.len() > 1 => {
            let host = host.with_args(words[1..].to_vec());
            let Some(family) = family(&host) else {
                eprintln!("vcache: error: {}: not a name that vcache-shim serves", host.name().display());
                return ExitCode::from(2);
            };
            match serde_json::to_string(&(family.explain)(&host, &Settings::load(&host))) {
                Ok(json) => println!("{json}"),
                Err(e) => {
                    eprintln!("vcache: error: {e}");
                    return ExitCode::FAILURE;
                }
            }
        }
        _ => {
            eprintln!(
                "usage: vcache-shim [--names | --links | --refresh-links | --reasons | --flush | --reproducible-mirrors [ROOT] | --original-mirrors [ROOT] | --explain TOOL ARG… | --version]; without an argument it lists the tools it stands for"
            );
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn switch_sources(host: &Host, switch: &str, root: &Path) -> ExitCode {
    let to = if switch == "--original-mirrors" { Sources::Mirrors } else { Sources::Snapshot };
    match vcache_debian::switch_sources(&Settings::load(host), &host.cwd().join(root), to) {
        Ok(changed) => {
            changed.iter().for_each(|file| println!("{}", file.display()));
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("vcache: error: {}: the sources of packages can't be changed: {e}", root.display());
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_unique() {
        let mut names = super::names();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
