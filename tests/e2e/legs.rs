//! The legs of a row: the real tool, then the shim cold and warm, pinned and not, with and without a network.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vcache_testkit::{Need, Origin, Run, Sandbox, Tree, md5_hex, missing, sha256_hex};

use crate::compare::{Effect, Scope, differences};
use crate::journal::entries;
use crate::row::{Content, Expect, Row, Setup};

/// A URL with what it leads to, and whether an ordinary GET brought all of it.
struct Pin {
    url: String,
    content: Arc<Vec<u8>>,
    fetched: bool,
}

/// Who runs a leg, and over what network.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runner {
    Real,
    Shim,
    ShimCut,
}

struct Bench {
    sandbox: Sandbox,
    origin: Origin,
    can_cut: bool,
}

/// Runs each row through its legs.
///
/// # Panics
/// When anything differed, with all that did.
pub fn check(rows: Vec<Row>) {
    let can_cut = !missing("the legs without a network", &[Need::NetworkNamespace]);
    let mut bench = Bench { sandbox: Sandbox::new(), origin: Origin::start(), can_cut };
    let mut failures = Vec::new();
    let count = rows.len();
    let only = std::env::var("VCACHE_TEST_ROW").unwrap_or_default();
    for (number, row) in rows.into_iter().enumerate() {
        if row.words.join(" ").contains(&only) {
            let before = failures.len();
            bench.row(&row, number, &mut failures);
            if failures.len() > before {
                eprintln!("row {number} differs: {}", row.words.join(" "));
            }
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
    fn row(&mut self, row: &Row, number: usize, failures: &mut Vec<String>) {
        self.origin.resume();
        self.sandbox.clear();
        let real = self.run(row, Runner::Real);
        let pins = self.pins(row, &real);
        let leg = Leg { row, real: &real, pins: &pins, md5: number.is_multiple_of(2) };
        if real.finished.timed_out {
            failures.push(leg.report("real tool", &real, &["the real tool did not end in time".to_owned()]));
            return;
        }
        if row.pins && !pins.is_empty() {
            self.states(&leg, true, failures);
        }
        self.states(&leg, false, failures);
        if row.cross && row.expect == Expect::Cached && !pins.is_empty() {
            self.crossed(&leg, failures);
        }
    }

    /// Cold, then whatever follows from the expectation; with the pins in force or without any.
    fn states(&mut self, leg: &Leg, pinned: bool, failures: &mut Vec<String>) {
        let state = if pinned { "pinned" } else { "unpinned" };
        self.origin.resume();
        self.prepare(leg, pinned);
        let cold = self.run(leg.row, Runner::Shim);
        // Of several calls in a row a later one may be answered by what an earlier one has brought.
        let requests = leg.row.expect != Expect::Warm;
        leg.compare(&format!("{state}, cold"), &cold, requests, failures);
        leg.reason(&format!("{state}, cold"), &cold, &self.sandbox, failures);
        match leg.row.expect {
            Expect::Cached => {
                if !pinned {
                    leg.recorded(&cold, &self.sandbox, failures);
                }
                self.warm(leg, state, pinned, failures);
            }
            Expect::Warm if pinned => self.warm(leg, state, true, failures),
            Expect::Warm => {}
            Expect::Uncached(_) => self.stopped(leg, state, failures),
            Expect::Live => {
                let again = self.run(leg.row, Runner::Shim);
                leg.compare(&format!("{state}, again"), &again, true, failures);
                self.stopped(leg, state, failures);
            }
            Expect::Any => {
                let again = self.run(leg.row, Runner::Shim);
                leg.compare(&format!("{state}, again"), &again, false, failures);
            }
        }
    }

    fn warm(&mut self, leg: &Leg, state: &str, pinned: bool, failures: &mut Vec<String>) {
        if !pinned && !leg.row.floating_offline {
            return;
        }
        if !leg.row.fill.is_empty() {
            self.prepare(leg, pinned);
            for line in &leg.row.fill {
                self.sandbox.clear_work();
                let words = crate::split_words(&self.filled_in(line));
                let filled = self.sandbox.shim(&words).finish();
                assert_eq!(filled.code, 0, "filling the cache by `{line}`: {}", filled.stderr_text());
            }
        }
        self.origin.stop();
        let stopped = self.run(leg.row, Runner::Shim);
        leg.compare(&format!("{state}, warm, origin stopped"), &stopped, false, failures);
        if pinned {
            leg.only_hits(&stopped, &self.sandbox, failures);
        }
        if self.can_cut {
            let cut = self.run(leg.row, Runner::ShimCut);
            leg.compare(&format!("{state}, warm, network cut"), &cut, false, failures);
        }
    }

    /// With the origin stopped, the shim fails as the real tool does.
    fn stopped(&mut self, leg: &Leg, state: &str, failures: &mut Vec<String>) {
        if !leg.row.floating_offline {
            return;
        }
        self.origin.stop();
        let real = self.run(leg.row, Runner::Real);
        let shim = self.run(leg.row, Runner::Shim);
        let name = format!("{state}, origin stopped");
        leg.against(&real, &name, &shim, true, failures);
        leg.reason(&name, &shim, &self.sandbox, failures);
    }

    /// The cache is filled by an ordinary call of the other tool, elsewhere.
    fn crossed(&mut self, leg: &Leg, failures: &mut Vec<String>) {
        self.origin.resume();
        self.prepare(leg, true);
        let wget = leg.row.words.iter().any(|word| word.contains("wget"));
        for pin in leg.pins {
            let target = self.sandbox.tmp().join("fill");
            let target = target.to_str().expect("temporary paths are text");
            let argv = if wget {
                ["curl", "-gsfLR", "-o", target, &pin.url]
            } else {
                ["wget", "-q", "-O", target, &pin.url]
            };
            self.sandbox.shim(argv).finish().expect_code(0);
        }
        self.origin.stop();
        let effect = self.run(leg.row, Runner::Shim);
        leg.compare("pinned, warmed by the other tool, origin stopped", &effect, false, failures);
    }

    fn prepare(&self, leg: &Leg, pinned: bool) {
        self.sandbox.clear();
        if pinned {
            self.sandbox.pin_web(&leg.version_file());
        }
    }

    /// Sets the row's files up and runs it.
    fn run(&self, row: &Row, runner: Runner) -> Effect {
        self.sandbox.clear_work();
        row.setup.iter().for_each(|setup| self.set_up(setup));
        let words: Vec<String> = row.words.iter().map(|word| self.filled_in(word)).collect();
        let mut run: Run = match runner {
            Runner::Real => self.sandbox.real(&words),
            Runner::Shim => self.sandbox.shim(&words),
            Runner::ShimCut => self.sandbox.shim(&words).cut_network(),
        };
        run = row.env.iter().fold(run, |run, (name, value)| run.env(name, self.filled_in(value)));
        if let Some(text) = &row.stdin {
            run = run.stdin(self.filled_in(text));
        }
        self.origin.take_log();
        let since = SystemTime::now();
        let finished = run.finish();
        let mut work = Tree::read(&self.sandbox.work(), since);
        row.blurred.iter().for_each(|path| work.blur(path));
        Effect {
            finished,
            work,
            home: Tree::read(&self.sandbox.home(), since),
            tmp: Tree::read(&self.sandbox.tmp(), since),
            requests: self.origin.take_log(),
        }
    }

    fn set_up(&self, setup: &Setup) {
        let root = self.sandbox.root();
        match setup {
            Setup::File(path, content, seconds, mode) => {
                let bytes = match content {
                    Content::Text(text) => self.filled_in(text).into_bytes(),
                    Content::Of(of, None) => self.origin.content(of).to_vec(),
                    Content::Of(of, Some(count)) => self.origin.content(of)[..*count].to_vec(),
                };
                let path = self.sandbox.write(path, &bytes);
                let file = std::fs::File::open(&path).expect("a file that was just written");
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds);
                file.set_modified(time).expect("set a file's time");
                file.set_permissions(std::fs::Permissions::from_mode(*mode)).expect("set a file's mode");
            }
            Setup::Folder(path, mode) => {
                let path = root.join(path);
                std::fs::create_dir_all(&path).expect("make a folder");
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).expect("set a mode");
            }
            Setup::Link(path, target) => symlink(target, root.join(path)).expect("make a link"),
            Setup::Hard(path, existing) => {
                std::fs::hard_link(root.join(existing), root.join(path)).expect("make a hard link");
            }
        }
    }

    fn filled_in(&self, text: &str) -> String {
        let work = self.sandbox.work();
        text.replace("{o}", &self.origin.url())
            .replace("{h}", &self.origin.host_port())
            .replace("{w}", work.to_str().expect("temporary paths are text"))
    }

    /// The URLs that the real tool asked for, each with the content at the end of its redirects.
    fn pins(&self, row: &Row, real: &Effect) -> Vec<Pin> {
        let base = self.origin.url();
        let mut starts: BTreeMap<String, String> = BTreeMap::new();
        let mut pins: Vec<Pin> = Vec::new();
        for request in
            real.requests.iter().filter(|request| ["GET", "HEAD"].contains(&request.method.as_str()))
        {
            let start = starts.get(&request.target).unwrap_or(&request.target).clone();
            if let Some(location) = &request.location {
                let next = location.strip_prefix(&base).unwrap_or(location);
                starts.insert(next.to_owned(), start);
            } else if let Some(content) = &request.content {
                let url = format!("{base}{start}");
                let fetched = request.status == 200 && request.method == "GET";
                match pins.iter_mut().find(|pin| pin.url == url) {
                    Some(pin) => pin.fetched |= fetched,
                    None => pins.push(Pin { url, content: Arc::clone(content), fetched }),
                }
            }
        }
        for path in &row.extra_pins {
            let url = format!("{base}{path}");
            if pins.iter().all(|pin| pin.url != url) {
                pins.push(Pin { url, content: self.origin.content(path), fetched: false });
            }
        }
        pins
    }
}

