//! What happened, one JSON line an event, in a file per user and UTC day: `events/1000-2024-02-29.jsonl`. A line is
//! appended by a single `write`, so lines of racing processes do not mix. Old files go by [`crate::gc`].

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::layer::{entries, open_regular, unix_now};
use crate::open::Keeping;
use crate::{Error, Store};

impl Store {
    /// Appends one line (without its end) to today's file, or tells the tiers where things are kept there. Line ends inside it are turned into spaces.
    ///
    /// # Errors
    /// [`Error::Io`]; also when something that is not a plain file of ours has the file's name.
    pub fn append_event(&self, line: &str) -> Result<(), Error> {
        if self.keeping == Keeping::Tiers {
            self.tiers.iter().for_each(|tier| tier.event(line));
            return Ok(());
        }
        let path = self.own.layout.event_file(self.own.uid(), &utc_date(unix_now()));
        let file = match open_for_append(&path) {
            Err(Errno::NOENT) => {
                let dir = self.own.layout.events();
                self.own.make_dir(&dir).map_err(Error::io("make", &dir))?;
                open_for_append(&path)
            }
            other => other,
        };
        let mut file = file.map_err(|e| Error::io("append to", &path)(e.into()))?;
        // Appending through a hard link or someone's planted file would be writing where we were not asked to.
        let metadata = file.metadata().map_err(Error::io("look at", &path))?;
        if !metadata.is_file() || metadata.uid() != self.own.uid() || metadata.nlink() != 1 {
            return Err(Error::io("append to", &path)(Errno::PERM.into()));
        }
        let whole = format!("{}\n", line.replace(['\n', '\r'], " "));
        file.write_all(whole.as_bytes()).map_err(Error::io("append to", &path))
    }

    /// All lines of all users' files, oldest file of each user first. A file that cannot be read is left out.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed.
    pub fn events(&self) -> Result<impl Iterator<Item = String> + use<>, Error> {
        let paths = entries(&self.own.layout.events())?;
        Ok(paths.into_iter().filter_map(|path| open_regular(&path).ok()?).flat_map(lines))
    }
}

fn lines(file: File) -> impl Iterator<Item = String> {
    let regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let pieces = BufReader::new(file).split(b'\n').map_while(Result::ok).take_while(move |_| regular);
    pieces.map(|line| String::from_utf8_lossy(&line).into_owned())
}

fn open_for_append(path: &Path) -> Result<File, Errno> {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o666)).map(File::from)
}

/// The UTC date of a time in seconds since 1970, as `YYYY-MM-DD`. Civil-from-days by 400-year eras that start in March,
/// so that the leap day is the last of its year.
fn utc_date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::utc_date;

    #[test]
    fn dates() {
        let rows = [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_709_251_200, "2024-03-01"),
            (1_735_689_599, "2024-12-31"),
            (4_107_542_400, "2100-03-01"),
        ];
        for (seconds, date) in rows {
            assert_eq!(utc_date(seconds), date);
        }
    }
}
