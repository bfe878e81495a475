//! Exit statuses of our own: numbers that no tool behind a shim uses, stable, so that scripts can tell them apart.

/// An unpinned request in strict mode (`VCACHE_STRICT=y`).
pub const STRICT_REFUSAL: u8 = 117;
/// Content that is not in the cache while the network must not be touched (`VCACHE_OFFLINE=y`).
pub const OFFLINE_MISS: u8 = 118;
/// Content that contradicts its pin.
pub const PIN_VIOLATED: u8 = 119;
/// The real tool can't be executed, as a shell reports it.
pub const CANNOT_EXECUTE: u8 = 126;
/// There is no real tool, as a shell reports it.
pub const NO_REAL_TOOL: u8 = 127;

/// Every status of our own with one line for people; the README's table is made from it.
pub const TABLE: &[(u8, &str)] = &[
    (STRICT_REFUSAL, "strict mode: the request has no pin, or one that belongs to another URL's content"),
    (OFFLINE_MISS, "offline: the content is not in the cache, or the call would need the network"),
    (PIN_VIOLATED, "the content contradicts its pin, or two pins contradict each other"),
    (CANNOT_EXECUTE, "the real tool was found but can't be executed"),
    (NO_REAL_TOOL, "there is no real tool in `PATH`"),
];
