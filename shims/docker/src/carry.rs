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
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use vcache_shim::child::{self, End, Running, Stdout};
use vcache_shim::handover::FOLDER;
use vcache_shim::real_tool::RealTool;
use vcache_shim::{Host, Messages};

use crate::dockerfile::{Equipped, SHIMS, begins_with_shims};
use crate::invocation::{Build, Tool};
use crate::mirror::Mirror;
use crate::plan::Way;
use crate::reason::{Code, Reason};
use crate::table::Meaning;
use crate::{server, surroundings};

/// The marker of what the build was given.
const BEFORE: &str = "before";
/// The command, for the last stage.
const COMMAND: &str = "vcache";
/// The exit status of a shell whose command was ended by SIGINT.
const INTERRUPTED: u8 = 130;
/// Different in each build where it is there, and so the layer of the shims, and all behind it.
const FRESH: &str = "fresh";
const LAST_STAGE: &str = "vcache-export";

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
}

/// What is there for the time of one build.
struct Room {
    vcache: PathBuf,
    mirror: Mirror,
    context: PathBuf,
    dockerfile: PathBuf,
    /// Of the Dockerfile.
    text: String,
    /// The shims of this build are unlike those of any other, which stands for `--no-cache`. With that the classic builder makes equal layers of
    /// several stages twice, and takes the wrong one of them when it looks for those of a stage later on.
    fresh_by_shims: bool,
    /// For files of ours.
    folder: tempfile::TempDir,
    /// Of what docker is given: different for each build on this machine.
    name: String,
}

