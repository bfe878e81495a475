//! The archive and the root of the kit, by the real apt: before the shims are tried by them, they have to be right themselves.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests own their files")]

use vcache_testkit::debian::{DebianMirror, Picture, SandboxUser, Signing, Sources, Trust};
use vcache_testkit::{Fault, Need, Origin, TlsFolder, missing, tools};
use vcache_tests::debian::{Setup, World, stock};

/// What apt said on both streams.
fn words(world: &World, line: &str, code: i32) -> String {
    let done = world.real(line).finish();
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), done.stderr_text());
    assert_eq!((done.code, done.timed_out), (code, false), "{line}: {text}");
    text
}

/// The paths that were asked for since the log was taken.
fn asked(world: &World) -> Vec<String> {
    world.mirror.origin().counts().into_keys().collect()
}

#[test]
fn apt_believes_every_kind_of_archive_and_installs_from_it() {
    let Some(mut world) = World::new("apt_believes_every_kind_of_archive_and_installs_from_it") else {
        return;
    };
    for form in [Sources::OneLine, Sources::Deb822] {
        for suite in ["stable", "flat"] {
            for (signing, trust) in [
                (Signing::InRelease, Trust::Parts),
                (Signing::InRelease, Trust::SignedBy),
                (Signing::ReleaseGpg, Trust::SignedBy),
                (Signing::Unsigned, Trust::Yes),
            ] {
                let setup = Setup { form, suites: vec![suite], signing, trust, ..Setup::default() };
                world.prepare(&setup);
                let said = words(&world, "apt-get update", 0);
                assert!(!said.contains("is not signed"), "{setup:?}: {said}");
                words(&world, "apt-get install -y tool", 0);
                let picture = Picture::of(&world.root);
                let version = if suite == "flat" { "1.0+flat" } else { "1.0" };
                assert_eq!(
                    picture.section("packages"),
                    [format!("install ok installed: tool:all {version}")]
                );
                assert!(world.root.dir().join("usr/share/tool/payload").exists());
            }
        }
    }
}

#[test]
fn archives_that_apt_must_not_believe_are_not_believed() {
    let Some(mut world) = World::new("archives_that_apt_must_not_believe_are_not_believed") else { return };
    for (setup, expected) in [
        (Setup { trust: Trust::Nothing, ..Setup::default() }, "NO_PUBKEY"),
        (Setup { signing: Signing::Unsigned, ..Setup::default() }, "is not signed"),
        (Setup { expired: true, ..Setup::default() }, "is expired (invalid since"),
        (Setup { manner: "/auth", ..Setup::default() }, "401  Unauthorized"),
    ] {
        world.prepare(&setup);
        let said = words(&world, "apt-get update", 100);
        assert!(said.contains(expected), "{setup:?}: {said}");
        let picture = Picture::of(&world.root);
        assert!(
            !picture.section("lists").iter().any(|line| line.contains("Release")),
            "{setup:?}: {picture:#?}"
        );
    }
}

#[test]
fn indexes_are_asked_for_by_hash_where_they_are_so() {
    let Some(mut world) = World::new("indexes_are_asked_for_by_hash_where_they_are_so") else { return };
    for by_hash in [true, false] {
        world.prepare(&Setup { by_hash, ..Setup::default() });
        world.mirror.origin().take_log();
        words(&world, "apt-get update", 0);
        let paths = asked(&world);
        assert_eq!(paths.iter().any(|path| path.contains("/by-hash/SHA256/")), by_hash, "{paths:#?}");
        assert_eq!(paths.iter().any(|path| path.ends_with("/Packages.xz")), !by_hash, "{paths:#?}");
    }
}

#[test]
fn sources_changelogs_and_build_dependencies_are_there() {
    let Some(world) = World::new("sources_changelogs_and_build_dependencies_are_there") else { return };
    world.done(&["apt-get update", "apt-get source hello tool"]);
    for file in
        ["hello-1.0/debian/control", "hello-1.0/README", "hello_1.0.orig.tar.gz", "tool-1.0/debian/rules"]
    {
        assert!(world.sandbox.work().join(file).exists(), "{file}");
    }
    let said = words(&world, "apt-get changelog hello", 0);
    assert!(said.contains("hello (1.0-1) stable; urgency=medium"), "{said}");
    let said = words(&world, "apt-get build-dep --print-uris -y hello", 0);
    let deb = format!(
        "'{}/pool/main/d/debhelper/debhelper_13.11_all.deb' debhelper_13.11_all.deb ",
        world.mirror.url()
    );
    assert!(said.contains(&deb), "{said}");
    world.done(&["apt-get build-dep -y hello"]);
    let installed = Picture::of(&world.root);
    let names: Vec<&str> =
        installed.section("packages").iter().filter_map(|line| line.split([' ', ':']).nth(4)).collect();
    assert_eq!(names, ["build-essential", "debhelper", "tool", "two"]);
}

