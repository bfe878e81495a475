//! An argv to a [`Call`]: an image build, with what of it matters here, or anything else.
//!
//! `docker build`, `docker image build`, `docker builder build`, `docker buildx build` (and `b`), `podman build`, `podman image build`, `buildah build`, `bud` and
//! `build-using-dockerfile` are builds. Words are counted from the one behind the tool's name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use vcache_argv::{Item, Kind, Opt, Spelling, scan};

use crate::table::{BUILD, GLOBAL, Meaning};

/// Whose command line it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    Docker,
    Podman,
    Buildah,
}

/// What was typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// Not an image build.
    Other,
    /// An image build that can't be read: the word that is not understood.
    Unclear(String),
    /// An image build.
    Build(Box<Build>),
}

/// An image build.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Build {
    /// The words before the subcommand, which lead to the same daemon.
    pub(crate) globals: Vec<OsString>,
    /// An option leads to another daemon: as typed.
    pub(crate) elsewhere: Option<String>,
    /// `--host`.
    pub(crate) daemon: Option<String>,
    /// `--config`: the folder of docker's configuration.
    pub(crate) config: Option<PathBuf>,
    /// Where one more option can be put, behind all others that are given by then.
    pub(crate) insert_at: usize,
    /// `--build-arg`, in order: the name, and the value where one is given.
    pub(crate) arguments: Vec<(String, Option<String>)>,
    /// `--network`.
    pub(crate) network: Option<String>,
    /// `-f`.
    pub(crate) file: Option<OsString>,
    /// The context.
    pub(crate) context: Option<OsString>,
    /// `-t`, in order.
    pub(crate) tags: Vec<String>,
    /// `--target`.
    pub(crate) target: Option<String>,
    /// An option by which something else comes out than an image with a name.
    pub(crate) result: Option<String>,
    /// `--no-cache`.
    pub(crate) no_cache: bool,
    /// Where the options begin.
    pub(crate) options_at: usize,
}

impl Tool {
    /// By the name that the shim was called by.
    pub(crate) fn of(name: &OsStr) -> Tool {
        match name.to_str() {
            Some("podman") => Tool::Podman,
            Some("buildah") => Tool::Buildah,
            _ => Tool::Docker,
        }
    }

    /// How many words name the subcommand, if it is a build.
    fn build_words(self, words: &[OsString]) -> Option<usize> {
        let word = |index: usize| words.get(index).and_then(|word| word.to_str()).unwrap_or_default();
        match (self, word(0), word(1)) {
            (Tool::Docker | Tool::Podman, "build", _) => Some(1),
            (Tool::Docker | Tool::Podman, "image" | "builder" | "buildx", "build") => Some(2),
            (Tool::Docker, "buildx", "b") => Some(2),
            (Tool::Buildah, "build" | "bud" | "build-using-dockerfile", _) => Some(1),
            _ => None,
        }
    }

    /// Options may stand behind the context, too.
    fn permutes(self) -> bool {
        self != Tool::Buildah
    }
}

/// Reads the words behind the tool's name.
pub(crate) fn parse(tool: Tool, words: &[OsString]) -> Call {
    let global = scan(&GLOBAL, words);
    let mut build = Build::default();
    for item in &global.items {
        match &item.kind {
            Kind::Positional(_) => {
                let (globals, rest) = words.split_at(item.at);
                let Some(count) = tool.build_words(rest) else { return Call::Other };
                build.globals = globals.to_vec();
                return build_options(tool, build, item.at + count, &rest[count..]);
            }
            Kind::Option { opt, value, .. } if opt.meaning == Meaning::Elsewhere => {
                build.elsewhere = elsewhere_by(opt.long, value.as_deref());
                if opt.long == "host" {
                    build.daemon = value.as_deref().map(|value| value.to_string_lossy().into_owned());
                }
            }
            Kind::Option { opt, value, .. } if opt.long == "config" => {
                build.config = value.as_deref().map(PathBuf::from);
            }
            Kind::Option { opt, .. } if matches!(opt.long, "help" | "version") => return Call::Other,
            Kind::Option { .. } => {}
            _ => return Call::Other,
        }
    }
    Call::Other
}

/// The option as typed, unless it leads to this machine's own daemon.
fn elsewhere_by(name: &str, value: Option<&OsStr>) -> Option<String> {
    let value = value.unwrap_or_default().to_string_lossy();
    let here = match name {
        "context" => value == "default",
        "remote" => value == "false",
        _ => value.starts_with("unix:"),
    };
    (!here).then(|| format!("--{name} {value}"))
}

