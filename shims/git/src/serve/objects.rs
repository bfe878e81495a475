//! The objects that git wants: from the cache, else from the origin and into the cache.

use std::collections::{BTreeMap, BTreeSet};

use vcache_shim::Chain;

use super::{Server, Want};
use crate::bare::Bare;
use crate::failure::Failure;
use crate::git::GitError;
use crate::origin;
use crate::state::{Extent, Pack, State, is_general};

impl Server<'_> {
    /// Sees to it that these can be given.
    pub(crate) fn ensure(&mut self, wants: &[Want]) -> Result<(), Failure> {
        if self.bare.as_ref().is_some_and(|bare| self.missing(bare, wants).is_empty()) {
            return Ok(());
        }
        // Git names the branch that `HEAD` stands for twice.
        let names: BTreeSet<&str> = wants.iter().map(|want| want.name.as_str()).collect();
        let part = self.options.is_shallow().then(|| self.options.part(names));
        if self.find(part.as_ref(), wants) || (part.is_some() && self.find_in_other_parts(wants)) {
            return Ok(());
        }
        if self.cached.policy.offline {
            return Err(self.offline());
        }
        let lock = self.cached.lock();
        if self.find(part.as_ref(), wants) {
            return Ok(());
        }
        // A server may not give a part (a commit that no ref names); then it is all or nothing.
        if part.is_some_and(|part| self.fetch(&part, wants).is_ok()) {
            return Ok(());
        }
        let fetched = self.fetch(&Extent::Whole, wants);
        drop(lock);
        if fetched.is_err() && !self.is_current {
            // What it was thought to have is out of date: the next call is to know.
            let _ = self.ask(None);
        }
        fetched
    }

    /// Puts them at hand, if the cache has them: in a whole history or in this part of one.
    fn find(&mut self, part: Option<&Extent>, wants: &[Want]) -> bool {
        self.find_in(&Extent::Whole, wants) || part.is_some_and(|part| self.find_in(part, wants))
    }

    /// Puts them at hand, if they are in a part that was asked for to the same depth, with other refs beside.
    fn find_in_other_parts(&mut self, wants: &[Want]) -> bool {
        let depth = self.options.deepening().join(" ");
        let is_as_deep =
            |part: &Extent| matches!(part, Extent::Part { deepening, .. } if *deepening == depth);
        let parts: Vec<Extent> = self.cached.parts().into_iter().filter(is_as_deep).collect();
        parts.iter().any(|part| self.find_in(part, wants))
    }

    /// Puts them at hand, if the cache has them, or what is behind it.
    pub(crate) fn find_in(&mut self, extent: &Extent, wants: &[Want]) -> bool {
        if self.cached.store().is_none() || !(self.cached.policy.read || self.is_current) {
            return false;
        }
        let is_read = std::mem::take(&mut self.is_read) && *extent == Extent::Whole;
        let loaded = if is_read { None } else { self.cached.load(extent).map(|seen| seen.state) };
        let Some(known) = loaded.as_ref().or(is_read.then_some(&self.state)) else { return false };
        let bytes = known.bytes();
        if let Some(bare) = self.holding(extent, known, wants) {
            (self.bytes, self.bare) = (bytes, Some(bare));
            return true;
        }
        let found = self.cached.load_beyond(extent).filter(|seen| seen.state != *known);
        let mut found =
            found.filter_map(|seen| Some((self.holding(extent, &seen.state, wants)?, seen.state)));
        let Some((bare, state)) = found.next() else { return false };
        drop(found);
        if *extent == Extent::Whole {
            self.cached.keep(extent, &mut known.clone().with_packs_of(&state), None);
        }
        (self.bytes, self.bare) = (state.bytes(), Some(bare));
        true
    }

    /// The objects of a state, where these are among them.
    fn holding(&self, extent: &Extent, state: &State, wants: &[Want]) -> Option<Bare> {
        let store = self.cached.store().filter(|_| !state.packs.is_empty())?;
        // Of a part so many commits are there only behind what it was asked for.
        let is_tip = |want: &Want| want.name == want.id || state.refs.get(&want.name) == Some(&want.id);
        if *extent != Extent::Whole && !wants.iter().all(is_tip) {
            return None;
        }
        let bare = Bare::of(store, &self.git, state)
            .inspect_err(|e| self.cached.messages.warn(format_args!("{}; going on without it", Chain(e))));
        bare.ok().filter(|bare| self.missing(bare, wants).is_empty())
    }

    fn missing<'w>(&self, bare: &Bare, wants: &'w [Want]) -> Vec<&'w Want> {
        let ids = wants.iter().map(|want| want.id.as_str()).collect();
        let present = bare.present(&self.git, &ids).unwrap_or_default();
        wants.iter().filter(|want| !present.contains(&want.id)).collect()
    }

    /// Fetches them from the origin, and keeps what came.
    fn fetch(&mut self, extent: &Extent, wants: &[Want]) -> Result<(), Failure> {
        self.must_be_shared()?;
        self.fetched = true;
        let known = self.cached.load(extent).map(|seen| seen.state).unwrap_or_default();
        let of_cache = self.cached.store().map(|store| Bare::of(store, &self.git, &known));
        let (bare, packs) = match of_cache {
            Some(Ok(bare)) => (bare, known.packs),
            _ => (Bare::empty(self.cached.store())?, Vec::new()),
        };
        let is_of_cache = bare.is_of_cache();
        match self.fetch_into(bare, packs, extent, wants) {
            Err(failure) if failure.is_of_space() && is_of_cache => {
                let key = &self.cached.key;
                self.cached
                    .messages
                    .warn(format_args!("{key}: no room for it beside the cache; it is not kept"));
                self.fetch_into(Bare::temporary()?, Vec::new(), extent, wants)
            }
            done => done,
        }
    }

    /// The same, beside what the repository has by these packs.
    fn fetch_into(
        &mut self,
        bare: Bare,
        packs: Vec<Pack>,
        extent: &Extent,
        wants: &[Want],
    ) -> Result<(), Failure> {
        let is_part = *extent != Extent::Whole;
        let mut state = if is_part {
            let tips = wants.iter().filter(|want| want.name != want.id);
            let tips = tips.map(|want| (want.name.clone(), want.id.clone()));
            State { packs, refs: tips.collect(), ..State::default() }
        } else {
            State { packs, ..self.state.clone() }
        };
        self.show(&bare, &[])?;
        let fetch = |refspecs: &[String]| {
            origin::fetch(&self.git, &self.url, &bare, refspecs, &self.options, is_part)
        };
        let mut fetched = fetch(&self.refspecs(is_part, wants));
        let missing = self.missing(&bare, wants);
        if !missing.is_empty() && (fetched.is_ok() || is_part) {
            // By their names, where the server gives what no ref leads to.
            let named: Vec<String> = missing.iter().map(|want| by_hash(&want.id)).collect();
            fetched = fetch(&named);
        }
        // Only what git took for whole is kept.
        fetched?;
        if let Some(missing) = self.missing(&bare, wants).first() {
            return Err(GitError::Absent(missing.id.clone()).into());
        }
        self.cached.keep(extent, &mut state, Some(&bare));
        self.bytes = state.bytes();
        self.bare = Some(bare);
        Ok(())
    }

    fn refspecs(&self, is_part: bool, wants: &[Want]) -> Vec<String> {
        let mut refspecs = Vec::new();
        if !is_part {
            refspecs.extend(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"].map(str::to_owned));
        }
        for Want { id, name } in wants {
            let is_listed = self.state.refs.get(name) == Some(id) && name.starts_with("refs/");
            match is_listed {
                true if !is_part && is_general(name) => {}
                true => refspecs.push(format!("+{name}:{name}")),
                false if !is_part => {}
                false => refspecs.push(by_hash(id)),
            }
        }
        refspecs
    }

    /// Gives a repository the refs of the view whose objects it has, and these.
    pub(crate) fn show(&self, bare: &Bare, wants: &[Want]) -> Result<(), Failure> {
        let mut refs: BTreeMap<String, String> = self
            .view
            .refs
            .iter()
            .filter(|(name, _)| is_general(name))
            .map(|(name, id)| (name.clone(), id.clone()))
            .collect();
        refs.extend(wants.iter().map(|Want { id, name }| match name.starts_with("refs/") {
            true => (name.clone(), id.clone()),
            // Protocol 0 gives nothing from a repository that has no ref at all.
            false => (format!("refs/vcache/{id}"), id.clone()),
        }));
        bare.set_present_refs(&self.git, refs).map(drop)
    }
}

/// A refspec for an object that no ref of the origin need lead to.
fn by_hash(id: &str) -> String {
    format!("+{id}:refs/vcache/{id}")
}
