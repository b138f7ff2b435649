//! S3, by the AWS SDK: objects, folders and uploads.
//!
//! - [`uri`]: parses `s3://bucket/key`.
//! - [`client`]: the client of the process; credentials, region, endpoint and retries are configured
//!   as for the AWS command line.
//! - [`waits`]: requests in flight, and how long S3 has sent nothing.
//! - [`fault`]: errors of S3, with bucket, key and advice.
//! - [`list`]: lists the keys below a prefix.
//! - [`sources`]: resolves a source to objects, by the rules of local folders and globs.
//! - [`lakes`]: tables of lake formats in a bucket.
//! - [`ranges`]: joins ranges and cuts them into requests.
//! - [`get`]: reads ranges of one version of an object, with retries.
//! - [`object`]: an object with prefetched ranges.
//! - [`put`]: atomic uploads.
//! - [`mod@folder`]: a folder of small files.
//!
//! Callers are threads outside the client's runtime: they submit a request and block until it is
//! done.

pub mod client;
pub mod fault;
pub mod folder;
pub mod get;
pub mod lakes;
pub mod list;
pub mod object;
pub mod put;
pub mod ranges;
pub mod sources;
pub mod uri;
pub mod waits;

pub use object::S3Object;
pub use uri::Uri;
