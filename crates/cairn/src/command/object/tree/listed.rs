//! The objects of a container in the order of their names, page by page.

use client::{Client, Error};
use model::{AccountName, ContainerName, ListedName, ObjectEntry, Version};
use std::collections::VecDeque;

/// The largest page that is asked for.
const PAGE: u32 = 1000;

/// What is left of a listing.
pub struct Listed {
    client: Client,
    account: AccountName,
    container: ContainerName,
    prefix: String,
    page: VecDeque<ObjectEntry>,
    next: Next,
}

/// Where the next page begins.
enum Next {
    /// Behind this name.
    Behind(String),
    /// Where the page before ended.
    At((String, Option<Version>)),
    /// There is none.
    Nowhere,
}

impl Listed {
    /// Of the names with a prefix.
    pub fn new(
        client: &Client,
        account: &AccountName,
        container: &ContainerName,
        prefix: &str,
    ) -> Self {
        Self {
            client: client.clone(),
            account: account.clone(),
            container: container.clone(),
            prefix: prefix.to_owned(),
            page: VecDeque::new(),
            next: Next::Behind(String::new()),
        }
    }

    /// The next object.
    pub async fn next(&mut self) -> Result<Option<ObjectEntry>, Error> {
        while self.page.is_empty() && self.more().await? {}
        Ok(self.page.pop_front())
    }

    /// The object of a name. Names are asked for in their order, and what is between them is
    /// passed over: few names among many objects cost a page each, not all pages.
    pub async fn find(&mut self, name: &str) -> Result<Option<ObjectEntry>, Error> {
        loop {
            while self.page.front().is_some_and(|entry| entry.name.as_str() < name) {
                self.page.pop_front();
            }
            match self.page.front() {
                Some(entry) if entry.name.as_str() == name => return Ok(self.page.pop_front()),
                Some(_) => return Ok(None),
                None => {}
            }
            let behind = just_before(name);
            match &self.next {
                Next::Behind(marker) | Next::At((marker, _)) if marker.as_str() < behind => {
                    self.next = Next::Behind(behind.to_owned());
                }
                _ => {}
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// Fetches a page, if there is one.
    async fn more(&mut self) -> Result<bool, Error> {
        let mut page = self.client.list_objects(&self.account, &self.container);
        page = page.prefix(&self.prefix).limit(PAGE).properties(true);
        page = match std::mem::replace(&mut self.next, Next::Nowhere) {
            Next::Behind(marker) => page.marker(marker),
            Next::At(next) => page.resume(next),
            Next::Nowhere => return Ok(false),
        };
        let page = page.await?;
        if let Some(next) = page.next {
            self.next = Next::At(next);
        }
        self.page.extend(page.items.into_iter().filter_map(|item| match item {
            ListedName::Entry(entry) => Some(entry),
            ListedName::Prefix(_) => None,
        }));
        Ok(true)
    }
}

/// A name shortly before another one in the byte order: itself without its last character.
fn just_before(name: &str) -> &str {
    let mut chars = name.chars();
    chars.next_back();
    chars.as_str()
}
