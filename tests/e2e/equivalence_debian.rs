//! apt.
