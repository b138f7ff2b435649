//! The program against an S3 API server (moto) on the loopback, with a proxy that injects faults.
#![cfg(all(unix, feature = "cli", feature = "s3"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod cases;
mod faults;
mod http;
mod library;
mod pipeline;
mod proxy;
mod publishing;
mod reading;
mod stalls;
mod world;
