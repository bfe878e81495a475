//! The legs of a row: the real git; the shim with a cold cache; the shim with a warm one and the origin there, stopped, and out of
//! reach since the network is cut.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use vcache_testkit::{Entry, Finished, GitOrigin, Kind, Need, Run, Sandbox, Tree, missing};

use super::row::{Expect, Row, Words};
use super::state::{OBJECTS, State};
use crate::{entries, split_words};

/// Who runs a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Runner {
    Real,
    /// With version control: an unpinned call asks the origin first.
    Controlled,
    /// With the cache alone.
    Plain,
    /// With the cache alone and no network device.
    Cut,
}

/// One run of a row.
struct Effect {
    finished: Finished,
    state: State,
    packs: Vec<String>,
    /// What the origin was asked, in rows that only it can answer.
    requests: Vec<String>,
}

struct Bench {
    sandbox: Sandbox,
    origin: GitOrigin,
    can_cut: bool,
    only_leg: String,
}

/// Runs each row through its legs. `VCACHE_TEST_ROW` picks the rows whose line contains it, `VCACHE_TEST_LEG` the legs of this name.
///
/// # Panics
/// When anything differed, with all that did.
pub fn check(rows: Vec<Row>) {
    if missing("rows of git", &GitOrigin::NEEDS) {
        return;
    }
    let only_leg = std::env::var("VCACHE_TEST_LEG").unwrap_or_default();
    let can_cut = !missing("the legs without a network", &[Need::NetworkNamespace]);
    let mut bench = Bench { sandbox: Sandbox::new(), origin: GitOrigin::start(), can_cut, only_leg };
    let mut failures = Vec::new();
    let only = std::env::var("VCACHE_TEST_ROW").unwrap_or_default();
    let count = rows.len();
    let minor = bench.minor();
    for row in rows.iter().filter(|row| row.line.contains(&only) && row.since <= minor) {
        let before = failures.len();
        bench.row(row, &mut failures);
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

impl Bench {
    fn row(&mut self, row: &Row, failures: &mut Vec<String>) {
        self.sandbox.clear();
        let real = self.run(row, Runner::Real, true);
        let mut once = real.packs.clone();
        once.dedup();
        if let Some(given) = &row.packs {
            once = given.iter().map(|name| (*name).to_owned()).collect();
        }
        let none: &[String] = &[];
        let legs: &[(&str, Runner, bool, Option<&[String]>)] = match row.expect {
            Expect::Live | Expect::Passed(_) => {
                &[("cold", Runner::Controlled, true, None), ("again", Runner::Controlled, true, None)]
            }
            Expect::Local => &[
                ("cold", Runner::Controlled, true, Some(&real.packs)),
                ("origin stopped", Runner::Plain, false, Some(&real.packs)),
            ],
            Expect::Cached => &[
                ("cold", Runner::Controlled, true, Some(&once)),
                ("warm, origin stopped", Runner::Plain, false, Some(none)),
                ("warm, network cut", Runner::Cut, false, Some(none)),
            ],
        };
        for (name, runner, up, packs) in legs {
            if *runner == Runner::Cut && !self.can_cut || !self.only_leg.is_empty() && self.only_leg != *name
            {
                continue;
            }
            let effect = self.run(row, *runner, *up);
            let mut found = differences(row, &real, &effect, *packs);
            found.extend(self.unsaid(row));
            if !found.is_empty() {
                failures.push(report(row, name, &real, &effect, &found));
            }
        }
    }

    /// Of `git version 2.47.3` 47.
    fn minor(&self) -> u32 {
        let version = self.sandbox.real(["git", "--version"]).finish();
        let text = String::from_utf8_lossy(&version.stdout).into_owned();
        text.split('.').nth(1).and_then(|minor| minor.parse().ok()).expect("git tells its version")
    }

    /// The reason for which a row is left alone is to be counted.
    fn unsaid(&self, row: &Row) -> Option<String> {
        let Expect::Passed(reasons) = row.expect else { return None };
        let log = entries(&self.sandbox);
        let said = log.iter().filter(|entry| entry.outcome == "passthrough");
        let mut said = said.filter_map(|entry| entry.reason.as_deref());
        (!said.any(|reason| reasons.split('|').any(|one| one == reason)))
            .then(|| format!("the reason {reasons} is not in the log: {log:?}"))
    }

    /// Prepares a row and runs it, to its end or to the first command that fails.
    fn run(&mut self, row: &Row, runner: Runner, up: bool) -> Effect {
        self.origin.resume();
        self.sandbox.clear_work();
        for line in &row.before {
            for words in self.commands(line) {
                self.fixed(self.sandbox.real(words), row).finish().expect_code(0);
            }
        }
        if !up {
            self.origin.stop();
        }
        self.origin.take_packs();
        let is_live = row.expect == Expect::Live;
        if is_live {
            self.origin.take_requests();
        }
        let since = SystemTime::now();
        let mut finished: Option<Finished> = None;
        for words in self.commands(row.line) {
            let run = match runner {
                Runner::Real => self.sandbox.real(words),
                Runner::Controlled => self.sandbox.shim(words),
                Runner::Plain => self.sandbox.shim(words).env_remove("SONIC_VERSION_CONTROL_COMPONENTS"),
                Runner::Cut => {
                    self.sandbox.shim(words).env_remove("SONIC_VERSION_CONTROL_COMPONENTS").cut_network()
                }
            };
            let step = self.fixed(run, row).finish();
            let all = match finished.take() {
                None => step,
                Some(mut all) => {
                    all.stdout.extend(step.stdout);
                    all.stderr.extend(step.stderr);
                    Finished { code: step.code, timed_out: step.timed_out, ..all }
                }
            };
            let stop = all.code != 0;
            finished = Some(all);
            if stop {
                break;
            }
        }
        let finished = finished.expect("a row has a command");
        let packs = self.origin.take_packs();
        let requests = if is_live { self.origin.take_requests() } else { Vec::new() };
        let state = State::read(&self.sandbox, since, &row.ignored);
        Effect { finished, state, packs, requests }
    }

    /// Fixes what would differ from run to run, and keeps the machine's configuration away.
    fn fixed(&self, run: Run, row: &Row) -> Run {
        let who = ["AUTHOR", "COMMITTER"].iter().fold(run, |run, role| {
            run.env(&format!("GIT_{role}_NAME"), "Test")
                .env(&format!("GIT_{role}_EMAIL"), "test@example.com")
                .env(&format!("GIT_{role}_DATE"), "1580000000 +0000")
        });
        let run = who.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        row.env.iter().fold(run, |run, (name, value)| run.env(name, self.filled_in(value)))
    }

    fn commands(&self, line: &str) -> Vec<Vec<String>> {
        let words: Vec<String> = split_words(line).iter().map(|word| self.filled_in(word)).collect();
        words.split(|word| word == "&&").map(<[String]>::to_vec).collect()
    }

    fn filled_in(&self, word: &str) -> String {
        let http = self.origin.http();
        let work = self.sandbox.work();
        let mut text = word
            .replace("{h}", &http)
            .replace("{H}", http.trim_start_matches("http://"))
            .replace("{g}", &self.origin.git())
            .replace("{s}", self.origin.ssh().to_str().expect("temporary paths are text"))
            .replace("{r}", self.origin.root().to_str().expect("temporary paths are text"))
            .replace("{w}", work.to_str().expect("temporary paths are text"));
        while let Some(begin) = text.find("{id:") {
            let end = begin + text[begin..].find('}').expect("a placeholder is closed");
            let (repository, revision) = text[begin + 4..end].split_once(':').expect("REPOSITORY:REVISION");
            let id = self.origin.id(repository, revision);
            text.replace_range(begin..=end, &id);
        }
        text
    }
}

fn differences(row: &Row, real: &Effect, shim: &Effect, packs: Option<&[String]>) -> Vec<String> {
    let mut found = Vec::new();
    if shim.finished.timed_out {
        found.push("it did not end in time".to_owned());
    }
    let mut differ = |what: &str, real: &str, shim: &str| {
        if real != shim {
            found.push(format!("{what} is\n{}\n    the real git's is\n{}", indent(shim), indent(real)));
        }
    };
    differ("exit status", &real.finished.code.to_string(), &shim.finished.code.to_string());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    differ("stdout", &text(&real.finished.stdout), &text(&shim.finished.stdout));
    let (expected, got) = (said(&real.finished), said(&shim.finished));
    let last = |lines: &[String]| lines.last().cloned().unwrap_or_default();
    if row.words != Words::Any {
        differ("the last line of stderr", &last(&expected), &last(&got));
    }
    if row.words == Words::All {
        differ("stderr, sorted,", &sorted(expected), &sorted(got));
    }
    let is_right = |packs: &[String]| match &row.packs {
        Some(_) => within(&shim.packs, packs),
        None => shim.packs == packs,
    };
    if let Some(packs) = packs.filter(|packs| !is_right(packs)) {
        let own = format!("{} (its own: {})", packs.join(" "), real.packs.join(" "));
        differ("packs made at the origin", &own, &shim.packs.join(" "));
    }
    let asked = |effect: &Effect| if effect.requests.is_empty() { "nothing" } else { "something" };
    differ("what the origin was asked", asked(real), asked(shim));
    if real.finished.code != shim.finished.code {
        // Whatever else differs follows from that.
        return found;
    }
    let none = Vec::new();
    let folders: BTreeSet<_> = real.state.facts.keys().chain(shim.state.facts.keys()).collect();
    for folder in folders {
        let facts = |effect: &Effect| effect.state.facts.get(folder).unwrap_or(&none).clone();
        for (real, shim) in facts(real).iter().zip(&facts(shim)) {
            if real.0 != OBJECTS || row.same_objects {
                differ(&format!("{}: {}", folder.display(), real.0), &real.1, &shim.1);
            }
        }
    }
    for (place, real, shim) in [
        ("", &real.state.work, &shim.state.work),
        ("~/", &real.state.home, &shim.state.home),
        ("$TMPDIR/", &real.state.tmp, &shim.state.tmp),
    ] {
        trees(&mut differ, place, real, shim);
    }
    found.dedup();
    found
}

fn trees(differ: &mut impl FnMut(&str, &str, &str), place: &str, real: &Tree, shim: &Tree) {
    let text = |tree: &Tree, path: &Path| match tree.0.get(path) {
        None => "(not there)".to_owned(),
        Some(Entry { kind: Kind::File(bytes), mode, .. }) if bytes.len() < 2000 => {
            format!("{mode:04o}\n{}", String::from_utf8_lossy(bytes))
        }
        Some(entry) => format!("{entry:?}"),
    };
    let paths: BTreeSet<_> = real.0.keys().chain(shim.0.keys()).collect();
    let different: Vec<_> = paths.into_iter().filter(|path| real.0.get(*path) != shim.0.get(*path)).collect();
    for path in different.iter().take(8) {
        differ(&format!("{place}{}", path.display()), &text(real, path), &text(shim, path));
    }
    if different.len() > 8 {
        differ(&format!("{place}* (more files)"), "as it is", &format!("different in {}", different.len()));
    }
}

/// Whether `some` are among `all`, none more often.
fn within(some: &[String], all: &[String]) -> bool {
    let count = |list: &[String], name| list.iter().filter(|other| *other == name).count();
    some.iter().all(|name| count(some, name) <= count(all, name))
}

/// What git itself wrote to standard error, without what progress overwrites.
fn said(finished: &Finished) -> Vec<String> {
    let text = finished.stderr_text().replace('\r', "\n");
    // Progress that takes long is shown to anyone.
    let own = |line: &&str| !line.trim().is_empty() && !line.starts_with("vcache: ") && !line.contains("% (");
    text.lines().filter(own).map(timeless).collect()
}

/// Without the time that curl has waited for a connection.
fn timeless(line: &str) -> String {
    match line.split_once(" after ") {
        Some((before, after)) if after.contains(" ms: ") => {
            format!("{before} after {}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => line.to_owned(),
    }
}

fn sorted(mut lines: Vec<String>) -> String {
    lines.sort();
    lines.join("\n")
}

fn indent(text: &str) -> String {
    let short: String = text.chars().take(1500).collect();
    short.lines().map(|line| format!("        {line}")).collect::<Vec<_>>().join("\n")
}

fn report(row: &Row, name: &str, real: &Effect, shim: &Effect, found: &[String]) -> String {
    format!(
        "== {}\n   [{name}] ({:?})\n  - {}\n  real stderr:\n{}\n  shim's stderr:\n{}\n",
        row,
        row.expect,
        found.join("\n  - "),
        indent(&real.finished.stderr_text()),
        indent(&shim.finished.stderr_text()),
    )
}
