//! What several test binaries share.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part; fuzz targets share it"
)]

#[path = "../../src/bin/genred/soak/choices.rs"]
pub mod choices;
pub mod compare;
pub mod formulas;
pub mod functions;
pub mod hard;
pub mod mutate;
pub mod programs;