fn build_options(tool: Tool, mut build: Build, offset: usize, words: &[OsString]) -> Call {
    let scanned = scan(&BUILD, words);
    build.insert_at = offset + words.len();
    build.options_at = offset;
    let mut end_seen = false;
    for Item { at, kind } in &scanned.items {
        match kind {
            Kind::Option { opt, value, spelling, .. } => {
                // What follows the context is the context's in buildah.
                if end_seen && !tool.permutes() {
                    return Call::Unclear(format!("--{}", opt.long));
                }
                if opt.meaning == Meaning::Help {
                    return Call::Other;
                }
                // pflag takes `-t=x` for `-t x`.
                let glued = matches!(spelling, Spelling::Short { glued: true, .. });
                let strip = |value: &'_ OsString| match value.as_bytes().strip_prefix(b"=") {
                    Some(rest) if glued => OsStr::from_bytes(rest).to_owned(),
                    _ => value.clone(),
                };
                note(&mut build, opt, value.as_ref().map(strip).as_deref());
            }
            Kind::Separator => {
                build.insert_at = build.insert_at.min(offset + at);
            }
            Kind::Positional(word) => {
                if !tool.permutes() {
                    build.insert_at = build.insert_at.min(offset + at);
                }
                end_seen = true;
                build.context.get_or_insert_with(|| word.clone());
            }
            Kind::Unknown { text, .. } | Kind::Untrusted(text) => {
                let text = text.to_string_lossy();
                return Call::Unclear(text.split('=').next().unwrap_or_default().to_owned());
            }
            Kind::MissingValue { opt, .. } => return Call::Unclear(format!("--{}", opt.long)),
        }
    }
    Call::Build(Box::new(build))
}

fn note(build: &mut Build, opt: &Opt<Meaning>, value: Option<&OsStr>) {
    let text = || value.unwrap_or_default().to_string_lossy().into_owned();
    match opt.meaning {
        Meaning::BuildArg => {
            let text = text();
            build.arguments.push(match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (text, None),
            });
        }
        Meaning::Network => build.network = Some(text()),
        Meaning::File => build.file = value.map(OsStr::to_owned),
        Meaning::Tag => build.tags.push(text()),
        Meaning::NoCache => build.no_cache = text() != "false",
        Meaning::Target => build.target = Some(text()),
        Meaning::Result if text() != "false" => build.result = Some(format!("--{}", opt.long)),
        Meaning::Builder if text() != "default" => build.elsewhere = Some(format!("--builder {}", text())),
        Meaning::Builder
        | Meaning::Elsewhere
        | Meaning::Help
        | Meaning::ImageAlone
        | Meaning::Result
        | Meaning::Other => {}
    }
}

impl Build {
    /// The name that its calls are kept under; empty where it has none.
    pub(crate) fn name(&self) -> &str {
        self.tags.first().map_or("", String::as_str)
    }

    /// The words (those behind the tool's name) with more options, which stand behind all others.
    pub(crate) fn with(
        &self,
        words: &[OsString],
        options: impl IntoIterator<Item = OsString>,
    ) -> Vec<OsString> {
        let mut words = words.to_vec();
        words.splice(self.insert_at..self.insert_at, options);
        words
    }