#[test]
fn a_second_update_asks_only_whether_something_is_newer() {
    let Some(world) = World::new("a_second_update_asks_only_whether_something_is_newer") else { return };
    world.done(&["apt-get update"]);
    world.mirror.origin().take_log();
    let said = words(&world, "apt-get update", 0);
    assert!(said.starts_with("Hit:1 "), "{said}");
    let statuses: Vec<u16> = world.mirror.origin().take_log().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [304]);
}

#[test]
fn after_the_archive_has_moved_on_the_old_is_gone_and_the_new_is_seen() {
    let Some(mut world) = World::new("after_the_archive_has_moved_on_the_old_is_gone_and_the_new_is_seen")
    else {
        return;
    };
    world.done(&["apt-get update"]);
    world.mirror.move_on();
    assert!(words(&world, "apt-get install -y hello", 100).contains("404  Not Found"));
    world.done(&["apt-get update"]);
    assert!(words(&world, "apt-cache policy hello", 0).contains("Candidate: 1.1-1"));
    world.done(&["apt-get install -y hello", "apt-get source -d hello"]);
    assert!(world.sandbox.work().join("hello_1.1-1.dsc").exists());
}

#[test]
fn differences_are_taken_instead_of_indexes() {
    let Some(mut world) = World::new("differences_are_taken_instead_of_indexes") else { return };
    let limit = "Acquire::PDiffs::SizeLimit \"100000\";";
    world.prepare(&Setup { diffs: true, configuration: vec![limit], ..Setup::default() });
    world.done(&["apt-get update"]);
    world.mirror.move_on();
    world.mirror.origin().take_log();
    world.done(&["apt-get update"]);
    let paths = asked(&world);
    assert!(
        paths.iter().any(|path| path.ends_with("/Packages.diff/2020-01-01-0000.00.gz")
            || path.contains("/Packages.diff/by-hash/")),
        "{paths:#?}"
    );
    assert!(
        !paths.iter().any(|path| path.contains("/binary-") && !path.contains("/Packages.diff/")),
        "{paths:#?}"
    );
    assert!(words(&world, "apt-cache policy hello", 0).contains("Candidate: 1.1-1"));
}

#[test]
fn faults_are_what_apt_takes_them_for() {
    let Some(mut world) = World::new("faults_are_what_apt_takes_them_for") else { return };
    let elsewhere = Origin::start();
    elsewhere.mount("/there", &world.mirror.folder().join("pool"));
    let deb = world.mirror.deb_path("tool");
    let moved = elsewhere.url() + &deb.replace("/debian/pool", "/there");
    let right = std::fs::read(world.mirror.deb_into("tool", &world.sandbox.work())).expect("a deb");
    for (fault, code, expected) in [
        (Fault::Bytes(vec![b'x'; right.len()]), 100, "Hash Sum mismatch"),
        (Fault::Bytes(b"short".to_vec()), 100, "File has unexpected size"),
        (Fault::Truncated(5_000), 100, "Remote end closed connection"),
        (Fault::Status(404), 100, "404  Not Found"),
        (Fault::Status(500), 100, "500  Internal Server Error"),
        (Fault::Hang, 100, "Connection timed out"),
        (Fault::Redirect(moved), 0, "Fetched "),
    ] {
        world.prepare(&Setup::default());
        world.done(&["apt-get update"]);
        world.mirror.origin().fault(&deb, fault.clone());
        let line = "apt-get install -y -o Acquire::http::Timeout=1 -o Acquire::Retries=0 tool";
        let said = words(&world, line, code);
        assert!(said.contains(expected), "{fault:?}: {said}");
    }
    assert_eq!(elsewhere.take_log().len(), 1);
    world.prepare(&Setup::default());
    world.mirror.stop();
    assert!(words(&world, "apt-get update -o Acquire::Retries=0", 0).contains("Connection refused"));
}

#[test]
fn a_part_that_is_there_is_not_fetched_again() {
    let Some(world) = World::new("a_part_that_is_there_is_not_fetched_again") else { return };
    world.done(&["apt-get update"]);
    let deb = std::fs::read(world.mirror.deb_into("big", &world.sandbox.work())).expect("a deb");
    let part =
        "var/cache/apt/archives/partial/big_1.0_amd64.deb".replace("amd64", vcache_testkit::debian::native());
    world.root.write(&part, &deb[..100_000]);
    let file = std::fs::File::options().write(true).open(world.root.dir().join(&part)).expect("the part");
    let date = std::time::Duration::from_secs(vcache_testkit::debian::FIRST_DATE);
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + date).expect("set a time");
    world.mirror.origin().take_log();
    world.done(&["apt-get install -y big"]);
    let log = world.mirror.origin().take_log();
    let answers: Vec<_> = log.iter().map(|request| (request.header("range"), request.status)).collect();
    assert_eq!(answers, [(Some("bytes=100000-"), 206)]);
}

