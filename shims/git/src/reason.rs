//! Why a call, or a repository, is left to the real git. Each reason is counted by its name.

use std::fmt;

vcache_shim::codes! {
    /// The reasons why the real git does it by itself.
    Credentials, "git-credentials", "credentials in the URL, `http.extraHeader` or `http.cookieFile`: what only some may read is not shared";
    Equals, "git-url-equals", "a URL with `=`, which git's command line can't take as the name of a remote";
    Foreign, "git-foreign-helper", "the remote has a helper of its own";
    Fragment, "git-url-fragment", "a URL with `#`, of which git asks for another repository or path";
    Lfs, "git-lfs", "content of LFS";
    Local, "git-local", "a repository on this machine, or a relative URL that leads nowhere else";
    NoHelper, "git-no-helper", "`git-remote-vcache` is neither in PATH nor beside the shim";
    NoRemote, "git-no-remote", "no remote is named or configured";
    Protocol, "git-protocol", "the protocol of a remote is allowed or refused by the configuration, which only the real git may apply";
    RemoteAdd, "git-remote-add", "`git remote add -f` fetches from a remote that is not there yet";
    ServerOption, "git-server-option", "an option by which the server's answer may be another one";
    ShellAlias, "git-shell-alias", "an alias for a shell command";
    Trouble, "git-trouble", "the call could not be prepared: no temporary file, or git can't be started";
    Unborn, "git-unborn", "a repository without commits, or without a `HEAD`: only the origin tells what is checked out";
    UnknownOption, "git-unknown-option", "an option of clone that is not known: what is checked out can't be told";
    User, "git-ssh-user", "ssh as another user than `git`: whose repository it is depends on who asks";
}

/// A reason, and what it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reason {
    pub(crate) code: Code,
    /// The word, or the trouble.
    pub(crate) detail: String,
}

impl Reason {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Reason {
        Reason { code, detail: vcache_store::public_url(&detail.into()) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = self.code.help();
        if self.detail.is_empty() { f.write_str(help) } else { write!(f, "{help}: {}", self.detail) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert!(Code::ALL[..at].iter().all(|other| other.name() != code.name()), "{}", code.name());
        }
    }
}