/// A row with what the real tool did, to compare the shim's runs with.
struct Leg<'a> {
    row: &'a Row,
    real: &'a Effect,
    pins: &'a [Pin],
    md5: bool,
}

impl Leg<'_> {
    /// The pins as a version file, in one of the two spellings.
    fn version_file(&self) -> String {
        let line = |pin: &Pin| {
            if self.md5 {
                format!("{}=={}\n", pin.url, md5_hex(&pin.content))
            } else {
                format!("{}==sha256:{}\n", pin.url, sha256_hex(&pin.content))
            }
        };
        self.pins.iter().map(line).collect()
    }

    fn compare(&self, name: &str, shim: &Effect, requests: bool, failures: &mut Vec<String>) {
        self.against(self.real, name, shim, requests, failures);
    }

    fn against(&self, real: &Effect, name: &str, shim: &Effect, requests: bool, failures: &mut Vec<String>) {
        let scope = Scope { requests, stdout: !self.row.blurred_stdout };
        let found = differences(real, shim, scope);
        if !found.is_empty() {
            let own = Leg { row: self.row, real, pins: self.pins, md5: self.md5 };
            failures.push(own.report(name, shim, &found));
        }
    }

    fn reason(&self, name: &str, shim: &Effect, sandbox: &Sandbox, failures: &mut Vec<String>) {
        let Expect::Uncached(codes) = self.row.expect else { return };
        let log = entries(sandbox);
        let named = |code: &str| codes.split('|').any(|one| one == "*" || one == code);
        let said = log
            .iter()
            .any(|entry| entry.outcome == "passthrough" && entry.reason.as_deref().is_some_and(named));
        if !said {
            failures.push(self.report(
                name,
                shim,
                &[format!("the reason {codes} is not in the log: {log:?}")],
            ));
        }
    }

    fn only_hits(&self, shim: &Effect, sandbox: &Sandbox, failures: &mut Vec<String>) {
        let log = entries(sandbox);
        if !self.pins.is_empty() && log.iter().any(|entry| entry.outcome != "hit") {
            let what = format!("a warm, pinned call is more than hits: {log:?}");
            failures.push(self.report("pinned, warm, origin stopped", shim, &[what]));
        }
    }

    fn recorded(&self, shim: &Effect, sandbox: &Sandbox, failures: &mut Vec<String>) {
        let text = sandbox.recorded_web();
        for pin in self.pins.iter().filter(|pin| pin.fetched) {
            let line = format!("{}=={}", pin.url, md5_hex(&pin.content));
            if !text.lines().any(|one| one == line) {
                let what = format!("the pin {line} is not recorded; versions-web is {text:?}");
                failures.push(self.report("unpinned, cold", shim, &[what]));
            }
        }
    }

    fn report(&self, name: &str, shim: &Effect, found: &[String]) -> String {
        let stderr = |effect: &Effect| {
            let text = effect.finished.stderr_text().replace('\r', "\n");
            let tail: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
            tail[tail.len().saturating_sub(12)..].join("\n    ")
        };
        format!(
            "== {}\n   [{name}] ({:?})\n  - {}\n  real tool's tree:\n{}  shim's tree:\n{}  real stderr:\n    {}\n  shim's stderr:\n    {}\n",
            self.row.words.join(" "),
            self.row.expect,
            found.join("\n  - "),
            self.real.work,
            shim.work,
            stderr(self.real),
            stderr(shim),
        )
    }
}
