//! A build without a network to us: the cache comes with its context, and what it has fetched is carried out.
//!
//! 1. What it will ask for goes as a cache into the folder of shims of a copy of the context (`vcache image load`).
//! 2. The build runs, under a name of our own. Its shims find the cache beside them, and keep there what they fetch.
//! 3. One more stage has that folder of each stage, and `vcache export --delta` in it writes what is new: into a file that is copied
//!    out, or into its log. `vcache import` takes it in.
//! 4. The image is saved, freed of the folder (`vcache image strip`), and loaded under its own name.
//!
//! The third step finds the layers of the second in docker's build cache. What goes wrong in it costs what was fetched, never the build;
//! what goes wrong in the fourth is an image that is not what it should be, so the build is made once more, without us.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use vcache_shim::child::{self, Deferral, End, Stdout};
use vcache_shim::handover::FOLDER;
use vcache_shim::links::EXECUTABLE;
use vcache_shim::real_tool::RealTool;
use vcache_shim::{Host, Messages};

use crate::children::{last_words, output, pipeline, succeeded};
use crate::context::ContextCopy;
use crate::dockerfile::{Equipped, SHIMS, begins_with_shims, export_name, may_ignore, up_to, with_export};
use crate::entry::build_args;
use crate::invocation::{Build, Call, Tool, parse};
use crate::plan::Way;
use crate::reason::{Code, Reason};
use crate::table::Meaning;
use crate::{server, surroundings};

/// The marker of what the build was given.
const BEFORE: &str = "before";
/// The command, for the last stage.
const COMMAND: &str = "vcache";
/// What keeps parts of a context out of a build.
const IGNORE_FILE: &str = ".dockerignore";
/// The user's Dockerfile with that stage.
const DOCKERFILE: &str = "Dockerfile";
/// Different in each build where it is there, and so the layer of the shims, and all behind it.
const FRESH: &str = "fresh";
/// So often, and with such pauses, the images of a build that was ended are looked for.
const LATE: u32 = 8;
const LATE_PAUSE: Duration = Duration::from_millis(300);

/// All that is known of one build.
pub(crate) struct Carrier<'a> {
    pub(crate) host: &'a Host,
    pub(crate) tool: RealTool,
    pub(crate) messages: Messages,
    pub(crate) build: &'a Build,
    /// Build arguments, and what all of them are set to.
    pub(crate) variables: Vec<&'static str>,
    pub(crate) value: String,
    pub(crate) way: Way,
    pub(crate) stages: Vec<Equipped>,
    /// What the build fetches is wanted.
    pub(crate) brings: bool,
}

/// What is there for the time of one build.
struct Room {
    vcache: PathBuf,
    copy: ContextCopy,
    /// The user's own.
    context: PathBuf,
    dockerfile: PathBuf,
    /// The shims of this build are unlike those of any other, which stands for `--no-cache`. With that the classic builder makes equal layers of
    /// several stages twice, and takes the wrong one of them when it looks for those of a stage later on.
    fresh_by_shims: bool,
    /// The text of the Dockerfile.
    text: String,
    /// The name of the last stage.
    stage: String,
    /// An ignore file may keep the cache out.
    may_be_ignored: bool,
    /// Of what docker is given: different for each build on this machine.
    name: String,
}

