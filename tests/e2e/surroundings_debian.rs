//! To come.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests own their files")]
use vcache_tests::debian::World;
#[test]
fn dbg() {
    let Some(mut world) = World::new("x") else { return };
    world.link_shims();
    world.sandbox.clear();
    world.build(&["apt-get update", "apt-get install -y hello"]);
    let a = world.versioned("apt-get download hello libhello").env("VCACHE_STRICT", "y").finish();
    eprintln!(
        "{} {} {:?} {}",
        a.code,
        a.stderr_text(),
        vcache_tests::debian::files(&world.sandbox.work()),
        world.recorded("deb")
    );
    world.mirror.move_on();
    world.pin("deb", "hello==1.0-1\n");
    world.sandbox.clear_work();
    world.build(&["apt-get update"]);
    let a = world.versioned("apt-get download hello").finish();
    eprintln!(
        "{} {} {:?} {}",
        a.code,
        a.stderr_text(),
        vcache_tests::debian::files(&world.sandbox.work()),
        world.recorded("deb")
    );
}
