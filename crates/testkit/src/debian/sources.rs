//! What apt is told about archives: `sources.list` in its two forms, and which key they are believed by.

use super::Suite;

/// How apt comes to believe an archive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Trust {
    /// The key is in `trusted.gpg.d`.
    Parts,
    /// The source names the key's file (`signed-by`).
    SignedBy,
    /// The source is to be trusted whoever signs it, or nobody (`trusted=yes`).
    Yes,
    /// There is no key.
    Nothing,
}

/// A suite, or a flat repository, at its address.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// The archive's address, or the folder of a flat repository: without a slash at the end.
    pub url: String,
    /// The suite's name; `./` for a flat repository.
    pub suite: String,
}

impl Place {
    /// Where a suite is in the archive at `url`.
    pub fn of(url: &str, suite: &Suite) -> Place {
        if suite.is_flat() {
            Place { url: format!("{url}/{}", suite.name()), suite: "./".to_owned() }
        } else {
            Place { url: url.to_owned(), suite: suite.name().to_owned() }
        }
    }
}

/// The form of the sources.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sources {
    /// `sources.list`: `deb` and `deb-src` lines.
    OneLine,
    /// `sources.list.d/test.sources`: stanzas.
    Deb822,
}

impl Sources {
    /// The file below `etc/apt`.
    pub(super) fn file(self) -> &'static str {
        match self {
            Sources::OneLine => "sources.list",
            Sources::Deb822 => "sources.list.d/test.sources",
        }
    }

    /// Its text. `key` is the absolute path of the key's file.
    pub(super) fn text(self, places: &[Place], trust: Trust, key: &str) -> String {
        places.iter().map(|place| self.entry(place, trust, key)).collect()
    }

    fn entry(self, place: &Place, trust: Trust, key: &str) -> String {
        let Place { url, suite } = place;
        let component = if suite.ends_with('/') { "" } else { "main" };
        match self {
            Sources::OneLine => {
                let option = match trust {
                    Trust::SignedBy => format!(" [signed-by={key}]"),
                    Trust::Yes => " [trusted=yes]".to_owned(),
                    Trust::Parts | Trust::Nothing => String::new(),
                };
                ["deb", "deb-src"]
                    .map(|kind| {
                        format!("{}\n", format!("{kind}{option} {url} {suite} {component}").trim_end())
                    })
                    .concat()
            }
            Sources::Deb822 => {
                let option = match trust {
                    Trust::SignedBy => format!("Signed-By: {key}\n"),
                    Trust::Yes => "Trusted: yes\n".to_owned(),
                    Trust::Parts | Trust::Nothing => String::new(),
                };
                let components = match component {
                    "" => String::new(),
                    name => format!("Components: {name}\n"),
                };
                format!("Types: deb deb-src\nURIs: {url}\nSuites: {suite}\n{components}{option}\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_suites_and_flat_repositories() {
        let places =
            [Suite::new("stable"), Suite::flat("flat")].map(|suite| Place::of("http://h.example/d", &suite));
        assert_eq!(
            Sources::OneLine.text(&places, Trust::SignedBy, "/k"),
            "deb [signed-by=/k] http://h.example/d stable main\ndeb-src [signed-by=/k] http://h.example/d stable main\n\
             deb [signed-by=/k] http://h.example/d/flat ./\ndeb-src [signed-by=/k] http://h.example/d/flat ./\n"
        );
        assert_eq!(
            Sources::Deb822.text(&places, Trust::Yes, ""),
            "Types: deb deb-src\nURIs: http://h.example/d\nSuites: stable\nComponents: main\nTrusted: yes\n\n\
             Types: deb deb-src\nURIs: http://h.example/d/flat\nSuites: ./\nTrusted: yes\n\n"
        );
    }
}
