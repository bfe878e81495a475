//! Children of a carried build: each gets the signals that come to us, and says what went wrong in its error.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};

use vcache_shim::child::{self, Running, Stdout};

/// The last words of a log are looked for in so many bytes of it.
const TAIL: u64 = 4096;

/// What it prints.
///
/// # Errors
/// It can't be started, or does not succeed; with its last words.
pub(crate) fn output(mut command: Command) -> io::Result<Vec<u8>> {
    let program = Path::new(command.get_program()).display().to_string();
    let failed = |what: String| io::Error::other(format!("{program}: {what}"));
    let mut files = [tempfile::tempfile()?, tempfile::tempfile()?];
    command.stdin(Stdio::null()).stderr(files[1].try_clone()?);
    let stdout = Stdout::File(files[0].try_clone()?);
    let status = child::start(command, stdout).and_then(Running::wait).map_err(|e| failed(e.to_string()))?;
    if status.success() {
        let mut text = Vec::new();
        files[0].rewind()?;
        files[0].read_to_end(&mut text)?;
        return Ok(text);
    }
    // Of an import by log what is lost stands in its result.
    let words = files.iter_mut().rev().find_map(|file| last_words(file, false));
    Err(failed(words.unwrap_or_else(|| status.to_string())))
}

/// Waits until it has succeeded.
///
/// # Errors
/// It has not: how it ended.
pub(crate) fn succeeded(running: Running) -> io::Result<()> {
    match running.wait()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(status.to_string())),
    }
}

/// Each reads what the one before has written; the last has no output. `commands` have names for people.
///
/// # Errors
/// One can't be started, or some do not succeed (who fails takes its neighbours along); they are named.
pub(crate) fn pipeline(commands: Vec<(&str, Command)>) -> io::Result<()> {
    let last = commands.len().saturating_sub(1);
    let mut running = Vec::new();
    let mut input = Stdio::null();
    for (at, (name, mut command)) in commands.into_iter().enumerate() {
        command.stdin(std::mem::replace(&mut input, Stdio::null())).stdout(Stdio::null());
        let stdout = if at == last { Stdout::Inherit } else { Stdout::Pipe };
        let mut started = child::start(command, stdout);
        if let Ok(child) = &mut started {
            input = child.stdout().map_or_else(Stdio::null, Stdio::from);
        }
        let is_started = started.is_ok();
        running.push((name, started));
        // Those before it have no reader then, and end.
        if !is_started {
            break;
        }
    }
    drop(input);
    // From the end, so that nobody waits for a reader that has gone.
    let ends = running
        .into_iter()
        .rev()
        .filter_map(|(name, started)| Some((name, started.and_then(succeeded).err()?)));
    let failed: Vec<String> = ends.map(|(name, e)| format!("{name}: {e}")).collect();
    if failed.is_empty() { Ok(()) } else { Err(io::Error::other(failed.join("; "))) }
}

/// The last line of a log that says something, or all of its tail.
pub(crate) fn last_words(log: &mut File, is_line: bool) -> Option<String> {
    let length = log.metadata().ok()?.len();
    log.seek(io::SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut text = Vec::new();
    log.read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let line = text.lines().last().filter(|_| is_line).unwrap_or(&text);
    Some(line.to_owned()).filter(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_child_prints_or_why_it_failed() {
        assert_eq!(output(shell("echo words; echo other >&2")).unwrap(), b"words\n");
        for (script, words) in [
            ("echo out; echo err >&2; exit 3", "err"),
            ("echo out; exit 3", "out"),
            ("exit 3", "exit status: 3"),
            ("kill -9 $$", "signal: 9"),
        ] {
            let message = output(shell(script)).unwrap_err().to_string();
            assert!(message.starts_with("sh: ") && message.contains(words), "{message}");
        }
        assert!(output(Command::new("/none")).unwrap_err().to_string().starts_with("/none: "));
    }

    #[test]
    fn a_pipeline_names_who_failed() {
        let folder = tempfile::tempdir().unwrap();
        let end = folder.path().join("end");
        let write = format!("cat >{}", end.display());
        pipeline(vec![("a", shell("echo x")), ("b", shell("tr x y")), ("c", shell(&write))]).unwrap();
        assert_eq!(std::fs::read(&end).unwrap(), b"y\n");
        for (scripts, name) in [
            (["exit 1", "cat", "cat"], "a: "),
            (["echo", "exit 1", "cat"], "b: "),
            (["echo", "cat", "exit 1"], "c: "),
        ] {
            let commands = ["a", "b", "c"].into_iter().zip(scripts.map(shell)).collect();
            let message = pipeline(commands).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
        let none = pipeline(vec![("a", shell("echo")), ("b", Command::new("/none"))]);
        assert!(none.unwrap_err().to_string().starts_with("b: "));
    }
}
