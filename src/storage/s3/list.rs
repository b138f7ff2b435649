//! Lists the keys below a prefix.

use std::sync::Arc;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::Object;

use tokio::task::JoinSet;

use super::client::Client;
use super::waits::Action;
use super::{Uri, fault};
use crate::storage::{ObjectVersion, Tag};
use crate::{Error, Result};

/// A key and its listed version.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The whole key.
    pub key: String,
    /// Length, ETag and time.
    pub version: ObjectVersion,
}

/// Lists every key that begins with the key of `prefix`, in order.
///
/// # Errors
/// As of [`fault::service_error`].
pub fn list(client: &Client, prefix: &Uri) -> Result<Vec<Listed>> {
    client.block_on(list_pages(client, prefix, usize::MAX))
}

/// The first key that begins with the key of `prefix`.
///
/// # Errors
/// As of [`list`].
pub fn first_key(client: &Client, prefix: &Uri) -> Result<Option<Listed>> {
    Ok(client.block_on(list_pages(client, prefix, 1))?.into_iter().next())
}

/// The first keys that begin with each of the prefixes, at most one page of them; all lists are requested at once.
///
/// # Errors
/// As of [`list`].
pub fn first_pages(client: &Arc<Client>, prefixes: Vec<Uri>) -> Result<Vec<Vec<Listed>>> {
    client.block_on(async {
        // If this is cancelled, all of them are.
        let mut lists = JoinSet::new();
        for (at, prefix) in prefixes.into_iter().enumerate() {
            let client = client.clone();
            lists.spawn(async move { (at, list_pages(&client, &prefix, 1000).await) });
        }
        let mut pages = Vec::with_capacity(lists.len());
        while let Some(ended) = lists.join_next().await {
            pages.push(ended.map_err(|e| Error::internal(e.to_string()))?);
        }
        pages.sort_by_key(|(at, _)| *at);
        pages.into_iter().map(|(_, page)| page).collect()
    })
}

async fn list_pages(client: &Client, prefix: &Uri, limit: usize) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    let mut token = None;
    loop {
        let request = client.s3.list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key);
        let request = request.set_max_keys(i32::try_from(limit).ok()).set_continuation_token(token);
        let page = Box::pin(async {
            request.send().await.map_err(|e| fault::service_error("cannot list", prefix, &e))
        });
        let page = client.request(Action::List, prefix, page).await?;
        token = page.next_continuation_token().map(str::to_owned);
        listed.extend(page.contents.unwrap_or_default().into_iter().filter_map(listed_object));
        if token.is_none() || listed.len() >= limit {
            return Ok(listed);
        }
    }
}

fn listed_object(object: Object) -> Option<Listed> {
    let version = ObjectVersion {
        bytes: u64::try_from(object.size()?).ok()?,
        modified: object.last_modified().and_then(nanos),
        tag: object.e_tag().map(Tag::from),
        changed: None,
    };
    Some(Listed { key: object.key?, version })
}

fn nanos(time: &DateTime) -> Option<i64> {
    i64::try_from(time.as_nanos()).ok()
}

/// The version of one object, by HEAD; `None` where the key does not exist.
///
/// # Errors
/// As of [`fault::service_error`].
pub fn head(client: &Client, uri: &Uri) -> Result<Option<ObjectVersion>> {
    let request = client.s3.head_object().bucket(&uri.bucket).key(&uri.key);
    let head = Box::pin(async {
        match request.send().await {
            Ok(head) => Ok(Some(ObjectVersion {
                bytes: head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
                modified: head.last_modified().and_then(nanos),
                tag: head.e_tag().map(Tag::from),
                changed: None,
            })),
            Err(e) if fault::is_not_found(&e) => Ok(None),
            Err(e) => Err(fault::service_error("cannot read the metadata", uri, &e)),
        }
    });
    client.block_on(client.request(Action::ReadObject, uri, head))
}
