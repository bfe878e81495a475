//! git: rows of command lines, each run by the real git and by the shim, and everything that a repository shows compared.

mod legs;
mod row;
mod state;
mod world;

pub use legs::check;
pub use row::{Expect, Row, cached, live, local, passed};
pub use world::World;
