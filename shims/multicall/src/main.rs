//! `vcache-shim`: argv[0] to the family of tools.

fn main() {}
