//! What a row left: the picture of the root, the files in the working folder, home and temporary folders.

use std::time::SystemTime;

use vcache_testkit::Tree;
use vcache_testkit::debian::Picture;

use super::World;

/// Everything that a row left.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) picture: Picture,
    /// Working folder, home, temporary folder of the sandbox and of the root.
    pub(super) trees: [(&'static str, Tree); 4],
}

impl State {
    pub(super) fn read(world: &World, since: SystemTime, ignored: &[&str]) -> State {
        let picture = Picture::of(&world.root);
        let picture = ignored.iter().fold(picture, |picture, section| picture.without(section));
        let tree = |dir: &std::path::Path| Tree::read(dir, since);
        let trees = [
            ("", tree(&world.sandbox.work())),
            ("~/", tree(&world.sandbox.home())),
            ("$TMPDIR/", tree(&world.root.dir().join("tmp"))),
            ("tmp/", tree(&world.sandbox.tmp())),
        ];
        State { picture, trees }
    }
}
