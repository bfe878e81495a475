//! Repositories of which the cache has been told something by others, or too little: an index of a pack that lies, a commit that only another cache has, an
//! origin that has only a part of its history.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use vcache_store::{Config, Key, Record, Sha256Id, Store};
use vcache_tests::git::World;

/// Later than whatever is fetched while this runs, in seconds since 1970.
const LATER: u64 = 4_000_000_000;

/// The file whose content is forged.
const FILE: &str = "dir/file";

/// An index (gitformat-pack(5), version 2) in which the object `old` has the name `new`; its checksums are right.
fn renamed(index: &[u8], old: &[u8; 20], new: &[u8; 20]) -> Vec<u8> {
    const HEAD: usize = 8;
    const NAMES: usize = HEAD + 256 * 4;
    let word = |at: usize| u32::from_be_bytes(index[at..at + 4].try_into().expect("four bytes"));
    let count = word(NAMES - 4) as usize;
    let (crcs, offsets) = (NAMES + count * 20, NAMES + count * 24);
    let mut entries: Vec<(Vec<u8>, u32, u32)> = (0..count)
        .map(|at| {
            let name = &index[NAMES + at * 20..][..20];
            let name = if name == old { new } else { name };
            (name.to_vec(), word(crcs + at * 4), word(offsets + at * 4))
        })
        .collect();
    entries.sort();
    let mut forged = index[..HEAD].to_vec();
    for byte in 0..=255 {
        let until = entries.iter().filter(|(name, ..)| name[0] <= byte).count();
        forged.extend((until as u32).to_be_bytes());
    }
    entries.iter().for_each(|(name, ..)| forged.extend(name));
    entries.iter().for_each(|(_, crc, _)| forged.extend(crc.to_be_bytes()));
    entries.iter().for_each(|(.., offset)| forged.extend(offset.to_be_bytes()));
    forged.extend(&index[index.len() - 40..index.len() - 20]);
    forged
}

fn bytes(name: &str) -> [u8; 20] {
    let byte = |at: usize| u8::from_str_radix(&name[at * 2..at * 2 + 2], 16).expect("hexadecimal digits");
    std::array::from_fn(byte)
}

/// Puts content into a cache, as a part of what it knows of a repository.
fn put(store: &Store, url: &str, part: &str, content: &[u8]) -> (Sha256Id, u64) {
    let key = Key::git(url, part);
    let mut file = tempfile::tempfile().expect("make a file");
    file.write_all(content).and_then(|()| file.rewind()).expect("write a file");
    let ingested = store.ingest(&mut file, false).expect("take content in");
    let (sha256, size) = (ingested.id, ingested.size);
    ingested.publish(url).expect("publish content");
    let text = serde_json::json!({
        "key": key.text(), "sha256": sha256, "size": size, "origin": url, "fetched": LATER,
    });
    let record: Record = serde_json::from_value(text).expect("a record");
    store.publish(&key, &record).expect("publish a record");
    (sha256, size)
}

/// Replaces what the cache has of `plain.git` by packs in which a file of `main` has other content under its own name.
fn forge(world: &World, url: &str) {
    let git = |words: &[&str]| {
        let done = world.real(&[&["-C", "evil"], words].concat()).finish();
        done.expect_code(0);
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    };
    let from = world.origin.root().join("plain.git").display().to_string();
    world.real(&["clone", "-q", "--mirror", &from, "evil"]).finish().expect_code(0);
    let real = git(&["rev-parse", &format!("main:{FILE}")]);
    fs::write(world.sandbox.work().join("evil/text"), "forged\n").expect("write a file");
    let forged = git(&["hash-object", "-w", "text"]);
    let listed = git(&["rev-list", "--objects", "--all"]);
    let names = listed.lines().filter_map(|line| line.split(' ').next()).filter(|name| *name != real);
    let names: String = names.chain([forged.as_str()]).map(|name| format!("{name}\n")).collect();
    fs::write(world.sandbox.work().join("evil/names"), names).expect("write a file");
    let script = ["sh", "-c", "cd evil && git pack-objects -q out <names"];
    let pack = String::from_utf8_lossy(&world.sandbox.real(script).finish().stdout).trim().to_owned();
    let read = |kind: &str| {
        fs::read(world.sandbox.work().join(format!("evil/out-{pack}.{kind}"))).expect("read a pack")
    };
    let mut idx = renamed(&read("idx"), &bytes(&forged), &bytes(&real));
    let unsigned = world.sandbox.work().join("evil/unsigned");
    fs::write(&unsigned, &idx).expect("write a file");
    let sum = world.sandbox.real(["sha1sum".as_ref(), unsigned.as_os_str()]).finish();
    idx.extend(bytes(&String::from_utf8_lossy(&sum.stdout)[..40]));

    let store =
        Store::open(&Config { dir: world.sandbox.cache(), ..Config::default() }).expect("open the cache");
    let key = url.trim_end_matches(".git");
    let record = store.lookup(&Key::git(key, "state")).expect("a readable cache").expect("a state");
    let blob = store.find(&record.sha256.into()).expect("a readable cache").expect("its content");
    let mut state: serde_json::Value =
        serde_json::from_slice(&fs::read(blob.path()).expect("read a blob")).expect("a state");
    let (pack_id, pack_size) = put(&store, key, &format!("pack {pack}"), &read("pack"));
    let (idx_id, idx_size) = put(&store, key, &format!("idx {pack}"), &idx);
    state["packs"] = serde_json::json!([
        {"name": pack, "pack": pack_id, "pack_size": pack_size, "idx": idx_id, "idx_size": idx_size}
    ]);
    put(&store, key, "state", state.to_string().as_bytes());
}