impl Carrier<'_> {
    /// Builds. `brings`: what it fetches is wanted. `instead`: why it is not built with a server; without anything to give to the build that
    /// is why it gets nothing.
    pub(crate) fn carry(&self, brings: bool, instead: Option<Reason>) -> Result<ExitCode, Reason> {
        let room = self.room().map_err(|e| untransported(&e))?;
        let given = self.load(&room).map_err(|e| untransported(&e))?;
        if let Some(reason) = instead {
            if given == 0 {
                return Err(reason);
            }
            self.messages
                .info(format_args!("{}: the build gets the cache in its context", reason.code.help()));
        }
        let image = format!("{}:built", room.name);
        let end = self.image(&room, &image).map_err(|e| untransported(&e))?;
        if end != End::Status(0) {
            return Ok(end.now());
        }
        if brings && let Err(e) = self.bring(&room) {
            if e.kind() == io::ErrorKind::Interrupted {
                self.remove(&image);
                return Ok(ExitCode::from(INTERRUPTED));
            }
            self.messages.warn(format_args!("what the build has fetched is not in the cache: {e}"));
        }
        let freed = self.free(&room, &image);
        self.remove(&image);
        if freed.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::Interrupted) {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        freed.map_err(|e| untransported(&e))?;
        if brings {
            self.save(&room);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn room(&self) -> io::Result<Room> {
        let vcache = server::find(self.host)
            .ok_or_else(|| io::Error::other("there is no vcache beside the shims or in PATH"))?;
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let context = self.host.cwd().join(self.build.context.as_ref().ok_or_else(missing)?);
        let dockerfile = surroundings::dockerfile(self.host, Tool::Docker, self.build).ok_or_else(missing)?;
        let text = fs::read_to_string(&dockerfile)?;
        let fresh_by_shims = self.build.no_cache && begins_with_shims(&text);
        let mirror = Mirror::of(&context)?;
        // Through a link it would be written outside the copy.
        if !mirror.path().join(SHIMS).symlink_metadata()?.is_dir() {
            return Err(io::Error::other(
                "shims in the context is no folder; stage the shims there with ./install.sh --stage",
            ));
        }
        let folder = tempfile::Builder::new().prefix("vcache-build-").tempdir()?;
        let mut random = [0; 6];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let name = format!("vcache-build-{}", hex::encode(random));
        Ok(Room { vcache, mirror, context, dockerfile, text, fresh_by_shims, folder, name })
    }

    /// Puts a cache into the context; gives the number of blobs in it.
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
        fs::copy(&room.vcache, cache.join(COMMAND))?;
        if room.fresh_by_shims {
            fs::write(cache.join(FRESH), &room.name)?;
        }
        Ok(facts["blobs"].as_u64().unwrap_or(0))
    }

    /// The build itself, under another name.
    fn image(&self, room: &Room, image: &str) -> io::Result<End> {
        let goes = |meaning| match meaning {
            Meaning::Tag | Meaning::File => true,
            Meaning::NoCache => room.fresh_by_shims,
            _ => false,
        };
        let command = self.docker_build(room, goes, &room.dockerfile, &["--tag".as_ref(), image.as_ref()]);
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
        let mut words = self.build.rewritten(words, goes, room.mirror.path().as_os_str());
        let mut added = vec![OsString::from("--file"), dockerfile.into()];
        added.extend(more.iter().map(OsString::from));
        added.extend(self.variables.iter().flat_map(|name| [OsString::from("--build-arg"), (*name).into()]));
        words.splice(self.build.options_at..self.build.options_at, added);
        let mut command = self.tool.command(self.host, &words);
        command.envs(self.variables.iter().map(|name| (*name, &self.value)));
        command
    }

    /// Carries out what the build has fetched.
    fn bring(&self, room: &Room) -> io::Result<()> {
        let image = format!("{}:export", room.name);
        let dockerfile = room.folder.path().join("Dockerfile");
        fs::write(&dockerfile, room.text.clone() + &self.last_stage())?;
        // One that lies beside the user's Dockerfile counts for this one, too.
        let ignore = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(".dockerignore");
            PathBuf::from(name)
        };
        let _ = fs::copy(ignore(&room.dockerfile), ignore(&dockerfile));
        let goes = |meaning| {
            matches!(
                meaning,
                Meaning::Tag | Meaning::File | Meaning::Target | Meaning::NoCache | Meaning::Once
            )
        };
        let more = ["--tag", &image, "--target", LAST_STAGE].map(OsStr::new);
        let mut command = self.docker_build(room, goes, &dockerfile, &more);
        command.env("BUILDKIT_PROGRESS", "plain");
        let log = room.folder.path().join("log");
        let file = fs::File::create(&log)?;
        command.stderr(file.try_clone()?);
        succeeded(child::start(command, Stdout::File(file))?)
            .map_err(|e| io::Error::new(e.kind(), format!("the last stage: {e}: {}", last_line(&log))))?;
        let brought = match self.way {
            Way::Log => self.import(room, &["--log".as_ref(), log.as_os_str()]).map_err(clipped),
            Way::Stage => self.copy_out(room, &image),
        };
        self.remove(&image);
        brought
    }

    /// Has the folder of each stage, and exports from each what the build was not given.
    fn last_stage(&self) -> String {
        let mut text = format!("\n\nFROM scratch AS {LAST_STAGE}\nENV TMPDIR=/\n");
        for Equipped { stage, folder } in &self.stages {
            let out = match self.way {
                Way::Stage => format!("\"--output\", \"/{stage}.vcache\""),
                Way::Log => "\"--log\"".to_owned(),
            };
            // Owned by root, or what another user of the image has recorded would not be believed.
            let _ = writeln!(
                text,
                "COPY --chown=0:0 --from={stage} {folder}/{FOLDER} /{stage}/\n\
                 RUN [\"/{stage}/{COMMAND}\", \"--cache\", \"/{stage}\", \"export\", \"--delta\", \"/{stage}/{BEFORE}\", \"--calls\", \
                 \"--allow-empty\", {out}]"
            );
        }
        text
    }

    fn copy_out(&self, room: &Room, image: &str) -> io::Result<()> {
        let container = output(self.docker(&["create".as_ref(), image.as_ref(), "/none".as_ref()]))?;
        let container = String::from_utf8_lossy(&container).trim().to_owned();
        let copied = self.stages.iter().try_for_each(|Equipped { stage, .. }| {
            let from = format!("{container}:/{stage}.vcache");
            let to = room.folder.path().join(format!("{stage}.vcache"));
            output(self.docker(&["cp".as_ref(), from.as_ref(), to.as_ref()]))?;
            self.import(room, &[to.as_os_str()])
        });
        let removed = output(self.docker(&["rm".as_ref(), container.as_ref()]));
        copied.and(removed.map(drop))
    }

    fn import(&self, room: &Room, words: &[&OsStr]) -> io::Result<()> {
        let mut import = room.command(&["import"]);
        import.arg(format!("--image={}", self.build.name())).args(words);
        output(import).map(drop)
    }

    /// Loads the image without the cache, under its own names.
    fn free(&self, room: &Room, image: &str) -> io::Result<()> {
        let mut save = child::start(self.docker(&["save".as_ref(), image.as_ref()]), Stdout::Pipe)?;
        let mut strip = room.command(&["image", "strip"]);
        strip.args(self.build.tags.iter().map(|tag| format!("--tag={tag}"))).stdin(pipe(&mut save)?);
        let mut strip = child::start(strip, Stdout::Pipe)?;
        let mut load = self.docker(&["load".as_ref(), "--quiet".as_ref()]);
        load.stdin(pipe(&mut strip)?).stdout(Stdio::null());
        let load = succeeded(child::start(load, Stdout::Inherit)?);
        let ends = [
            ("docker save", succeeded(save)),
            ("vcache image strip", succeeded(strip)),
            ("docker load", load),
        ];
        ends.into_iter().try_for_each(|(what, end)| {
            end.map_err(|e| {
                io::Error::new(e.kind(), format!("the image can't be freed of the cache ({what}): {e}"))
            })
        })
    }

    /// Notes what an image made of these parts asks for.
    fn save(&self, room: &Room) {
        let mut save = room.command(&["image", "save", "--file"]);
        save.arg(&room.dockerfile).args(["--", self.build.name()]).arg(&room.context);
        if let Err(e) = output(save) {
            self.messages.info(e);
        }
    }

    fn remove(&self, image: &str) {
        if let Err(e) = output(self.docker(&["rmi".as_ref(), image.as_ref()])) {
            self.messages.info(e);
        }
    }

    /// docker, on the daemon that builds.
    fn docker(&self, words: &[&OsStr]) -> Command {
        let mut all = self.build.globals.clone();
        all.extend(words.iter().map(OsString::from));
        self.tool.command(self.host, &all)
    }
}

