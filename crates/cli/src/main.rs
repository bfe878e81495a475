//! The `vcache` command.

fn main() {}