    /// The words (those behind the tool's name) without the options that `goes` names, and with another context.
    pub(crate) fn rewritten(
        &self,
        words: &[OsString],
        goes: impl Fn(Meaning) -> bool,
        context: &OsStr,
    ) -> Vec<OsString> {
        let (before, options) = words.split_at(self.options_at);
        let mut scanned = scan(&BUILD, options);
        let mut is_first_left = false;
        scanned.items.retain_mut(|item| {
            // What follows in the same word begins a word of its own.
            if let Kind::Option { spelling: Spelling::Short { bundled, .. }, .. } = &mut item.kind {
                *bundled &= !is_first_left;
                is_first_left &= *bundled;
            }
            match &mut item.kind {
                Kind::Option { opt, spelling, .. } if goes(opt.meaning) => {
                    is_first_left = !matches!(spelling, Spelling::Short { bundled: true, .. });
                    false
                }
                Kind::Positional(word) => {
                    *word = context.to_owned();
                    is_first_left = false;
                    true
                }
                _ => {
                    is_first_left = false;
                    true
                }
            }
        });
        before.iter().cloned().chain(scanned.render()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Call {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        parse(Tool::of(&words[0]), &words[1..])
    }

    fn build(line: &str) -> Build {
        match read(line) {
            Call::Build(build) => *build,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn builds_are_told_from_other_calls() {
        for line in [
            "docker build .",
            "docker -D --config /c image build .",
            "docker builder build -t x .",
            "docker buildx build --load .",
            "docker buildx b .",
            "podman build .",
            "podman image build .",
            "buildah bud .",
            "buildah build-using-dockerfile -t x .",
        ] {
            build(line);
        }
        for line in [
            "docker",
            "docker ps",
            "docker run build .",
            "docker --help build",
            "docker build --help",
            "docker buildx ls",
            "docker buildx bake",
            "docker compose build",
            "docker image ls build",
            "buildah from x",
            "podman run x build",
            "docker --unknown build .",
        ] {
            assert_eq!(read(line), Call::Other, "{line}");
        }
    }

    #[test]
    fn what_matters_of_a_build_is_read() {
        let got = build(
            "docker --config /c build --no-cache -qt img:1 -t img:2 --pull=false -fD/Dockerfile --build-arg a=b=c \
             --build-arg NO_PROXY --network=host ctx",
        );
        assert_eq!(got.globals, ["--config", "/c"]);
        assert_eq!(got.config.as_deref(), Some(std::path::Path::new("/c")));
        assert_eq!((got.tags, got.network.as_deref()), (vec!["img:1".into(), "img:2".into()], Some("host")));
        assert_eq!(got.result.as_deref(), Some("--quiet"));
        assert_eq!((got.file.unwrap(), got.context.unwrap()), ("D/Dockerfile".into(), "ctx".into()));
        let arguments = [("a".to_owned(), Some("b=c".to_owned())), ("NO_PROXY".to_owned(), None)];
        assert_eq!(got.arguments, arguments);
        // SONiC's own, much shortened.
        let got =
            build("docker build --squash --no-cache --build-arg user=u --label Tag=x -f D -t docker-x .");
        assert_eq!((got.tags, got.result), (vec!["docker-x".into()], None));
    }

    #[test]
    fn one_more_option_has_a_place_behind_all_others() {
        for (line, at) in [
            ("docker build .", 2),
            ("docker build . -t x", 4),
            ("docker build -t x -- .", 3),
            ("docker -D image build .", 4),
            ("buildah bud -t x .", 3),
            ("podman build . -t x", 4),
        ] {
            assert_eq!(build(line).insert_at, at, "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_guessed_at() {
        for (line, word) in [
            ("docker build --new x .", "--new"),
            ("docker build --new=x .", "--new"),
            ("docker build -Z .", "-Z"),
            ("docker build . -t", "--tag"),
            ("buildah bud . -t x", "--tag"),
        ] {
            assert_eq!(read(line), Call::Unclear(word.into()), "{line}");
        }
    }

    #[test]
    fn values_that_are_glued_to_a_letter() {
        let got = build("docker build -t=a:1 -tb -qt=c -f=D .");
        assert_eq!(
            (got.tags, got.file.unwrap()),
            (["a:1", "b", "c"].map(str::to_owned).to_vec(), "D".into())
        );
    }

    #[test]
    fn other_daemons() {
        for (line, elsewhere) in [
            ("docker build .", None),
            ("docker -H unix:///run/d.sock build .", None),
            ("docker --context default build .", None),
            ("docker -H tcp://h:1 build .", Some("--host tcp://h:1")),
            ("docker -c far build .", Some("--context far")),
            ("podman --remote build .", Some("--remote ")),
            ("docker buildx build --builder far .", Some("--builder far")),
        ] {
            assert_eq!(build(line).elsewhere.as_deref(), elsewhere, "{line}");
        }
    }

    #[test]
    fn options_go_from_where_they_are() {
        let goes = |meaning| {
            matches!(meaning, Meaning::Tag | Meaning::NoCache | Meaning::ImageAlone | Meaning::Target)
        };
        for (line, left) in [
            ("docker build -t a .", "build NEW"),
            (
                "docker -D image build --tag=a --no-cache --label x=y --build-arg t=u . -t b",
                "-D image build --build-arg t=u NEW",
            ),
            ("docker build -ta -qtb -- .", "build -q -- NEW"),
            ("docker build -Dqt a --target x .", "build -Dq NEW"),
            ("docker build . --pull=false -f F", "build NEW -f F"),
        ] {
            let words: Vec<OsString> = line.split_whitespace().skip(1).map(OsString::from).collect();
            let got = build(line).rewritten(&words, goes, "NEW".as_ref());
            let left: Vec<OsString> = left.split_whitespace().map(OsString::from).collect();
            assert_eq!(got, left, "{line}");
        }
        let words = ["build", "-qDt", "a", "."].map(OsString::from);
        let Call::Build(read) = parse(Tool::Docker, &words) else { panic!() };
        let quiet = read.rewritten(&words, |meaning| meaning == Meaning::Result, "C".as_ref());
        assert_eq!(quiet, ["build", "-Dt", "a", "C"].map(OsString::from));
    }
}
