//! Dynamic large objects: all objects of a container whose names begin alike, read as one.

use crate::{
    authorize::authorize,
    content::{Content, Flow, Origin},
    current, limits, metadata,
    object::{Names, Place, shown},
    path::{Account, container_name, unescape},
    reader::{How, Reader},
    refusal::Refusal,
    segments::{Segment, Segments},
};
use client::{ContainerName, ListedName, Object, ObjectEntry, ObjectName, Properties, Version};
use futures::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Method, StatusCode};
use md5::{Digest, Md5};
use std::ops::Range;

/// The header that names the segments, and what it is kept as.
const HEADER: &str = "x-object-manifest";

/// Where the segments are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    container: ContainerName,
    /// What the names of the segments begin with.
    prefix: String,
}

impl Manifest {
    /// Of an object, if it is a manifest.
    pub fn of(object: &Object) -> Option<Self> {
        Self::parse(metadata::own(&object.properties, HEADER)?)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = unescape(text).ok()?;
        let (container, prefix) = text.split_once('/')?;
        let sane = !prefix.is_empty() && !prefix.starts_with('/');
        if !sane || text.contains(['?', '&']) {
            return None;
        }
        Some(Self { container: container_name(container).ok()?, prefix: prefix.to_owned() })
    }

    /// Takes from properties what makes them those of a manifest.
    pub fn remove_from(properties: &mut Properties) {
        properties.remove(&metadata::own_key(HEADER));
    }
}

/// Refuses a header that names no segments.
///
/// # Errors
/// 400.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    match metadata::text(headers, HEADER)?.filter(|text| !text.is_empty()) {
        Some(text) if Manifest::parse(text).is_none() => {
            Err(Refusal::bad("X-Object-Manifest must be in the format container/prefix"))
        }
        _ => Ok(()),
    }
}

/// What a manifest stands for, as something to be read. The segments are those that are there
/// now, if the caller may list them. Of more than a page of them neither bytes nor an entity tag
/// are known before they are read.
pub async fn content(
    reader: &Reader,
    account: &Account,
    object: &Object,
    manifest: Manifest,
    how: How,
) -> Result<Content, Refusal> {
    let Reader { gateway, caller, referrer } = reader;
    let container = Some(&manifest.container);
    let (method, referrer) = (&Method::GET, referrer.as_deref());
    authorize(gateway, caller, referrer, method, account, container, false).await?;
    // Manifests among the segments are segments themselves.
    let inside = How { manifests: false, depth: how.depth + 1, ..How::default() };
    let (reader, account) = (reader.clone(), account.clone());
    let pages = Pages { reader, account, manifest, inside };
    let (segments, next) = pages.page(None).await?;
    let mut headers = shown(object);
    let mut hash = Md5::new();
    for segment in &segments {
        hash.update(&segment.etag);
    }
    let etag = next.is_none().then(|| hex::encode(hash.finalize()));
    if let Some(etag) = &etag {
        metadata::set(&mut headers, "etag", &format!("\"{etag}\""));
    }
    let modified = segments.iter().map(|segment| segment.modified).max();
    let first = pages.read_as_one(segments)?;
    let (size, open_ended) = (first.size(), next.is_some());
    let origin: Box<dyn Origin> = match next {
        None => Box::new(first),
        Some(next) => Box::new(Paged { first, pages, next }),
    };
    Ok(Content {
        headers,
        size,
        open_ended,
        etag,
        modified: modified.unwrap_or(object.entry.modified),
        in_parts: false,
        origin: Some(origin).filter(|_| how.body),
    })
}

/// Where a listing goes on.
type Next = (String, Option<Version>);

/// A segment as a listing has it.
struct Listed {
    object: ObjectName,
    etag: String,
    size: u64,
    modified: u64,
}

/// The segments of a manifest, a page after the other.
#[derive(Clone)]
struct Pages {
    reader: Reader,
    account: Account,
    manifest: Manifest,
    /// How segments are read.
    inside: How,
}

impl Pages {
    /// As many segments as a listing of Swift has on a page, from `next` on; and where it goes on.
    async fn page(&self, mut next: Option<Next>) -> Result<(Vec<Listed>, Option<Next>), Refusal> {
        let client = &self.reader.gateway.client;
        let mut segments = Vec::new();
        loop {
            let mut query = client
                .list_objects(&self.account.name, &self.manifest.container)
                .prefix(&self.manifest.prefix)
                .limit(limits::LISTING - segments.len() as u32);
            if let Some(next) = next.take() {
                query = query.resume(next);
            }
            let page = query.await?;
            for item in page.items {
                if let ListedName::Entry(entry) = item {
                    segments.extend(self.listed(entry).await?);
                }
            }
            next = page.next;
            if next.is_none() || segments.len() >= limits::LISTING as usize {
                return Ok((segments, next));
            }
        }
    }