impl Carrier<'_> {
    /// Builds. `instead`: why it is not built with a server; without anything to give to the build that is why it gets nothing.
    ///
    /// Whoever wants an end of it gets that once nothing of ours is left.
    pub(crate) fn carry(&self, instead: Option<Reason>) -> Result<ExitCode, Reason> {
        let deferral = Deferral::begin();
        let carried = self.carry_until_told(instead, &deferral);
        match (deferral.end(), carried) {
            (Some(signal), Ok(End::Status(0)) | Err(_)) => Ok(End::Signal(signal).now()),
            (_, carried) => carried.map(End::now),
        }
    }

    fn carry_until_told(&self, instead: Option<Reason>, deferral: &Deferral) -> Result<End, Reason> {
        let room = self.room().map_err(not_carried)?;
        let carried = self.carry_in(&room, instead, deferral);
        if deferral.noted().is_some() {
            self.remove_late(&room);
        }
        carried
    }

    fn carry_in(&self, room: &Room, instead: Option<Reason>, deferral: &Deferral) -> Result<End, Reason> {
        let given = self.load(room).map_err(not_carried)?;
        if let Some(reason) = instead {
            if given == 0 {
                return Err(reason);
            }
            self.messages
                .info(format_args!("{}: the build gets the cache in its context", reason.code.help()));
        }
        let is_wanted = || deferral.noted().is_none();
        if !is_wanted() {
            return Ok(End::Status(0));
        }
        let image = format!("{}:built", room.name);
        let end = self.image(room, &image).map_err(not_carried)?;
        if end != End::Status(0) {
            self.messages.info("what the failed build has fetched is not kept");
            return Ok(end);
        }
        if self.brings
            && is_wanted()
            && let Err(e) = self.bring(room)
            && is_wanted()
        {
            self.messages.warn(format_args!("not all that the build has fetched is in the cache: {e}"));
        }
        let freed = if is_wanted() { self.free(room, &image) } else { Ok(()) };
        self.remove(&image);
        freed.map_err(not_carried)?;
        if self.brings && is_wanted() {
            self.save(room);
        }
        Ok(End::Status(0))
    }

    fn room(&self) -> io::Result<Room> {
        let vcache = server::find(self.host)?;
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let context = self.host.cwd().join(self.build.context.as_ref().ok_or_else(missing)?);
        let dockerfile = surroundings::dockerfile(self.host, Tool::Docker, self.build).ok_or_else(missing)?;
        let ignored = [context.join(IGNORE_FILE), beside(&dockerfile)];
        let may_be_ignored =
            ignored.iter().any(|path| may_ignore(&fs::read_to_string(path).unwrap_or_default(), SHIMS));
        let text = fs::read_to_string(&dockerfile)?;
        let fresh_by_shims = self.build.no_cache && begins_with_shims(&text) && !may_be_ignored;
        let stage = export_name(&text);
        let copy = ContextCopy::of(&context, &context.join(SHIMS).join(EXECUTABLE), FOLDER)?;
        // Through a link it would be written outside the copy.
        if !copy.path().join(SHIMS).symlink_metadata()?.is_dir() {
            return Err(io::Error::other(
                "shims in the context is no folder; stage the shims there with ./install.sh --stage",
            ));
        }
        let mut random = [0; 6];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let name = format!("vcache-build-{}", hex::encode(random));
        let room =
            Room { vcache, copy, context, dockerfile, fresh_by_shims, text, stage, may_be_ignored, name };
        room.has_the_same_ignore_files()?;
        Ok(room)
    }

    /// Puts a cache into the context, and what the last stage needs; gives the number of blobs in it.
    fn load(&self, room: &Room) -> io::Result<u64> {
        let cache = room.cache();
        let mut load = room.command(&["image", "load", "--allow-empty", "--json", "--file"]);
        load.arg(&room.dockerfile)
            .arg("--into")
            .arg(&cache)
            .args(["--", self.build.name()])
            .arg(&room.context);
        let facts: serde_json::Value = serde_json::from_slice(&output(load)?)?;
        let mut mark = room.command(&["--cache"]);
        mark.arg(&cache).args(["export", "--mark"]).arg(cache.join(BEFORE));
        output(mark)?;
        let failed = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", cache.display()));
        fs::copy(&room.vcache, cache.join(COMMAND)).map_err(failed)?;
        fs::write(cache.join(DOCKERFILE), self.with_last_stage(room)).map_err(failed)?;
        // One that lies beside the user's Dockerfile counts for this one, too.
        let _ = fs::copy(beside(&room.dockerfile), beside(&cache.join(DOCKERFILE)));
        if room.fresh_by_shims {
            fs::write(cache.join(FRESH), &room.name).map_err(failed)?;
        }
        room.copy.restore(&room.context, SHIMS)?;
        Ok(facts["blobs"].as_u64().unwrap_or(0))
    }

    /// The build itself, under another name.
    fn image(&self, room: &Room, image: &str) -> io::Result<End> {
        let goes = |meaning| match meaning {
            Meaning::Tag | Meaning::File => true,
            Meaning::NoCache => room.fresh_by_shims,
            _ => false,
        };
        let command =
            self.docker_build(room, goes, &room.copied_dockerfile(), &["--tag".as_ref(), image.as_ref()]);
        child::start(command, Stdout::Inherit)?.wait().map(End::like)
    }

    /// `docker build` of the context that has the cache in it.
    fn docker_build(
        &self,
        room: &Room,
        goes: impl Fn(Meaning) -> bool,
        dockerfile: &Path,
        more: &[&OsStr],
    ) -> Command {
        let words = self.host.args().get(1..).unwrap_or_default();
        let mut words = self.build.rewritten(words, goes, room.copy.path().as_os_str());
        let added = [OsStr::new("--file"), dockerfile.as_os_str()].into_iter().chain(more.iter().copied());
        let added = added.map(OsString::from).chain(build_args(&self.variables));
        if let Call::Build(build) = parse(Tool::Docker, &words) {
            words = build.with(&words, added);
        }
        let mut command = self.tool.command(self.host, &words);
        command.envs(self.variables.iter().map(|name| (*name, &self.value)));
        command
    }

    /// Carries out what the build has fetched.
    fn bring(&self, room: &Room) -> io::Result<()> {
        let image = format!("{}:export", room.name);
        let goes = |meaning| {
            matches!(
                meaning,
                Meaning::Tag | Meaning::File | Meaning::Target | Meaning::NoCache | Meaning::ImageAlone
            )
        };
        // A container of a failed step would stay.
        let more = ["--tag", &image, "--target", &room.stage, "--force-rm"].map(OsStr::new);
        let mut command = self.docker_build(room, goes, &room.cache().join(DOCKERFILE), &more);
        command.env("BUILDKIT_PROGRESS", "plain");
        let log = room.copy.aside("log");
        let mut file = fs::File::options().read(true).append(true).create_new(true).open(&log)?;
        command.stderr(file.try_clone()?);
        let built = child::start(command, Stdout::File(file.try_clone()?)).and_then(succeeded);
        let brought = match (built, self.way) {
            (Err(e), _) => {
                let words = last_words(&mut file, true).unwrap_or_default();
                let hint = if room.may_be_ignored {
                    "\nan ignore file may keep what is in `shims` out of the context"
                } else {
                    ""
                };
                Err(io::Error::new(e.kind(), format!("the last stage: {e}: {words}{hint}")))
            }
            (Ok(()), Way::Log) => self.import(room, &["--log".as_ref(), log.as_os_str()]).map_err(clipped),
            (Ok(()), Way::Stage) => self.copy_out(room, &image),
        };
        self.remove(&image);
        brought
    }

    /// One more stage has the cache of each stage, and exports from each what the build was not given.
    fn with_last_stage(&self, room: &Room) -> String {
        let command = format!("/{{}}/{COMMAND}");
        let before = format!("/{{}}/{BEFORE}");
        let mut words =
            vec![&command, "--cache", "/{}", "export", "--delta", &before, "--calls", "--allow-empty"];
        words.extend(match self.way {
            Way::Stage => &["--output", "/{}.vcache"][..],
            Way::Log => &["--log"],
        });
        let text = up_to(&room.text, self.build.target.as_deref());
        with_export(&text, &room.stage, &self.stages, FOLDER, &words)
    }

    fn copy_out(&self, room: &Room, image: &str) -> io::Result<()> {
        let created = output(self.docker(&["create", "--name", &room.name, image, "/none"]));
        let copied = created.and_then(|_| {
            self.stages.iter().try_for_each(|Equipped { stage, .. }| {
                let file = room.copy.aside(&format!("{stage}.vcache"));
                let mut copy = self.docker(&["cp", &format!("{}:/{stage}.vcache", room.name)]);
                copy.arg(&file);
                output(copy)?;
                self.import(room, &[file.as_os_str()])
            })
        });
        let removed = output(self.docker(&["rm", &room.name]));
        copied.and(removed.map(drop))
    }

    fn import(&self, room: &Room, words: &[&OsStr]) -> io::Result<()> {
        let mut import = room.command(&["import"]);
        import.arg(format!("--image={}", self.build.name())).args(words);
        output(import).map(drop)
    }

    /// Loads the image without the cache, under its own names.
    fn free(&self, room: &Room, image: &str) -> io::Result<()> {
        let mut strip = room.command(&["image", "strip"]);
        strip.args(self.build.tags.iter().map(|tag| format!("--tag={tag}")));
        let freed = pipeline(vec![
            ("docker save", self.docker(&["save", image])),
            ("vcache image strip", strip),
            ("docker load", self.docker(&["load", "--quiet"])),
        ]);
        freed.map_err(|e| io::Error::new(e.kind(), format!("the image can't be freed of the cache: {e}")))
    }

    /// Notes what an image made of these parts asks for.
    fn save(&self, room: &Room) {
        let mut save = room.command(&["image", "save", "--file"]);
        save.arg(&room.dockerfile).args(["--", self.build.name()]).arg(&room.context);
        if let Err(e) = output(save) {
            self.messages.info(e);
        }
    }

    /// A daemon that was told to stop may still be about to name what it had ready by then.
    fn remove_late(&self, room: &Room) {
        for _ in 0..LATE {
            std::thread::sleep(LATE_PAUSE);
            for tag in ["built", "export"] {
                let _ = output(self.docker(&["rmi", &format!("{}:{tag}", room.name)]));
            }
        }
    }

    fn remove(&self, image: &str) {
        if let Err(e) = output(self.docker(&["rmi", image])) {
            self.messages.info(e);
        }
    }

    /// docker, on the daemon that builds.
    fn docker(&self, words: &[&str]) -> Command {
        let mut all = self.build.globals.clone();
        all.extend(words.iter().map(OsString::from));
        self.tool.command(self.host, &all)
    }
}

