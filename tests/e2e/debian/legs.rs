//! The legs of a row: the real apt; the same once more, which tells what is not the same twice; the shims with a cold cache; the shims with
//! a warm one and the origin stopped, and out of reach since the network is cut.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use vcache_testkit::debian::{Package, foreign, native};
use vcache_testkit::{Entry, Finished, Kind, Need, Run, TlsFolder, Tree, missing, say_skipped};

use super::row::{Expect, Row};
use super::said::{said, sorted};
use super::state::State;
use super::world::World;
use crate::entries;

/// The leg of the real apt alone: run where there are no shims, and where it is asked for by name.
const AGAIN: &str = "real again";

/// The legs without an origin.
const WARM: [&str; 2] = ["warm, origin stopped", "warm, network cut"];

/// Who runs a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Runner {
    Real,
    Shim,
    /// With no network device.
    ShimCut,
}

/// One run of a row.
struct Effect {
    finished: Finished,
    state: State,
    /// The paths that the origin was asked for, each as often as it was.
    requests: Vec<String>,
}

/// One leg.
struct Leg {
    name: &'static str,
    runner: Runner,
    up: bool,
    requests: Requests,
}

/// What the origin may be asked in a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Requests {
    /// What the real apt asks.
    Same,
    Any,
}

/// Runs each row through its legs. `VCACHE_TEST_ROW` picks the rows whose line contains it, `VCACHE_TEST_LEG` the legs of this name.
///
/// # Panics
/// When anything differed, with all that did.
pub fn check(rows: Vec<Row>) {
    let Some(mut world) = World::new("rows of apt") else { return };
    let has_shims = world.link_shims();
    if !has_shims {
        say_skipped("rows of apt", "vcache-shim has no apt; the real one is compared with itself alone");
    }
    let can_cut = !missing("the legs without a network", &[Need::NetworkNamespace]);
    let only_row = std::env::var("VCACHE_TEST_ROW").unwrap_or_default();
    let only_leg = std::env::var("VCACHE_TEST_LEG").unwrap_or_default();
    let has_tls = !rows.iter().any(Row::is_https) || !missing("rows over HTTPS", &TlsFolder::NEEDS);
    let can_become = !rows.iter().any(Row::is_sandboxed) || !missing("rows with a sandbox", &[Need::Root]);
    let mut failures = Vec::new();
    let count = rows.len();
    let is_possible = |row: &Row| (can_become || !row.is_sandboxed()) && (has_tls || !row.is_https());
    let picked = |row: &&Row| row.line.contains(&only_row) && is_possible(row);
    // All legs of all rows take minutes: the two without an origin go by turns, unless everything is asked for.
    let all = std::env::var_os("VCACHE_TEST_ALL").is_some() || !only_row.is_empty() || !only_leg.is_empty();
    for (turn, row) in rows.iter().filter(picked).enumerate() {
        let before = failures.len();
        world.sandbox.clear();
        let real = run(&mut world, row, Runner::Real, true);
        if real.finished.code != row.code {
            let found = [format!("its exit status is to be {}", row.code)];
            failures.push(report(row, "real", &real, &real, &found));
        }
        for leg in legs(row.expect, has_shims, &only_leg) {
            let is_others_turn = !all && leg.name == WARM[turn % 2];
            if is_others_turn {
                continue;
            }
            let is_picked = only_leg.is_empty() || only_leg == leg.name;
            if is_picked && (can_cut || leg.runner != Runner::ShimCut) {
                let effect = run(&mut world, row, leg.runner, leg.up);
                let may_hit = leg.runner != Runner::Real && leg.name != "cold";
                let mut found = differences(&real, &effect, leg.requests, may_hit);
                found.extend(unsaid(&world, row, leg.runner));
                if !found.is_empty() {
                    failures.push(report(row, leg.name, &real, &effect, &found));
                }
            }
        }
        if failures.len() > before {
            eprintln!("differs: {row}");
        }
    }
    assert!(
        failures.is_empty(),
        "{} legs of {count} rows differ:\n\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn legs(expect: Expect, has_shims: bool, only: &str) -> Vec<Leg> {
    let leg = |name, runner, up, requests| Leg { name, runner, up, requests };
    let mut legs = Vec::new();
    if !has_shims || only == AGAIN {
        legs.push(leg(AGAIN, Runner::Real, true, Requests::Same));
    }
    if has_shims {
        legs.push(leg("cold", Runner::Shim, true, Requests::Any));
        match expect {
            Expect::Cached => {
                legs.push(leg(WARM[0], Runner::Shim, false, Requests::Any));
                legs.push(leg(WARM[1], Runner::ShimCut, false, Requests::Any));
            }
            Expect::Live | Expect::Passed(_) => legs.push(leg("again", Runner::Shim, true, Requests::Any)),
            Expect::Local => legs.push(leg("network cut", Runner::ShimCut, false, Requests::Same)),
        }
    }
    legs
}

/// Prepares a row and runs it, to its end or to the first command that fails.
fn run(world: &mut World, row: &Row, runner: Runner, up: bool) -> Effect {
    world.sandbox.clear_work();
    world.prepare(&row.setup);
    let packages: Vec<Package> =
        row.installed.iter().map(|(name, version)| Package::new(name, version)).collect();
    if !packages.is_empty() {
        world.root.install(&packages);
    }
    for name in &row.debs {
        world.mirror.deb_into(name, &world.sandbox.work());
    }
    for line in row.before.iter().flat_map(|line| line.split(" && ")) {
        if !moves_on(world, line) {
            with_env(world, row, world.real(&filled_in(world, line))).finish().expect_code(0);
        }
    }
    if !up {
        world.stop();
    }
    world.mirror.origin().take_log();
    let since = SystemTime::now();
    let mut all: Option<Finished> = None;
    for line in row.line.split(" && ") {
        if moves_on(world, line) {
            continue;
        }
        let line = filled_in(world, line);
        let run = match runner {
            Runner::Real => world.real(&line),
            Runner::Shim => world.shim(&line),
            Runner::ShimCut => world.shim(&line).cut_network(),
        };
        let step = with_env(world, row, run).finish();
        let so_far = match all.take() {
            None => step,
            Some(mut before) => {
                before.stdout.extend(step.stdout);
                before.stderr.extend(step.stderr);
                Finished { code: step.code, timed_out: step.timed_out, ..before }
            }
        };
        let stop = so_far.code != 0;
        all = Some(so_far);
        if stop {
            break;
        }
    }
    let finished = all.expect("a row has a command");
    let counts = world.mirror.origin().counts();
    let requests = counts.iter().map(|(path, count)| format!("{count} {path}")).collect();
    let state = State::read(world, since, &row.ignored);
    Effect { finished, state, requests }
}

/// A line that is no command but what happens to the archive.
fn moves_on(world: &mut World, line: &str) -> bool {
    let is_event = line.trim() == "move on";
    if is_event {
        world.mirror.move_on();
    }
    is_event
}

fn with_env(world: &World, row: &Row, run: Run) -> Run {
    row.env.iter().fold(run, |run, (name, value)| run.env(name, filled_in(world, value)))
}

fn filled_in(world: &World, text: &str) -> String {
    let text_of = |path: &Path| path.to_str().expect("temporary paths are text").to_owned();
    text.replace("{u}", &world.mirror.url())
        .replace("{o}", &world.mirror.origin().url())
        .replace("{r}", &text_of(world.root.dir()))
        .replace("{w}", &text_of(&world.sandbox.work()))
        .replace("{a}", native())
        .replace("{f}", foreign())
}

/// The reason for which a row is left alone is to be counted.
fn unsaid(world: &World, row: &Row, runner: Runner) -> Option<String> {
    let Expect::Passed(reasons) = row.expect else { return None };
    if runner == Runner::Real {
        return None;
    }
    let log = entries(&world.sandbox);
    let said = log.iter().filter(|entry| entry.outcome == "passthrough");
    let mut said = said.filter_map(|entry| entry.reason.as_deref());
    (!said.any(|reason| reasons.split('|').any(|one| one == reason)))
        .then(|| format!("the reason {reasons} is not in the log: {log:?}"))
}

/// What differs. `may_hit`: packages may be given by a path outside apt's archives, so that these stay empty, and apt does not count what it has fetched.
fn differences(real: &Effect, other: &Effect, requests: Requests, may_hit: bool) -> Vec<String> {
    let mut found = Vec::new();
    if other.finished.timed_out {
        found.push("it did not end in time".to_owned());
    }
    let mut differ = |what: &str, real: &[String], other: &[String]| {
        if real != other {
            found.push(format!("{what} is\n{}\n    the real tool's is\n{}", indent(other), indent(real)));
        }
    };
    let code = |effect: &Effect| vec![effect.finished.code.to_string()];
    differ("exit status", &code(real), &code(other));
    let stdout = |effect: &Effect| {
        let mut lines = said(&effect.finished.stdout);
        lines.retain(|line| !(may_hit && line.starts_with("Fetched ")));
        lines
    };
    differ("stdout", &stdout(real), &stdout(other));
    differ("stderr, sorted,", &sorted(&real.finished.stderr), &sorted(&other.finished.stderr));
    if requests == Requests::Same {
        differ("what the origin was asked", &real.requests, &other.requests);
    }
    let mut picture = other.state.picture.differences(&real.state.picture);
    picture.retain(|line| !(may_hit && line.starts_with("archives: - ") && line.contains(".deb ")));
    differ("what is beside (+) or missing (-) in the root", &[], &picture);
    for ((place, real), (_, other)) in real.state.trees.iter().zip(&other.state.trees) {
        trees(&mut differ, place, real, other);
    }
    found
}

fn trees(differ: &mut impl FnMut(&str, &[String], &[String]), place: &str, real: &Tree, other: &Tree) {
    let text = |tree: &Tree, path: &Path| match tree.0.get(path) {
        None => vec!["(not there)".to_owned()],
        Some(Entry { kind: Kind::File(bytes), mode, stamp, .. }) if bytes.len() < 2000 => {
            vec![format!("{mode:04o} {stamp:?}"), String::from_utf8_lossy(bytes).into_owned()]
        }
        Some(entry) => vec![format!("{entry:?}")],
    };
    let paths: BTreeSet<_> = real.0.keys().chain(other.0.keys()).collect();
    for path in paths.into_iter().filter(|path| real.0.get(*path) != other.0.get(*path)).take(8) {
        differ(&format!("{place}{}", path.display()), &text(real, path), &text(other, path));
    }
}

fn indent(lines: &[String]) -> String {
    let text: String = lines.join("\n").chars().take(2500).collect();
    text.lines().map(|line| format!("        {line}")).collect::<Vec<_>>().join("\n")
}

fn report(row: &Row, name: &str, real: &Effect, other: &Effect, found: &[String]) -> String {
    let stderr = |effect: &Effect| indent(&[effect.finished.stderr_text()]);
    format!(
        "== {row}\n   [{name}] ({:?})\n  - {}\n  real stderr:\n{}\n  its stderr:\n{}\n",
        row.expect,
        found.join("\n  - "),
        stderr(real),
        stderr(other),
    )
}
