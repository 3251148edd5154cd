//! Listings, page by page: entries are shown as they come, however many there are.

use super::given;
use crate::{
    arguments::ListArgs,
    output::{Output, Table},
};
use model::{ListedName, Listing, Version};
use serde::Serialize;

/// The largest page that is asked for.
const PAGE: u32 = 1000;

/// Where a page starts.
type Cursor = (String, Option<Version>);

/// Which part of a listing is wanted, checked.
pub struct Wanted {
    /// Only names that start with this.
    pub prefix: String,
    /// Names are folded at this.
    pub delimiter: String,
    /// Only names after this, or before it in reverse.
    pub marker: String,
    /// Only names before this, or after it in reverse.
    pub end_marker: String,
    /// From the last name to the first.
    pub reverse: bool,
    left: u64,
    next: Option<Cursor>,
    done: bool,
}

impl Wanted {
    /// From the command line.
    pub fn new(args: &ListArgs) -> anyhow::Result<Self> {
        let text = |given: &Option<std::ffi::OsString>, what| match given {
            Some(given) => given::text(given, what).map(str::to_owned),
            None => Ok(String::new()),
        };
        Ok(Self {
            prefix: text(&args.prefix, "the prefix")?,
            delimiter: text(&args.delimiter, "the delimiter")?,
            marker: text(&args.marker, "the marker")?,
            end_marker: text(&args.end_marker, "the end marker")?,
            reverse: args.reverse,
            left: args.limit.unwrap_or(u64::MAX),
            next: None,
            done: false,
        })
    }

    /// The same, but with what follows this version of the marker.
    pub fn behind(mut self, version: Option<Version>) -> Self {
        self.next = version.map(|version| (self.marker.clone(), Some(version)));
        self
    }

    /// The size and the start of the next page, unless there is none.
    pub fn next_page(&mut self) -> Option<(u32, Option<Cursor>)> {
        if self.done || self.left == 0 {
            return None;
        }
        Some((self.left.min(PAGE.into()) as u32, self.next.take()))
    }

    /// Takes in a page: its entries, at most as many as are still wanted.
    pub fn take<T>(&mut self, page: Listing<T>) -> Vec<ListedName<T>> {
        self.done = page.next.is_none();
        self.next = page.next;
        let mut items = page.items;
        items.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= items.len() as u64;
        items
    }
}

/// A folded prefix, as machines see it.
#[derive(Serialize)]
struct Folded<'a> {
    prefix: &'a str,
}

/// Shows one page. Pages after the first have no heading; their columns may differ in width.
pub fn show<T>(
    output: Output,
    page: &[ListedName<T>],
    columns: &[&'static str],
    first: bool,
    row: impl Fn(&T) -> Vec<String>,
    document: impl Fn(&T) -> serde_json::Value,
) -> anyhow::Result<()> {
    if output.json {
        let documents: Vec<_> = page
            .iter()
            .map(|item| match item {
                ListedName::Entry(entry) => Ok(document(entry)),
                ListedName::Prefix(prefix) => serde_json::to_value(Folded { prefix }),
            })
            .collect::<Result<_, _>>()?;
        return Ok(output.list(&documents, |_| String::new())?);
    }
    if page.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(columns);
    for item in page {
        match item {
            ListedName::Entry(entry) => table.row(row(entry)),
            ListedName::Prefix(prefix) => {
                // The name is the last column, so that nothing stands behind a long one.
                let blank = std::iter::repeat_n(String::new(), columns.len().saturating_sub(1));
                table.row(blank.chain([prefix.clone()]));
            }
        }
    }
    let text = table.render();
    let text = if first { &text[..] } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
    Ok(crate::output::raw(text.as_bytes())?)
}
