//! Campaigns against the library and the program: damaged inputs, kills, and attacks through other doors.
//!
//! `cargo test` runs a slice of each; `make campaign` runs them in full, with the numbers of docs/dev/reliability.md:
//!
//! | variable | meaning |
//! |---|---|
//! | `ROLLSHARE_CAMPAIGN_INPUTS` | damaged inputs |
//! | `ROLLSHARE_CAMPAIGN_KILLS` | kills |
//! | `ROLLSHARE_CAMPAIGN_ATTACKS` | attacks of each kind |
//! | `ROLLSHARE_CAMPAIGN_SEED` | the seed, which is printed |
//! | `ROLLSHARE_CAMPAIGN_ONLY` | the number of one damaged input, to repeat it |
//!
//! - [`inputs`]: what is damaged, and who reads it; child processes count panics, aborts and hangs.
//! - [`doors`]: the readers. [`damage`]: the damage.
//! - [`kills`]: `kill -9` at random moments. [`attacks`]: limits, races, links, a full disk.
#![cfg(all(feature = "cli", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

#[path = "../damage/allocations.rs"]
mod allocations;
mod attacks;
mod damage;
mod doors;
mod inputs;
mod kills;
#[path = "../damage/mutate.rs"]
mod mutate;
mod world;

/// A number from the environment.
fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.replace('_', "").parse().unwrap_or_else(|_| panic!("{variable}={text}")),
        Err(_) => default,
    }
}

fn seed() -> u64 {
    number("ROLLSHARE_CAMPAIGN_SEED", 1)
}
