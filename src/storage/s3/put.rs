//! Atomic uploads.
//!
//! S3 shows an object only once all of it has arrived: a PUT whose body breaks off leaves the old
//! object, and so does a multipart upload that is not completed. S3 checks preconditions atomically
//! with the write.

use std::sync::OnceLock;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::client::Client;
use super::waits::Action;
use super::{Uri, fault, get};
use crate::Result;
use crate::storage::folder::Precondition;

/// Length of a part; longer objects are uploaded in parts.
pub const PART: usize = 16 << 20;
/// Attempts where S3 reports a conflict of two conditional writes.
const MAX_CONFLICTS: u32 = 5;

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The bytes are written.
    Written,
    /// The precondition does not hold: another writer changed the object.
    PreconditionFailed,
}

/// The header `If-Match`.
fn if_match(precondition: &Precondition) -> Option<String> {
    if let Precondition::IfMatch(etag) = precondition { Some(etag.clone()) } else { None }
}

/// The header `If-None-Match`.
fn if_none_match(precondition: &Precondition) -> Option<String> {
    (*precondition == Precondition::IfAbsent).then(|| "*".to_owned())
}

/// Writes `bytes` at `uri` if `precondition` holds.
///
/// # Errors
/// As of [`fault::service_error`]; the old object is then unchanged. `Interrupted` when the call is cancelled: of a
/// write that was sent, the old or the new object is there.
pub fn put(client: &Client, uri: &Uri, bytes: &[u8], precondition: &Precondition) -> Result<Outcome> {
    let upload = OnceLock::new();
    let written = client.block_on(async {
        let outcome = if bytes.len() > PART {
            put_multipart(client, uri, bytes, precondition, &upload).await?
        } else {
            put_object(client, uri, bytes, precondition).await?
        };
        // After a lost response the SDK retries, and the precondition fails on our own object.
        if outcome == Outcome::PreconditionFailed
            && get::read_object(client, uri).await?.is_some_and(|(current, _)| current == bytes)
        {
            return Ok(Outcome::Written);
        }
        Ok(outcome)
    });
    if let (Some(id), false) = (upload.get(), matches!(written, Ok(Outcome::Written))) {
        // Uploaded parts cost money until they are deleted. Where this fails, lifecycle rules delete them later.
        client.clean_up(abort_multipart(client, uri, id));
    }
    written
}

async fn put_object(
    client: &Client,
    uri: &Uri,
    bytes: &[u8],
    precondition: &Precondition,
) -> Result<Outcome> {
    for _ in 0..MAX_CONFLICTS {
        let request = client.s3.put_object().bucket(&uri.bucket).key(&uri.key);
        let request =
            request.set_if_match(if_match(precondition)).set_if_none_match(if_none_match(precondition));
        let request = request.body(ByteStream::from(bytes.to_vec()));
        let sent = Box::pin(async {
            match request.send().await {
                Ok(_) => Ok(Some(Outcome::Written)),
                Err(e) if is_conflict(&e) => Ok(None),
                Err(e) => failed_precondition(uri, precondition, &e).map(Some),
            }
        });
        match client.request(Action::Write, uri, sent).await? {
            Some(outcome) => return Ok(outcome),
            None => tokio::time::sleep(client.timeout / 50).await,
        }
    }
    Ok(Outcome::PreconditionFailed)
}

/// 409: another conditional write to the key is in progress.
fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    fault::status(error) == Some(409)
        && error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConditionalRequestConflict")
}

fn failed_precondition<E>(
    uri: &Uri,
    precondition: &Precondition,
    error: &SdkError<E, HttpResponse>,
) -> Result<Outcome>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    // 404 with `If-Match`: the version to be replaced was deleted.
    let is_deleted = matches!(precondition, Precondition::IfMatch(_)) && fault::is_not_found(error);
    if *precondition != Precondition::None && (is_deleted || fault::status(error) == Some(412)) {
        return Ok(Outcome::PreconditionFailed);
    }
    Err(fault::service_error("cannot write", uri, error))
}

/// `upload` receives the id of the upload, for [`abort_multipart`].
async fn put_multipart(
    client: &Client,
    uri: &Uri,
    bytes: &[u8],
    precondition: &Precondition,
    upload: &OnceLock<String>,
) -> Result<Outcome> {
    let started = client.s3.create_multipart_upload().bucket(&uri.bucket).key(&uri.key);
    let started =
        Box::pin(async { started.send().await.map_err(|e| fault::service_error("cannot write", uri, &e)) });
    let started = client.request(Action::Write, uri, started).await?;
    let id = upload.get_or_init(|| started.upload_id().unwrap_or_default().to_owned());
    let mut parts = Vec::new();
    for (number, part) in (1..).zip(bytes.chunks(PART)) {
        let request = client.s3.upload_part().bucket(&uri.bucket).key(&uri.key).upload_id(id);
        let request = request.part_number(number).body(ByteStream::from(part.to_vec()));
        let sent = Box::pin(async {
            request.send().await.map_err(|e| fault::service_error("cannot write", uri, &e))
        });
        let response = client.request(Action::Write, uri, sent).await?;
        let done = CompletedPart::builder().part_number(number).set_e_tag(response.e_tag);
        parts.push(done.set_checksum_crc32(response.checksum_crc32).build());
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let request = client.s3.complete_multipart_upload().bucket(&uri.bucket).key(&uri.key).upload_id(id);
    let request = request.set_if_match(if_match(precondition)).set_if_none_match(if_none_match(precondition));
    let completed = Box::pin(async {
        match request.multipart_upload(parts).send().await {
            Ok(_) => Ok(Outcome::Written),
            Err(e) => failed_precondition(uri, precondition, &e),
        }
    });
    client.request(Action::Write, uri, completed).await
}

/// Deletes the parts of an upload that is not completed.
async fn abort_multipart(client: &Client, uri: &Uri, id: &str) -> Result<()> {
    let abort = client.s3.abort_multipart_upload().bucket(&uri.bucket).key(&uri.key).upload_id(id);
    abort.send().await.map_err(|e| fault::service_error("cannot remove", uri, &e)).map(drop)
}

/// Reads an object; returns `None` where the key does not exist.
///
/// # Errors
/// As of [`fault::service_error`].
pub fn read(client: &Client, uri: &Uri) -> Result<Option<Vec<u8>>> {
    Ok(read_with_etag(client, uri)?.map(|(bytes, _)| bytes))
}

/// Reads an object and its ETag; returns `None` where the key does not exist.
///
/// # Errors
/// As of [`fault::service_error`].
pub fn read_with_etag(client: &Client, uri: &Uri) -> Result<Option<(Vec<u8>, Option<String>)>> {
    client.block_on(get::read_object(client, uri))
}

/// Removes an object; succeeds where the key does not exist.
///
/// # Errors
/// As of [`fault::service_error`].
pub fn remove(client: &Client, uri: &Uri) -> Result<()> {
    let delete = Box::pin(delete_object(client, uri));
    client.block_on(client.request(Action::Remove, uri, delete))
}

/// As [`remove`], for an object that a failed or cancelled call has left. Errors are ignored.
pub fn clean_up(client: &Client, uri: &Uri) {
    client.clean_up(delete_object(client, uri));
}

async fn delete_object(client: &Client, uri: &Uri) -> Result<()> {
    match client.s3.delete_object().bucket(&uri.bucket).key(&uri.key).send().await {
        Ok(_) => Ok(()),
        Err(e) if fault::is_not_found(&e) => Ok(()),
        Err(e) => Err(fault::service_error("cannot remove", uri, &e)),
    }
}
