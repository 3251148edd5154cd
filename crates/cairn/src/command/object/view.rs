//! Objects as they are shown.

use crate::{
    command::account::properties_text,
    output::{printable, size, time},
};
use model::{AccountName, ContainerName, Object, ObjectEntry, Properties};
use serde::Serialize;

/// A version of an object as machines see it: what listings show of it, its entity tag, and
/// where it is.
#[derive(Serialize)]
pub struct View<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    #[serde(flatten)]
    entry: Entry<'a>,
    properties: &'a Properties,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    entry: &'a ObjectEntry,
    etag: Option<String>,
}

/// An entry of a listing as machines see it.
pub fn entry(entry: &ObjectEntry) -> serde_json::Value {
    serde_json::json!(Entry { entry, etag: entry.etag() })
}

impl<'a> View<'a> {
    /// Of a version.
    pub fn of(account: &'a AccountName, container: &'a ContainerName, object: &'a Object) -> Self {
        Self {
            account: account.as_str(),
            container: container.as_str(),
            object: object.entry.name.as_str(),
            entry: Entry { entry: &object.entry, etag: object.entry.etag() },
            properties: &object.properties,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let Entry { entry, etag } = &self.entry;
        let state = match (entry.marker, entry.latest) {
            (true, _) => ", a delete marker",
            (false, true) => ", the latest",
            (false, false) => "",
        };
        let goes = entry.delete_at.map_or(String::new(), |seconds| {
            format!("goes        {}\n", time::rfc3339(seconds.saturating_mul(1_000_000)))
        });
        let drained = if entry.drained { " (drained: its bytes are gone)" } else { "" };
        format!(
            "object      {}\ncontainer   {}\naccount     {}\nversion     {}{state}\n\
             size        {} ({})\netag        {}\nmime type   {}\npolicy      {}\n\
             content     {}{drained}\ncreated     {}\nmodified    {}\n{goes}{}",
            printable(self.object),
            printable(self.container),
            printable(self.account),
            entry.version,
            entry.size,
            size::human(entry.size),
            etag.as_deref().unwrap_or("unknown"),
            printable(&entry.mime_type),
            entry.policy,
            entry.content,
            time::rfc3339(entry.created),
            time::rfc3339(entry.modified),
            properties_text(self.properties),
        )
    }
}
