//! The keys below a prefix, in pages.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::Object;

use super::client::Client;
use super::{Uri, fault};
use crate::Result;
use crate::storage::ObjectVersion;

/// A key and what the listing says of it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The whole key.
    pub key: String,
    /// Length, ETag and time.
    pub stamp: ObjectVersion,
}

/// Every key that begins with the key of `prefix`, in order.
///
/// # Errors
/// What S3 said, as of [`fault::service_error`].
pub fn list(client: &Client, prefix: &Uri) -> Result<Vec<Listed>> {
    client.wait(pages(client, prefix, usize::MAX))
}

/// The first of them.
///
/// # Errors
/// As of [`list`].
pub fn first(client: &Client, prefix: &Uri) -> Result<Option<Listed>> {
    Ok(client.wait(pages(client, prefix, 1))?.into_iter().next())
}

async fn pages(client: &Client, prefix: &Uri, most: usize) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    let mut token = None;
    loop {
        let request = client.s3.list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key);
        let request = request.set_max_keys(i32::try_from(most).ok()).set_continuation_token(token);
        let page = request.send().await.map_err(|e| fault::service_error("cannot list", prefix, &e))?;
        token = page.next_continuation_token().map(str::to_owned);
        listed.extend(page.contents.unwrap_or_default().into_iter().filter_map(from));
        if token.is_none() || listed.len() >= most {
            return Ok(listed);
        }
    }
}

fn from(object: Object) -> Option<Listed> {
    let stamp = ObjectVersion {
        bytes: u64::try_from(object.size()?).ok()?,
        modified: object.last_modified().and_then(nanos),
        version: object.e_tag().map(str::to_owned),
        ticked: None,
    };
    Some(Listed { key: object.key?, stamp })
}

fn nanos(time: &DateTime) -> Option<i64> {
    i64::try_from(time.as_nanos()).ok()
}

/// What HEAD says of one object; `None` where there is none.
///
/// # Errors
/// What S3 said.
pub fn head(client: &Client, uri: &Uri) -> Result<Option<ObjectVersion>> {
    let looked = client.wait(client.s3.head_object().bucket(&uri.bucket).key(&uri.key).send());
    match looked {
        Ok(head) => Ok(Some(ObjectVersion {
            bytes: head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
            modified: head.last_modified().and_then(nanos),
            version: head.e_tag().map(str::to_owned),
            ticked: None,
        })),
        Err(e) if fault::is_absent(&e) => Ok(None),
        Err(e) => Err(fault::service_error("cannot look at", uri, &e)),
    }
}
