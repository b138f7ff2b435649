//! S3, by the AWS SDK: objects, folders and uploads.
//!
//! - [`uri`]: what `s3://bucket/key` says.
//! - [`client`]: the one client of the process; credentials, region, endpoint and
//!   retries as the AWS command line has them.
//! - [`fault`]: what AWS said, told with bucket and key and what to do about it.
//! - [`list`]: the keys below a prefix, in pages.
//! - [`sources`]: a source as objects, by the rules of local folders and globs.
//! - [`ranges`]: wanted ranges, joined and cut into requests.
//! - [`get`]: one range of one version of an object, tried again where that helps.
//! - [`object`]: an object whose announced ranges arrive ahead of their reader.
//! - [`put`]: uploads that are there whole or not at all.
//! - [`mod@folder`]: a folder of small files.
//!
//! Calls are made from threads that are no part of the client's runtime: they
//! hand a request over and wait for its answer.

pub mod client;
pub mod fault;
pub mod folder;
pub mod get;
pub mod list;
pub mod object;
pub mod put;
pub mod ranges;
pub mod sources;
pub mod uri;

pub use object::S3Object;
pub use uri::Uri;
