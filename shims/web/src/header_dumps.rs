//! Where curl's `-D` writes the headers: one file for each operation of a call, since curl begins the file anew with each.
//!
//! The files lie in memory and curl gets them as `/proc/self/fd/N`, so that neither a full disk nor a folder that can't be
//! written to gets between curl and its download. Without `/proc` there are none, and the answers' statuses stay unknown.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};

/// The files for one run.
pub(crate) struct HeaderDumps<'a> {
    /// Where in argv the options of each operation begin ([`crate::request::Call::option_slots`]).
    slots: &'a [usize],
    files: Vec<File>,
}

impl HeaderDumps<'_> {
    pub(crate) fn new(slots: &[usize]) -> HeaderDumps<'_> {
        // Not closed on exec: curl is to have it under the same number.
        let make = |_| memfd_create(c"vcache-headers", MemfdFlags::empty()).ok().map(File::from);
        let files = if Path::new("/proc/self/fd").is_dir() {
            slots.iter().map_while(make).collect()
        } else {
            Vec::new()
        };
        HeaderDumps { slots, files }
    }

    /// The words after argv[0], with `-D FILE` put in at each slot.
    pub(crate) fn put_into(&self, argv: &[OsString]) -> Vec<OsString> {
        let mut args = Vec::with_capacity(argv.len() + 2 * self.slots.len());
        for index in 1..=argv.len() {
            for (operation, _) in self.slots.iter().enumerate().filter(|(_, slot)| **slot == index) {
                if let Some(file) = self.files.get(operation) {
                    args.extend(["-D".into(), format!("/proc/self/fd/{}", file.as_raw_fd()).into()]);
                }
            }
            args.extend(argv.get(index).cloned());
        }
        args
    }

    /// What was written, in the order of the operations; that of one that was not begun is empty.
    pub(crate) fn read(self) -> Vec<u8> {
        let mut text = Vec::new();
        for mut file in self.files {
            // curl has opened it anew, so this handle still stands at its beginning.
            let _ = file.read_to_end(&mut text);
        }
        text
    }
}
