//! Pushes that come to us, by a hook or a script inside a call whose remotes we serve: the real git does them, and we hand on what it says of each ref.

use std::process::Stdio;

use crate::failure::Failure;
use crate::git::{Git, GitError};
use crate::origin;
use crate::state::is_peeled;

/// What the remote has now, as `list for-push` wants it (gitremote-helpers(7)).
pub(crate) fn list(git: &Git, url: &str) -> Result<String, Failure> {
    let state = origin::list(git, url)?;
    let refs = state.refs.iter().filter(|(name, _)| name.starts_with("refs/") && !is_peeled(name));
    Ok(refs.map(|(name, id)| format!("{id} {name}\n")).collect::<String>() + "\n")
}

/// Pushes these refspecs; the answer has a line for each. Its hook has been run by the git that asks us.
pub(crate) fn push(git: &Git, url: &str, refspecs: &[String]) -> Result<String, Failure> {
    let mut args = origin::as_is(url);
    args.extend(["push", "--porcelain", "--no-verify", "--", url].map(str::to_owned));
    args.extend_from_slice(refspecs);
    let mut command = git.here(&args);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(GitError::NotRun)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(refspecs.iter().map(|refspec| answer(refspec, &said)).collect::<String>() + "\n")
}

/// What `git push --porcelain` (git-push(1), OUTPUT) says of the destination of a refspec.
fn answer(refspec: &str, said: &str) -> String {
    let to = refspec.rsplit(':').next().unwrap_or_default();
    let mut lines = said.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let line = lines.find(|parts| parts.get(1).is_some_and(|names| names.rsplit(':').next() == Some(to)));
    match line.as_deref() {
        Some(["!", _, why, ..]) => format!("error {to} {why}\n"),
        Some(_) => format!("ok {to}\n"),
        None => format!("error {to} git push did not get that far\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ref_gets_its_answer() {
        let said = "To http://h/a\n*\tHEAD:refs/heads/a\t[new branch]\n!\trefs/heads/b:refs/heads/b\t[rejected] (fetch first)\nDone\n";
        assert_eq!(answer("HEAD:refs/heads/a", said), "ok refs/heads/a\n");
        assert_eq!(
            answer("+refs/heads/b:refs/heads/b", said),
            "error refs/heads/b [rejected] (fetch first)\n"
        );
        assert!(answer("x:refs/heads/c", said).starts_with("error refs/heads/c "));
    }
}
