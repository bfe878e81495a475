//! Objects into git's repository: the packs of the cache as they are where it has nothing yet, else by the real `git fetch-pack`.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::bare::Bare;
use crate::failure::Failure;
use crate::git::{GitError, fed};
use crate::reason::Code;
use crate::serve::{Server, Want};
use crate::state::{is_general, is_peeled};

impl Server<'_> {
    /// Puts what git wants into its repository. Returns the lines that it is to be told.
    pub(crate) fn give(&mut self, wants: &[Want]) -> Result<String, Failure> {
        if self.left.is_some() {
            return self.pass_on(wants);
        }
        self.ensure(wants)?;
        self.given = true;
        let bare = self.bare.as_ref().expect("`ensure` has put it together");
        if self.options.reject_shallow && !bare.shallow().is_empty() && !self.options.is_shallow() {
            // The real git says it by itself, where it is run.
            if self.may_be_done_anew() {
                return Err(Failure::Silent);
            }
            return Err(GitError::Shallow.into());
        }
        self.show(bare, wants)?;
        let lines = match self.empty_packs(wants, bare) {
            Some(folder) => {
                bare.give(&folder)?;
                if self.options.check_connectivity { "connectivity-ok\n".to_owned() } else { String::new() }
            }
            None => self.fetch_pack(&bare.path().display().to_string(), wants)?,
        };
        Ok(lines)
    }

    /// What is not shared comes as the real git has it.
    fn pass_on(&self, wants: &[Want]) -> Result<String, Failure> {
        let path = self.url.strip_prefix("file://").unwrap_or(&self.url);
        let file = self.cached.host().cwd().join(path);
        if self.left == Some(Code::Local) && file.is_file() {
            // No repository, but a bundle of one.
            let mut command = self.git.here(["bundle".as_ref(), "unbundle".as_ref(), file.as_os_str()]);
            fed(&mut command, String::new()).map_err(|_| Failure::Silent)?;
            return Ok(String::new());
        }
        self.fetch_pack(&self.url, wants)
    }

    /// Puts all that heads and tags lead to into a repository, for whoever reads it there.
    pub(crate) fn whole(&mut self) -> Result<PathBuf, Failure> {
        let refs = self.view.refs.iter().filter(|(name, _)| is_general(name) && !is_peeled(name));
        let wants: Vec<Want> = refs.map(|(name, id)| Want { id: id.clone(), name: name.clone() }).collect();
        self.ensure(&wants)?;
        self.given = true;
        let bare = self.bare.as_ref().expect("`ensure` has put it together");
        self.show(bare, &[])?;
        bare.set_head(self.view.head.as_deref())?;
        Ok(bare.path().to_owned())
    }

    /// The folder of packs of a repository that has nothing yet, and is to have all branches: it can have our packs as they are.
    fn empty_packs(&self, wants: &[Want], bare: &Bare) -> Option<PathBuf> {
        let host = self.cached.host();
        let objects = host.cwd().join(host.env("GIT_DIR")?).join("objects");
        let wanted: HashSet<&str> = wants.iter().map(|want| want.id.as_str()).collect();
        let mut heads = self.view.refs.iter().filter(|(name, _)| name.starts_with("refs/heads/"));
        let is_all = self.options.cloning
            && self.options.is_plain()
            && heads.all(|(_, id)| wanted.contains(id.as_str()));
        let has_others =
            host.env("GIT_OBJECT_DIRECTORY").is_some() || objects.join("info/alternates").exists();
        let folder = objects.join("pack");
        let is_empty = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
        (is_all && !has_others && is_empty && bare.shallow().is_empty()).then_some(folder)
    }

    /// Has the real git take over objects from a repository (git-fetch-pack(1)).
    fn fetch_pack(&self, from: &str, wants: &[Want]) -> Result<String, Failure> {
        match self.try_fetch_pack(&[], from, wants) {
            // Before 2.21 `fetch-pack` knows no protocol 2, which the user may have set.
            Err(Failure::Silent) if self.left.is_none() => {
                self.try_fetch_pack(&["-c", "protocol.version=0"], from, wants)
            }
            done => done,
        }
    }

    fn try_fetch_pack(&self, version: &[&str], from: &str, wants: &[Want]) -> Result<String, Failure> {
        let begin = version.iter().chain(&["fetch-pack", "--stdin", "--thin", "--lock-pack"]);
        let mut args: Vec<String> = begin.map(|word| (*word).to_owned()).collect();
        args.extend(self.options.of_fetch_pack());
        args.push(from.to_owned());
        let mut command = self.git.here(&args);
        if self.left.is_none() {
            // It is our own repository that is read, on nobody's word.
            command.env("GIT_ALLOW_PROTOCOL", "file").env_remove("GIT_PROTOCOL_FROM_USER");
        }
        // `HEAD` of a repository of ours is nothing.
        let asked =
            wants.iter().map(|Want { id, name }| match name.starts_with("refs/") || self.left.is_some() {
                true if id != name => format!("{id} {name}\n"),
                _ => format!("{id}\n"),
            });
        let text = fed(&mut command, asked.collect()).map_err(|error| match error {
            // Its standard error is git's.
            GitError::Failed { .. } => Failure::Silent,
            error => error.into(),
        })?;
        let ours = |line: &&str| line.starts_with("lock ") || *line == "connectivity-ok";
        Ok(text.lines().filter(ours).map(|line| format!("{line}\n")).collect())
    }
}
