//! The submodules of a commit: what `git submodule update --init` would clone, and from where.
//!
//! The real git reads both places that know of them, the tree (which commit) and `.gitmodules` (from where). A URL may be relative to the
//! superproject's (git-submodule(1), `add`). Whether it is followed is for who asks: a repository of a stranger's names it.

use std::collections::BTreeMap;

use crate::bare::Bare;
use crate::git::{Git, GitError, settings};
use crate::state::is_id;

/// A submodule of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Submodule {
    /// From the top of the superproject's tree.
    pub(crate) path: String,
    /// Where it is to be had: still relative where it leads out of the superproject's.
    pub(crate) url: String,
    /// The commit that the superproject has recorded.
    pub(crate) commit: String,
}

/// The submodules of `commit`, in the order of their paths; `superproject` is the URL that its repository was reached by.
///
/// # Errors
/// What git said: the commit is not there, or `.gitmodules` can't be read.
pub(crate) fn submodules(
    git: &Git,
    bare: &Bare,
    superproject: &str,
    commit: &str,
) -> Result<Vec<Submodule>, GitError> {
    let tree = git.ask(bare, &["ls-tree", "-r", "-z", commit])?;
    let (links, has_modules) = links(&String::from_utf8_lossy(&tree));
    if links.is_empty() || !has_modules {
        return Ok(Vec::new());
    }
    let blob = format!("{commit}:.gitmodules");
    let modules = git.ask(bare, &["config", "--blob", &blob, "-z", "--get-regexp", r"^submodule\."])?;
    Ok(joined(links, &settings(&modules), superproject))
}

/// The submodules of a tree, by path, and whether there is a `.gitmodules`.
fn links(tree: &str) -> (BTreeMap<String, String>, bool) {
    let mut links = BTreeMap::new();
    let mut has_modules = false;
    for entry in tree.split('\0') {
        let Some((what, path)) = entry.split_once('\t') else { continue };
        match what.split(' ').collect::<Vec<_>>()[..] {
            ["160000", _, id] if is_id(id) => {
                links.insert(path.to_owned(), id.to_owned());
            }
            [_, "blob", _] if path == ".gitmodules" => has_modules = true,
            _ => {}
        }
    }
    (links, has_modules)
}

/// Of a name the last path, URL and way to update count; links that `.gitmodules` does not know, and those that are not to be updated, are
/// none.
fn joined(
    links: BTreeMap<String, String>,
    config: &[(String, String)],
    superproject: &str,
) -> Vec<Submodule> {
    let mut modules: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (name, value) in config {
        let parts = name.strip_prefix("submodule.").and_then(|rest| rest.rsplit_once('.'));
        if let Some((name, variable)) = parts {
            modules.entry(name).or_default().insert(variable, value);
        }
    }
    let by_path: BTreeMap<&str, &BTreeMap<&str, &str>> =
        modules.values().filter_map(|module| Some((*module.get("path")?, module))).collect();
    let submodule = |(path, commit): (String, String)| {
        let module = by_path.get(path.trim_end_matches('/'))?;
        if module.get("update") == Some(&"none") {
            return None;
        }
        let url = module.get("url")?;
        let url = resolved(superproject, url).unwrap_or_else(|| (*url).to_owned());
        Some(Submodule { path, url, commit })
    };
    links.into_iter().filter_map(submodule).collect()
}

/// As git resolves it (`remote.c`, `relative_url`): only what begins with `./` or `../` is relative, each `../` takes the last part of
/// the superproject's URL away, and where no part is left, what is behind the last colon. None where nothing is left to take.
fn resolved(superproject: &str, url: &str) -> Option<String> {
    if !(url.starts_with("./") || url.starts_with("../")) {
        return Some(url.to_owned());
    }
    let mut base = superproject.strip_suffix('/').unwrap_or(superproject);
    let mut separator = '/';
    let mut rest = url;
    loop {
        if let Some(behind) = rest.strip_prefix("../") {
            rest = behind;
            match (base.rfind('/'), base.rfind(':')) {
                (Some(slash), _) => base = &base[..slash],
                (None, Some(colon)) => {
                    base = &base[..colon];
                    separator = ':';
                }
                (None, None) => return None,
            }
        } else if let Some(behind) = rest.strip_prefix("./") {
            rest = behind;
        } else {
            break;
        }
    }
    let whole = format!("{base}{separator}{rest}");
    Some(whole.strip_suffix('/').map(str::to_owned).unwrap_or(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef01234567";
    const B: &str = "ffffffffffffffffffffffffffffffffffffffff";

    #[test]
    fn urls_are_resolved_as_git_does() {
        for (superproject, url, expected) in [
            ("https://h/o/a.git", "https://x/b", Some("https://x/b")),
            ("https://h/o/a.git", "../b.git", Some("https://h/o/b.git")),
            ("https://h/o/a.git/", "../b.git/", Some("https://h/o/b.git")),
            ("https://h/o/a.git", "./b.git", Some("https://h/o/a.git/b.git")),
            ("https://h/o/a.git", "../../p/b.git", Some("https://h/p/b.git")),
            ("https://h/o/a.git", ".././b.git", Some("https://h/o/b.git")),
            ("https://h/o/a.git", "../c/../b.git", Some("https://h/o/c/../b.git")),
            ("git@h:o/a.git", "../b.git", Some("git@h:o/b.git")),
            ("git@h:o/a.git", "../../b.git", Some("git@h:b.git")),
            ("git@h:a.git", "../b.git", Some("git@h:b.git")),
            ("ssh://git@h:22/o/a", "../b", Some("ssh://git@h:22/o/b")),
            ("git@h:a.git", "../../b.git", None),
            ("https://h/o/a.git", "b.git", Some("b.git")),
            ("https://h/o/a.git", "/srv/b.git", Some("/srv/b.git")),
            ("https://h/o/a.git", "..b", Some("..b")),
        ] {
            assert_eq!(resolved(superproject, url).as_deref(), expected, "{superproject} {url}");
        }
    }

    #[test]
    fn tree_and_configuration_are_joined_by_path() {
        let tree = format!(
            "100644 blob {A}\t.gitmodules\x00160000 commit {B}\tb c/d\x00160000 commit {A}\ta\x00160000 commit {A}\tnone\x00160000 commit {A}\tunknown\x00"
        );
        let (found, has_modules) = links(&tree);
        assert!(has_modules && found.len() == 4);
        let config = [
            ("submodule.x.y.path", "b c/d"),
            ("submodule.x.y.url", "../first.git"),
            ("submodule.x.y.url", "../last.git"),
            ("submodule.a.path", "a"),
            ("submodule.a.url", "/srv/a"),
            ("submodule.none.path", "none"),
            ("submodule.none.url", "../none"),
            ("submodule.none.update", "none"),
            ("submodule.gone.path", "gone"),
            ("submodule.gone.url", "../gone"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let found = joined(found, &config, "https://h/o/s.git");
        let paths: Vec<_> =
            found.iter().map(|module| (module.path.as_str(), module.commit.as_str())).collect();
        assert_eq!(paths, [("a", A), ("b c/d", B)]);
        let urls: Vec<_> = found.iter().map(|module| module.url.as_str()).collect();
        assert_eq!(urls, ["/srv/a", "https://h/o/last.git"]);
    }
}
