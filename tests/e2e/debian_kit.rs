//! The archive and the root of the kit, by the real apt: before the shims are tried by them, they have to be right themselves.

use vcache_testkit::debian::Picture;
use vcache_tests::debian::{Setup, World};

#[test]
fn first() {
    let Some(mut world) = World::new("first") else { return };
    world.prepare(&Setup::default());
    for line in [
        "apt-get update",
        "apt-get install -y hello",
        "apt-get download tool",
        "apt-get source hello tool",
        "apt-get changelog hello",
        "apt-get build-dep -y hello",
        "apt-cache policy hello",
        "apt update",
        "apt install -y two",
    ] {
        let done = world.real(line).finish();
        println!(
            "== {line}: {} in {:?}\n{}--\n{}",
            done.code,
            done.took,
            String::from_utf8_lossy(&done.stdout),
            done.stderr_text()
        );
    }
    println!("{:#?}", Picture::of(&world.root));
    println!("{:#?}", world.mirror.origin().counts());
}