    /// Unless it is not there any more.
    async fn listed(&self, mut entry: ObjectEntry) -> Result<Option<Listed>, Refusal> {
        if current::pointed(&entry).is_some() {
            let container = &self.manifest.container;
            let place =
                Place { account: &self.account, container, object: &entry.name, version: None };
            entry = match self.reader.gateway.head_of(place).await {
                Ok(current) => current.entry,
                Err(refusal) if refusal.status == StatusCode::NOT_FOUND => return Ok(None),
                Err(refusal) => return Err(refusal),
            };
        }
        let etag = entry.md5.map(hex::encode).unwrap_or_default();
        let ObjectEntry { name: object, size, modified, .. } = entry;
        Ok(Some(Listed { object, etag, size, modified }))
    }

    fn read_as_one(&self, segments: Vec<Listed>) -> Result<Segments, Refusal> {
        let segments =
            segments.into_iter().map(|Listed { object, etag, size, .. }| Segment::Part {
                named: Names {
                    account: self.account.clone(),
                    container: self.manifest.container.clone(),
                    object,
                },
                etag,
                size,
                range: 0..size,
            });
        Segments::new(self.reader.clone(), self.inside, segments.collect())
    }
}

/// More segments than a page has: the first page, and those that are listed when it was read.
struct Paged {
    first: Segments,
    pages: Pages,
    next: Next,
}

impl Origin for Paged {
    fn read(&self, range: Range<u64>) -> Result<Flow, Refusal> {
        let known = self.first.size();
        if range.end <= known {
            return self.first.read(range);
        }
        let pages = self.pages.clone();
        let rest = one_after_the_other(self.next.clone(), move |next| {
            let pages = pages.clone();
            async move {
                let (segments, next) = pages.page(Some(next)).await?;
                let segments = pages.read_as_one(segments)?;
                Ok((segments.read(0..segments.size())?, next))
            }
        });
        Ok(self.first.read(range.start.min(known)..known)?.chain(rest).boxed())
    }
}

/// The bytes of pages, each of which is looked for when those of the one before it have gone.
fn one_after_the_other<F>(first: Next, page: impl Fn(Next) -> F + Send + 'static) -> Flow
where
    F: Future<Output = Result<(Flow, Option<Next>), Refusal>> + Send + 'static,
{
    let pages = stream::try_unfold(Some(first), move |next| {
        let page = next.map(&page);
        async move {
            match page {
                Some(page) => page.await.map(Some),
                None => Ok(None),
            }
        }
    });
    pages.try_flatten().boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering::Relaxed};

    /// Pages of three bytes each, the last of which fails if `fails`; and how many were asked for.
    fn pages(count: usize, fails: bool) -> (Flow, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let flow = one_after_the_other(("0".to_owned(), None), move |(at, _)| {
            counter.fetch_add(1, Relaxed);
            async move {
                let at: usize = at.parse().unwrap();
                let last = at + 1 == count;
                if last && fails {
                    return Err(Refusal::not_found());
                }
                let bytes = (0..3).map(move |n| Ok(Bytes::from(vec![(3 * at + n) as u8])));
                let next = (!last).then(|| ((at + 1).to_string(), None));
                Ok((stream::iter(bytes).boxed(), next))
            }
        });
        (flow, asked)
    }

    #[tokio::test]
    async fn pages_are_read_one_after_the_other_and_none_ahead() {
        let (mut flow, asked) = pages(4, false);
        for byte in 0..12_u8 {
            assert_eq!(flow.try_next().await.unwrap().unwrap()[..], [byte]);
            assert_eq!(asked.load(Relaxed), usize::from(byte) / 3 + 1);
        }
        assert!(flow.try_next().await.unwrap().is_none());
        // What fails later is no end.
        let (flow, _) = pages(4, true);
        let read: Vec<_> = flow.collect().await;
        assert!(read.len() == 10 && read[..9].iter().all(Result::is_ok) && read[9].is_err());
    }

    #[test]
    fn a_manifest_names_a_container_and_a_prefix() {
        let manifest = Manifest::parse("a%20b/c/%25d").unwrap();
        assert_eq!((manifest.container.as_str(), manifest.prefix.as_str()), ("a b", "c/%d"));
        for bad in ["", "c", "c/", "/c/o", "c//o", "c/o?x", "c/a%26b", "c/%ff"] {
            assert_eq!(Manifest::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_manifest_does_harm(text in "\\PC{0,40}|[a-c/%0-9?]{0,12}") {
            if let Some(manifest) = Manifest::parse(&text) {
                prop_assert!(!manifest.prefix.is_empty());
            }
        }
    }
}