#[test]
fn an_index_of_another_making_is_not_believed() {
    let Some(world) = World::new("an_index_of_another_making_is_not_believed") else { return };
    let url = world.url("plain.git");
    let head = world.origin.id("plain.git", "main");
    world.sandbox.pin_git(&format!("{url}=={head}\n"));
    world.clone(&["-q"], &url).expect_code(0);
    let file = fs::read(world.sandbox.work().join("a").join(FILE)).expect("read a file");
    world.sandbox.clear_work();
    forge(&world, &url);
    let vcache = vcache_testkit::bin_dir().join("vcache");
    let verified = world.sandbox.real([vcache.as_os_str(), "verify".as_ref()]);
    let verified = verified.env("VCACHE_DIR", world.sandbox.cache()).finish();
    verified.expect_code(1);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(said.contains("is not its own"), "{said}");
    let done = world.git(&["clone", "-q", &url, "b"]).env("VCACHE_OFFLINE", "y").finish();
    done.expect_code(118);
    assert!(done.stderr_text().contains("is not its own"), "{}", done.stderr_text());
    for _ in ["from the origin", "from the cache"] {
        world.clone(&["-q"], &url).expect_code(0);
        world.expect_clone(&head);
        assert_eq!(fs::read(world.sandbox.work().join("a").join(FILE)).expect("read a file"), file);
    }
}

/// What an older state here hides in a cache behind this one.
#[test]
fn a_commit_that_only_a_lower_cache_has_is_found() {
    let Some(mut world) = World::new("a_commit_that_only_a_lower_cache_has_is_found") else { return };
    let url = world.url("moved.git");
    let old = world.origin.id("moved.git", "main");
    world.clone(&["-q"], &url).expect_code(0);
    let new = world.origin.push("moved.git", "main", "later");
    let lower = world.sandbox.root().join("lower");
    world.sandbox.clear_work();
    world.git(&["clone", "-q", &url, "a"]).env("VCACHE_DIR", &lower).finish().expect_code(0);
    world.origin.stop();
    for (pin, lower, code) in [(&old, "", 0), (&new, "", 118), (&new, "lower", 0), (&new, "", 0)] {
        world.sandbox.pin_git(&format!("{url}=={pin}\n"));
        world.sandbox.clear_work();
        let lower = if lower.is_empty() {
            String::new()
        } else {
            world.sandbox.root().join(lower).display().to_string()
        };
        let run =
            world.git(&["clone", "-q", &url, "a"]).env("VCACHE_OFFLINE", "y").env("VCACHE_LOWER", lower);
        run.finish().expect_code(code);
        if code == 0 {
            world.expect_clone(pin);
        }
    }
}

#[test]
fn an_origin_with_a_part_of_its_history_is_served_as_it_is() {
    let Some(mut world) = World::new("an_origin_with_a_part_of_its_history_is_served_as_it_is") else {
        return;
    };
    let full = format!("file://{}", world.origin.root().join("plain.git").display());
    let part = world.origin.root().join("part.git").display().to_string();
    world.real(&["clone", "-q", "--bare", "--depth", "2", &full, &part]).finish().expect_code(0);
    let url = world.url("part.git");
    world.real(&["clone", "-q", &url, "a"]).finish().expect_code(0);
    let count = world.ask(&["rev-list", "--count", "--all"]);
    for turn in 0..3 {
        if turn == 2 {
            world.origin.stop();
        }
        world.clone(&["-q"], &url).expect_code(0);
        assert_eq!(world.ask(&["rev-list", "--count", "--all"]), count);
        if world.real(&["clone", "-q", "--reject-shallow", &part, "b"]).finish().code == 128 {
            world.git(&["clone", "-q", "--reject-shallow", &url, "b"]).finish().expect_code(128);
        }
    }
}

#[test]
fn packs_are_as_private_as_git_makes_them() {
    let Some(world) = World::new("packs_are_as_private_as_git_makes_them") else { return };
    let url = world.url("plain.git");
    let mode = |place: &Path| {
        let packs = fs::read_dir(place.join(".git/objects/pack")).expect("list packs").flatten();
        let pack =
            packs.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "pack"));
        fs::metadata(pack.expect("a pack")).expect("look at a pack").permissions().mode() & 0o7777
    };
    for umask in ["022", "077"] {
        world.sandbox.clear_work();
        let with = ["sh", "-c", "umask $0; exec \"$@\"", umask];
        world.real(&["clone", "-q", &url, "a"]).wrapped(with).finish().expect_code(0);
        world.git(&["clone", "-q", &url, "b"]).wrapped(with).finish().expect_code(0);
        assert_eq!(mode(&world.sandbox.work().join("b")), mode(&world.sandbox.work().join("a")), "{umask}");
    }
}
