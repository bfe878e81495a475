//! A binary package, as data.

/// One package. Built by [`Package::new`], then refined.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) payload: usize,
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// The version that it has once the archive has moved on.
    pub(super) next: Option<String>,
}

impl Package {
    /// A package for this machine's architecture with 1,000 bytes below `usr/share/NAME/`.
    pub fn new(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: super::native().to_owned(),
            fields: Vec::new(),
            payload: 1_000,
            files: Vec::new(),
            next: None,
        }
    }

    /// Sets the architecture: `all`, or what dpkg calls one.
    pub fn architecture(mut self, architecture: &str) -> Package {
        self.architecture = architecture.to_owned();
        self
    }

    /// Adds a field of `DEBIAN/control` (`Multi-Arch`, `Recommends`, `Conffiles` is none), after the ones that are always there.
    pub fn field(mut self, name: &str, value: &str) -> Package {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets `Depends`.
    pub fn depends(self, on: &str) -> Package {
        self.field("Depends", on)
    }

    /// Sets `Multi-Arch`.
    pub fn multi_arch(self, how: &str) -> Package {
        self.field("Multi-Arch", how)
    }

    /// Sets the number of bytes that `usr/share/NAME/payload` has.
    pub fn payload(mut self, bytes: usize) -> Package {
        self.payload = bytes;
        self
    }

    /// Adds a file, by its path without a slash at the beginning.
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Package {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    /// The version that [`super::DebianMirror::move_on`] replaces this one by.
    pub fn then(mut self, version: &str) -> Package {
        self.next = Some(version.to_owned());
        self
    }

    /// As it is once the archive has moved on.
    pub(super) fn moved_on(&self) -> Package {
        let mut moved = self.clone();
        if let Some(version) = moved.next.take() {
            moved.version = version;
        }
        moved
    }

    /// `NAME_VERSION_ARCHITECTURE.deb` as archives name it: without the epoch.
    pub(super) fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, without_epoch(&self.version), self.architecture)
    }

    /// Where the archive keeps it, below its root.
    pub(super) fn pool_path(&self) -> String {
        format!("{}/{}", pool(&self.name), self.file_name())
    }

    /// The first line of the description, and the lines below it, as control files spell them.
    pub(super) fn description(&self) -> [String; 2] {
        let name = &self.name;
        [format!("test package {name}"), format!(" This is {name}.\n .\n It has no use.\n")]
    }

    /// `DEBIAN/control`.
    pub(super) fn control(&self) -> String {
        let [short, long] = self.description();
        format!("{}Description: {short}\n{long}", self.fields_text())
    }

    /// All fields but the description.
    pub(super) fn fields_text(&self) -> String {
        let mut text = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: Test <test@example.com>\nInstalled-Size: {}\n",
            self.name,
            self.version,
            self.architecture,
            self.payload.div_ceil(1024) + 4
        );
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text.push_str("Section: misc\nPriority: optional\n");
        text
    }

    /// The files in it, by path.
    pub(super) fn content(&self) -> Vec<(String, Vec<u8>)> {
        let key = format!("{} {} {}", self.name, self.version, self.architecture);
        let payload =
            (format!("usr/share/{}/payload", self.shared_name()), crate::content(&key, self.payload));
        [payload].into_iter().chain(self.files.clone()).collect()
    }

    /// Of two architectures of a package, whose files must not be in each other's way.
    fn shared_name(&self) -> String {
        let same = self.fields.iter().any(|(name, value)| name == "Multi-Arch" && value == "same");
        if same { format!("{}-{}", self.name, self.architecture) } else { self.name.clone() }
    }
}

/// The folder of a package below the archive's root: `pool/main/h/hello`, `pool/main/libh/libhello`.
pub(super) fn pool(name: &str) -> String {
    format!("pool/{}", changelog_folder(name))
}

/// What apt calls the path of a package's changelog, without its version: `main/h/hello`.
pub(super) fn changelog_folder(name: &str) -> String {
    let letters = if name.starts_with("lib") { 4 } else { 1 };
    format!("main/{}/{name}", name.chars().take(letters).collect::<String>())
}

/// A version without its epoch.
pub(super) fn without_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}
