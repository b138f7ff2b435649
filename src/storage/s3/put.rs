//! Uploads that are there whole or not at all.
//!
//! S3 shows an object when all of it has arrived and not before: a PUT whose body
//! breaks off leaves what was there, and so does a multipart upload that nobody
//! completes. What is conditional is checked by S3 in the same act.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::client::Client;
use super::{Uri, fault, get};
use crate::Result;
use crate::storage::folder::Precondition;

/// What is longer goes up in parts of this length.
pub const PART: usize = 16 << 20;
/// Attempts where S3 says that two conditional writes met.
const CONFLICTS: u32 = 5;

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The bytes are there.
    Done,
    /// The condition does not hold: somebody else wrote meanwhile.
    Overtaken,
}

/// `If-Match`.
fn etag(when: &Precondition) -> Option<String> {
    if let Precondition::IfMatch(etag) = when { Some(etag.clone()) } else { None }
}

/// `If-None-Match`.
fn none(when: &Precondition) -> Option<String> {
    (*when == Precondition::IfAbsent).then(|| "*".to_owned())
}

/// Writes `bytes` at `uri`.
///
/// # Errors
/// What S3 said; what was there is then untouched.
pub fn put(client: &Client, uri: &Uri, bytes: &[u8], when: &Precondition) -> Result<Outcome> {
    client.wait(async {
        let outcome = if bytes.len() > PART {
            in_parts(client, uri, bytes, when).await?
        } else {
            whole(client, uri, bytes, when).await?
        };
        // An answer that was lost makes the SDK try again, and then our own object
        // is in the way.
        if outcome == Outcome::Overtaken
            && get::whole(client, uri).await?.is_some_and(|(there, _)| there == bytes)
        {
            return Ok(Outcome::Done);
        }
        Ok(outcome)
    })
}

async fn whole(client: &Client, uri: &Uri, bytes: &[u8], when: &Precondition) -> Result<Outcome> {
    for _ in 0..CONFLICTS {
        let request = client.s3.put_object().bucket(&uri.bucket).key(&uri.key);
        let request = request.set_if_match(etag(when)).set_if_none_match(none(when));
        match request.body(ByteStream::from(bytes.to_vec())).send().await {
            Ok(_) => return Ok(Outcome::Done),
            Err(e) if is_conflict(&e) => tokio::time::sleep(client.patience / 50).await,
            Err(e) => return overtaken(uri, when, &e),
        }
    }
    Ok(Outcome::Overtaken)
}

/// 409: another conditional write to the key is under way.
fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    fault::status(error) == Some(409)
        && error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConditionalRequestConflict")
}

fn overtaken<E>(uri: &Uri, when: &Precondition, error: &SdkError<E, HttpResponse>) -> Result<Outcome>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    // 404 with a condition: the version that was to be replaced is gone.
    let gone = matches!(when, Precondition::IfMatch(_)) && fault::is_absent(error);
    if *when != Precondition::None && (gone || fault::status(error) == Some(412)) {
        return Ok(Outcome::Overtaken);
    }
    Err(fault::service_error("cannot write", uri, error))
}

async fn in_parts(client: &Client, uri: &Uri, bytes: &[u8], when: &Precondition) -> Result<Outcome> {
    let begun = client.s3.create_multipart_upload().bucket(&uri.bucket).key(&uri.key);
    let begun = begun.send().await.map_err(|e| fault::service_error("cannot write", uri, &e))?;
    let id = begun.upload_id().unwrap_or_default().to_owned();
    let completed = async {
        let mut parts = Vec::new();
        for (number, part) in (1..).zip(bytes.chunks(PART)) {
            let request = client.s3.upload_part().bucket(&uri.bucket).key(&uri.key).upload_id(&id);
            let sent = request.part_number(number).body(ByteStream::from(part.to_vec())).send().await;
            let sent = sent.map_err(|e| fault::service_error("cannot write", uri, &e))?;
            let done = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
            parts.push(done.set_checksum_crc32(sent.checksum_crc32).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = client.s3.complete_multipart_upload().bucket(&uri.bucket).key(&uri.key).upload_id(&id);
        let request = request.set_if_match(etag(when)).set_if_none_match(none(when));
        match request.multipart_upload(parts).send().await {
            Ok(_) => Ok(Outcome::Done),
            Err(e) => overtaken(uri, when, &e),
        }
    };
    let completed = completed.await;
    if !matches!(completed, Ok(Outcome::Done)) {
        // Parts cost money for as long as nobody throws them away. Failing at it
        // changes nothing for the caller: lifecycle rules do it in the end.
        let abort = client.s3.abort_multipart_upload().bucket(&uri.bucket).key(&uri.key);
        let _ = abort.upload_id(&id).send().await;
    }
    completed
}

/// The bytes of an object; `None` where there is none.
///
/// # Errors
/// What S3 said.
pub fn contents(client: &Client, uri: &Uri) -> Result<Option<Vec<u8>>> {
    Ok(version(client, uri)?.map(|(bytes, _)| bytes))
}

/// The bytes of an object and their ETag; `None` where there is none.
///
/// # Errors
/// What S3 said.
pub fn version(client: &Client, uri: &Uri) -> Result<Option<(Vec<u8>, Option<String>)>> {
    client.wait(get::whole(client, uri))
}

/// Removes an object; it is no error where there is none.
///
/// # Errors
/// What S3 said.
pub fn remove(client: &Client, uri: &Uri) -> Result<()> {
    match client.wait(client.s3.delete_object().bucket(&uri.bucket).key(&uri.key).send()) {
        Ok(_) => Ok(()),
        Err(e) if fault::is_absent(&e) => Ok(()),
        Err(e) => Err(fault::service_error("cannot remove", uri, &e)),
    }
}
