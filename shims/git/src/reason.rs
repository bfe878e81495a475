//! Why a call, or a repository, is left to the real git. Each reason is counted by its name.

use std::fmt;

/// A reason's kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    Credentials,
    Equals,
    Foreign,
    Lfs,
    Local,
    NoHelper,
    Protocol,
    RemoteAdd,
    ServerOption,
    ShellAlias,
    UnknownOption,
    User,
}

impl Code {
    /// All, for lists.
    pub(crate) const ALL: [Code; 12] = [
        Code::Credentials,
        Code::Equals,
        Code::Foreign,
        Code::Lfs,
        Code::Local,
        Code::NoHelper,
        Code::Protocol,
        Code::RemoteAdd,
        Code::ServerOption,
        Code::ShellAlias,
        Code::UnknownOption,
        Code::User,
    ];

    /// As it is counted.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Code::Credentials => "git-credentials",
            Code::Equals => "git-url-equals",
            Code::Foreign => "git-foreign-helper",
            Code::Lfs => "git-lfs",
            Code::Local => "git-local",
            Code::NoHelper => "git-no-helper",
            Code::Protocol => "git-protocol",
            Code::RemoteAdd => "git-remote-add",
            Code::ServerOption => "git-server-option",
            Code::ShellAlias => "git-shell-alias",
            Code::UnknownOption => "git-unknown-option",
            Code::User => "git-ssh-user",
        }
    }

    /// One line for people.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Code::Credentials => {
                "credentials in the URL, or an `http.extraHeader`: what only some may read is not shared"
            }
            Code::Equals => "a URL with `=`, which git's command line can't take as the name of a remote",
            Code::Foreign => "the remote has a helper of its own",
            Code::Lfs => "content of LFS",
            Code::Local => "a repository on this machine",
            Code::NoHelper => "`git-remote-vcache` is not in PATH",
            Code::Protocol => "`protocol.*` is configured, and only the real git may apply it",
            Code::RemoteAdd => "`git remote add -f` fetches from a remote that is not there yet",
            Code::ServerOption => "an option by which the server's answer may be another one",
            Code::ShellAlias => "an alias for a shell command",
            Code::UnknownOption => "an option of clone that is not known: what is checked out can't be told",
            Code::User => "ssh as another user than `git`: whose repository it is depends on who asks",
        }
    }
}

/// Why.
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