#[test]
fn methods_become_the_user_of_the_sandbox() {
    if missing("methods_become_the_user_of_the_sandbox", &[Need::Root]) {
        return;
    }
    let Some(mut world) = World::new("methods_become_the_user_of_the_sandbox") else { return };
    world.prepare(&Setup { user: SandboxUser::Apt, ..Setup::default() });
    let said = words(&world, "apt-get update", 0) + &words(&world, "apt-get install -y hello", 0);
    assert!(!said.contains("unsandboxed"), "{said}");
    let owner = |path: &str| {
        use std::os::unix::fs::MetadataExt;
        world.root.dir().join(path).metadata().expect("a folder").uid()
    };
    assert_ne!(owner("var/lib/apt/lists/partial"), 0);
    assert_ne!(owner("var/cache/apt/archives/partial"), 0);
}

#[test]
fn anybody_can_have_a_root() {
    if missing("anybody_can_have_a_root", &[Need::Root, Need::Tool("setpriv")]) {
        return;
    }
    let Some(world) = World::new("anybody_can_have_a_root") else { return };
    world.root.give_to(65_534, 65_534);
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    for line in ["apt-get update", "apt-get install -y hello", "apt-get remove -y hello-doc"] {
        let done = world.real(line).wrapped(nobody).cwd(world.root.dir()).finish();
        assert_eq!(done.code, 0, "{line}: {}", done.stderr_text());
    }
    assert!(world.root.dir().join("usr/share/hello/payload").exists());
}

#[test]
fn a_configuration_that_includes_the_roots_own_may_name_a_method() {
    let Some(world) = World::new("a_configuration_that_includes_the_roots_own_may_name_a_method") else {
        return;
    };
    let said = world.root.dir().join("said");
    let body = format!("echo called >>{}\nexec /usr/lib/apt/methods/http\n", said.display());
    let method = tools::script(&world.root.dir().join("methods"), "mine", &body);
    let config = format!(
        "#include \"{}\";\nDir::Bin::Methods::http \"{}\";\n",
        world.root.apt_conf().display(),
        method.display()
    );
    world.root.write("mine.conf", config);
    let run = world.real("apt-get update").env("APT_CONFIG", world.root.dir().join("mine.conf"));
    run.finish().expect_code(0);
    assert!(world.root.read("said").starts_with("called\n"));
    assert!(Picture::of(&world.root).section("lists").len() > 3);
}

#[test]
fn packages_can_be_there_before() {
    let Some(world) = World::new("packages_can_be_there_before") else { return };
    world.root.install(&[vcache_testkit::debian::Package::new("tool", "0.9")]);
    let picture = Picture::of(&world.root);
    assert_eq!(
        picture.section("packages"),
        [format!("install ok installed: tool:{} 0.9", vcache_testkit::debian::native())]
    );
    assert!(picture.section("dpkg.log").is_empty());
    let before = Picture::of(&world.root);
    world.done(&["apt-get update", "apt-get upgrade -y"]);
    let differences = Picture::of(&world.root).differences(&before);
    assert!(
        differences.contains(&"packages: + install ok installed: tool:all 1.0".to_owned()),
        "{differences:#?}"
    );
}

#[test]
fn two_archives_have_the_same_bytes() {
    if missing("two_archives_have_the_same_bytes", &DebianMirror::NEEDS) {
        return;
    }
    let (one, mut other) = (DebianMirror::start(stock()), DebianMirror::start(Vec::new()));
    other.publish(stock());
    assert_eq!(one.digests(), other.digests());
    other.move_on();
    assert!(!other.digests().contains_key(std::path::Path::new("pool/main/t/tool/tool_1.0_all.deb")));
    assert!(other.digests().contains_key(std::path::Path::new("pool/main/t/tool/tool_1.1_all.deb")));
}

#[test]
fn apt_reaches_the_archive_over_https_with_its_certificate_alone() {
    let test = "apt_reaches_the_archive_over_https_with_its_certificate_alone";
    if missing(test, &TlsFolder::NEEDS) {
        return;
    }
    let Some(mut world) = World::new(test) else { return };
    world.prepare(&Setup { https: true, ..Setup::default() });
    world.done(&["apt-get update", "apt-get install -y tool"]);
    assert_eq!(asked(&world), [""; 0]);
    let server = world.tls.as_ref().and_then(TlsFolder::server).expect("it runs");
    assert!(server.requests().contains(&"GET /debian/pool/main/t/tool/tool_1.0_all.deb 200".to_owned()));
    let said = words(&world, "apt-get update -o Acquire::https::CaInfo=/etc/passwd -o Acquire::Retries=0", 0);
    assert!(said.contains("Failed to fetch https://"), "{said}");
    world.stop();
    assert!(words(&world, "apt-get update -o Acquire::Retries=0", 0).contains("Connection refused"));
}
