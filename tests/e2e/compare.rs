//! Two runs of one call, compared.

use vcache_testkit::{Finished, Request, Tree};

/// Everything that a run left.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) finished: Finished,
    pub(crate) work: Tree,
    pub(crate) home: Tree,
    pub(crate) tmp: Tree,
    pub(crate) requests: Vec<Request>,
}

/// What of two effects must be equal beside exit status and trees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scope {
    pub(crate) requests: bool,
    pub(crate) stdout: bool,
}

/// What differs, a line each; empty when the shim did what the real tool does.
pub(crate) fn differences(real: &Effect, shim: &Effect, scope: Scope) -> Vec<String> {
    let mut found = Vec::new();
    if shim.finished.timed_out {
        found.push("it did not end in time".to_owned());
    }
    if real.finished.code != shim.finished.code {
        found.push(format!("exit status {}, the real tool's is {}", shim.finished.code, real.finished.code));
    }
    if scope.stdout && real.finished.stdout != shim.finished.stdout {
        found.push(format!(
            "stdout is {}, the real tool's is {}",
            brief(&shim.finished.stdout),
            brief(&real.finished.stdout)
        ));
    }
    trees(&mut found, "", &real.work, &shim.work);
    trees(&mut found, "~/", &real.home, &shim.home);
    trees(&mut found, "$TMPDIR/", &real.tmp, &shim.tmp);
    if scope.requests {
        let (expected, got) = (wire(&real.requests), wire(&shim.requests));
        if expected != got {
            found.push(format!("requests {got:#?}, the real tool's are {expected:#?}"));
        }
    }
    found
}

fn trees(found: &mut Vec<String>, place: &str, real: &Tree, shim: &Tree) {
    for (path, entry) in &real.0 {
        match shim.0.get(path) {
            None => found.push(format!("{place}{} is missing", path.display())),
            Some(other) if other != entry => {
                found.push(format!("{place}{} is {other:?}, the real tool's is {entry:?}", path.display()));
            }
            Some(_) => {}
        }
    }
    for path in shim.0.keys().filter(|path| !real.0.contains_key(*path)) {
        found.push(format!("{place}{} is there too", path.display()));
    }
}

/// What of a request another program would see; sorted, since parallel transfers have no order.
fn wire(requests: &[Request]) -> Vec<String> {
    let mut lines: Vec<String> = requests
        .iter()
        .map(|request| {
            // The boundary of a form's parts is drawn by lot.
            let fixed = |header: &&(String, String)| !header.1.starts_with("multipart/");
            let headers: Vec<String> = request
                .headers
                .iter()
                .filter(fixed)
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            format!("{} {} [{}] +{}", request.method, request.target, headers.join(", "), request.body)
        })
        .collect();
    lines.sort();
    lines
}

fn brief(bytes: &[u8]) -> String {
    if bytes.len() <= 200 {
        format!("{:?}", String::from_utf8_lossy(bytes))
    } else {
        format!("{} bytes, md5 {}", bytes.len(), vcache_testkit::md5_hex(bytes))
    }
}