impl Room {
    /// The cache in the context.
    fn cache(&self) -> PathBuf {
        self.copy.path().join(SHIMS).join(FOLDER)
    }

    /// The user's Dockerfile, in the copy where it lies in the context: for one from elsewhere the classic builder changes `.dockerignore`.
    fn copied_dockerfile(&self) -> PathBuf {
        let inside = || {
            let folder = self.dockerfile.parent()?.canonicalize().ok()?;
            let below = folder.strip_prefix(self.context.canonicalize().ok()?).ok()?.to_owned();
            // A link in the context may lead out of it by a way that the copy does not have.
            Some(self.copy.path().join(below).join(self.dockerfile.file_name()?))
                .filter(|path| path.is_file())
        };
        inside().unwrap_or_else(|| self.dockerfile.clone())
    }

    /// A link out of the context may lead nowhere in the copy, and what was to be ignored would be in the image.
    fn has_the_same_ignore_files(&self) -> io::Result<()> {
        let own = (self.context.join(IGNORE_FILE), self.copy.path().join(IGNORE_FILE));
        let of_dockerfile = (beside(&self.dockerfile), beside(&self.copied_dockerfile()));
        match [own, of_dockerfile]
            .iter()
            .find(|(original, copied)| fs::read(original).ok() != fs::read(copied).ok())
        {
            None => Ok(()),
            Some((original, _)) => Err(io::Error::other(format!(
                "{}: it is a link that leads out of the context",
                original.display()
            ))),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.vcache);
        command.args(words);
        command
    }
}

/// BuildKit's ignore file for this Dockerfile alone.
fn beside(dockerfile: &Path) -> PathBuf {
    let mut name = dockerfile.as_os_str().to_owned();
    name.push(".dockerignore");
    PathBuf::from(name)
}

fn not_carried(error: io::Error) -> Reason {
    Reason::new(Code::NotCarried, error.to_string())
}

fn clipped(error: io::Error) -> io::Error {
    io::Error::other(format!(
        "{error}\nBuildKit keeps 2 MiB of the output of a step, and 200 KiB a second, unless its daemon's environment says \
         BUILDKIT_STEP_LOG_MAX_SIZE=-1 and BUILDKIT_STEP_LOG_MAX_SPEED=-1"
    ))
}