impl Room {
    /// The cache in the context.
    fn cache(&self) -> PathBuf {
        self.mirror.path().join(SHIMS).join(FOLDER)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.vcache);
        command.args(words);
        command
    }
}

fn untransported(error: &io::Error) -> Reason {
    Reason::new(Code::Untransported, error.to_string())
}

fn clipped(error: io::Error) -> io::Error {
    io::Error::other(format!(
        "{error}\nBuildKit keeps 2 MiB of the output of a step, and 200 KiB a second, unless its daemon's environment says \
         BUILDKIT_STEP_LOG_MAX_SIZE=-1 and BUILDKIT_STEP_LOG_MAX_SPEED=-1"
    ))
}

fn pipe(running: &mut Running) -> io::Result<Stdio> {
    running.stdout().map(Stdio::from).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
}

fn succeeded(running: Running) -> io::Result<()> {
    match running.wait()? {
        status if status.success() => Ok(()),
        // Ctrl-C, which comes to all of them: nobody wants the build any more.
        status
            if matches!(status.signal(), Some(2 | 15)) || status.code() == Some(i32::from(INTERRUPTED)) =>
        {
            Err(io::Error::new(io::ErrorKind::Interrupted, status.to_string()))
        }
        status => Err(io::Error::other(status.to_string())),
    }
}

/// What it prints; its last words in the error where it fails.
fn output(mut command: Command) -> io::Result<Vec<u8>> {
    let program = command.get_program().to_owned();
    let failed = |what: String| io::Error::other(format!("{}: {what}", Path::new(&program).display()));
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    // Of an import by log what is lost stands in its result.
    let words = [output.stderr, output.stdout].map(|words| String::from_utf8_lossy(&words).trim().to_owned());
    Err(failed(
        words.into_iter().find(|words| !words.is_empty()).unwrap_or_else(|| output.status.to_string()),
    ))
}

fn last_line(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).into_owned();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}
