//! Tables of lake formats in a bucket.

use std::sync::Arc;

use super::client::Client;
use super::sources::uri_path;
use super::{Uri, fault, list};
use crate::Result;
use crate::storage::lake::{Table, Tables};

/// Prefixes below a folder under which a table has its log. Metadata of Iceberg is called `00003-UUID.metadata.json` or
/// `v3.metadata.json`.
const LOGS: [&str; 4] = ["_delta_log/", ".hoodie/", "metadata/0", "metadata/v"];

/// Inspects the folder at `uri` and those above it. All are listed at once, so that this takes one round of requests.
///
/// # Errors
/// As of [`list::list`]; a folder that the caller may not list is taken for no table.
pub fn inspect(client: &Arc<Client>, uri: &Uri, tables: &mut Tables) -> Result<()> {
    let key = uri.key.trim_end_matches('/');
    let mut folders = vec![key];
    folders.extend(key.rmatch_indices('/').filter_map(|(slash, _)| key.get(..slash)));
    if !key.is_empty() {
        folders.push("");
    }
    let mut folders: Vec<Uri> = folders.into_iter().map(|key| uri.with_key(key)).collect();
    folders.retain(|folder| !tables.is_inspected(&uri_path(folder, "")));
    let prefixes = folders.iter().flat_map(|folder| LOGS.map(|log| folder.join(log)));
    let pages = match list::first_pages(client, prefixes.collect()) {
        Err(error) if fault::is_denied(&error) => return inspect_allowed(client, folders, tables),
        pages => pages?,
    };
    for (folder, pages) in folders.iter().zip(pages.chunks(LOGS.len())) {
        record(folder, pages.iter().flatten(), tables);
    }
    Ok(())
}

/// As [`inspect`], for a caller who may not list some of the folders.
fn inspect_allowed(client: &Arc<Client>, folders: Vec<Uri>, tables: &mut Tables) -> Result<()> {
    for folder in folders {
        let mut listed = Vec::new();
        for log in LOGS {
            match list::first_pages(client, vec![folder.join(log)]) {
                Err(error) if fault::is_denied(&error) => {}
                pages => listed.extend(pages?.into_iter().flatten()),
            }
        }
        record(&folder, listed.iter(), tables);
    }
    Ok(())
}

fn record<'l>(folder: &Uri, mut listed: impl Iterator<Item = &'l list::Listed>, tables: &mut Tables) {
    let path = uri_path(folder, "");
    let found = listed.find_map(|listed| {
        let table = Table::of_path(&uri_path(&folder.with_key(&*listed.key), ""))?;
        (table.folder == path).then_some(table.format)
    });
    tables.record(path, found);
}
