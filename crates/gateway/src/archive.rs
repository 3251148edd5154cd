//! Uploads of many objects in one archive, unpacked while it comes.

use crate::{
    authorize::Authority,
    call::Call,
    expiry, limits, metadata,
    object::{self, Names, Upload},
    path::{container_name, escape, object_name},
    refusal::{BodyError, Outcome, Refusal},
    report::{self, Report, line},
    time,
};
use async_compression::tokio::bufread::{BzDecoder, GzipDecoder};
use client::{Container, ContainerName, Precondition, Source, Versioning};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use std::{
    collections::HashMap,
    io::{self, Error},
    pin::Pin,
    sync::Arc,
};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_tar::{Archive, Entry, EntryType};
use tokio_util::io::StreamReader;

/// The most bytes that say more about a file than its header does.
const EXTENSION_BYTES: u64 = 1024 * 1024;

/// What programs that write archives put before the names of extended attributes.
const ATTRIBUTES: [&str; 2] = ["SCHILY.xattr.user.", "LIBARCHIVE.xattr.user."];

type Reader = Pin<Box<dyn AsyncRead + Send>>;

/// Answers `PUT ?extract-archive`.
pub async fn extract(mut call: Call) -> Outcome {
    let form = report::form(&call.headers)?;
    let format = call.query.get("extract-archive").unwrap_or_default().to_ascii_lowercase();
    if !["", "tar", "tar.gz", "tar.bz2"].contains(&format.as_str()) {
        return Err(Refusal::bad("Unsupported archive format"));
    }
    let work = async move {
        let body = StreamReader::new(call.body.frames().map_err(Error::other));
        let reader: Reader = match format.as_str() {
            "tar.gz" => {
                let mut decoder = GzipDecoder::new(body);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            "tar.bz2" => {
                let mut decoder = BzDecoder::new(body);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            _ => Box::pin(body),
        };
        let mut unpacking = Unpacking::new(&call);
        let done = match object::announced(&call) {
            Ok(_) => unpacking.all(reader).await,
            Err(refusal) => Err(refusal),
        };
        unpacking.report(done).render(form, "extract")
    };
    Ok(report::patient(StatusCode::OK, form, false, work).await)
}

/// What is known of a file beside its header.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extended {
    path: Option<String>,
    /// Headers that its extended attributes stand for.
    headers: Vec<(String, String)>,
}

impl Extended {
    /// Reads an extended header: `length key=value`, one behind the other.
    fn read(&mut self, mut bytes: &[u8], size: u64) -> Result<(), String> {
        let broken = || "an extended header cannot be read".to_owned();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
            let digits = std::str::from_utf8(&bytes[..space]).map_err(|_| broken())?;
            let length: usize = digits.parse().map_err(|_| broken())?;
            let record = bytes.get(space + 1..length).ok_or_else(broken)?;
            bytes = &bytes[length..];
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            // What is no text is none of ours.
            let Ok(record) = std::str::from_utf8(record) else { continue };
            let (key, value) = record.split_once('=').ok_or_else(broken)?;
            match key {
                "path" => self.path = Some(value.to_owned()),
                "size" if value.parse() != Ok(size) => {
                    return Err("a file is too large for the header of its entry".to_owned());
                }
                _ => self.headers.extend(header(key).map(|name| (name, value.to_owned()))),
            }
        }
        Ok(())
    }
}

/// The header that an extended attribute stands for.
fn header(key: &str) -> Option<String> {
    let attribute = ATTRIBUTES.iter().find_map(|prefix| key.strip_prefix(prefix))?;
    match attribute {
        "mime_type" => Some("content-type".to_owned()),
        _ => Some(format!("x-object-meta-{}", attribute.strip_prefix("meta.")?)),
    }
}

/// A file in an archive.
struct File {
    /// Where it is, as the archive says.
    name: Vec<u8>,
    size: u64,
    more: Extended,
    content: Entry<Archive<Reader>>,
}

/// The files of an archive, one behind the other; what else is in it is passed over.
struct Files(BoxStream<'static, io::Result<Entry<Archive<Reader>>>>);

impl Files {
    fn of(reader: Reader) -> Result<Self, Refusal> {
        // Raw: what extends the next entry is read here, so that it is bounded.
        Ok(Self(Archive::new(reader).entries_raw().map_err(broken)?.boxed()))
    }

    /// The next one, once what is left of the last is read.
    async fn next(&mut self) -> Result<Option<File>, Refusal> {
        let (mut extended, mut long_name) = (None::<Vec<u8>>, None::<Vec<u8>>);
        while let Some(entry) = self.0.next().await {
            let mut entry = entry.map_err(broken)?;
            let size = entry.header().raw_entry_size().map_err(broken)?;
            match entry.header().entry_type() {
                EntryType::XHeader => extended = Some(extension(&mut entry, size).await?),
                EntryType::GNULongName => long_name = Some(extension(&mut entry, size).await?),
                EntryType::GNULongLink | EntryType::XGlobalHeader => {}
                kind => {
                    let mut more = Extended::default();
                    if let Some(bytes) = extended.take() {
                        more.read(&bytes, size).map_err(invalid)?;
                    }
                    let name = match (more.path.take(), long_name.take()) {
                        (Some(path), _) => path.into_bytes(),
                        (None, Some(mut name)) => {
                            name.truncate(name.iter().position(|b| *b == 0).unwrap_or(name.len()));
                            name
                        }
                        (None, None) => entry.header().path_bytes().into_owned(),
                    };
                    if kind == EntryType::Regular || kind == EntryType::Continuous {
                        return Ok(Some(File { name, size, more, content: entry }));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// An archive being unpacked.
struct Unpacking<'a> {
    call: &'a Call,
    created: u64,
    errors: Vec<(String, String)>,
    worst: StatusCode,
    /// Containers that were looked at: what they are, or why there is none.
    containers: HashMap<ContainerName, Result<Arc<Container>, StatusCode>>,
    made: usize,
}

impl<'a> Unpacking<'a> {
    fn new(call: &'a Call) -> Self {
        Self {
            call,
            created: 0,
            errors: Vec::new(),
            worst: StatusCode::CREATED,
            containers: HashMap::new(),
            made: 0,
        }
    }

    async fn all(&mut self, reader: Reader) -> Result<(), Refusal> {
        let mut files = Files::of(reader)?;
        while let Some(file) = files.next().await? {
            self.file(&file.name, file.size, file.more, file.content).await?;
            if self.errors.len() >= limits::BULK_FAILURES {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Stores a file.
    ///
    /// # Errors
    /// What ends it all.
    async fn file(
        &mut self,
        name: &[u8],
        size: u64,
        more: Extended,
        content: impl AsyncRead + Send + 'static,
    ) -> Result<(), Refusal> {
        let target = &self.call.target;
        let below = [
            target.container.as_ref().map(ContainerName::as_str),
            target.object.as_ref().map(|object| object.as_str().trim_end_matches('/')),
        ];
        let name = String::from_utf8(name.to_vec());
        let shown = name.as_deref().unwrap_or("a name that is no UTF-8");
        let file = shown.strip_prefix("./").unwrap_or(shown).trim_start_matches('/');
        let parts: Vec<&str> = below.into_iter().flatten().chain([file]).collect();
        let path = parts.join("/");
        let stored = match (name.is_err() || path.contains('\0'), path.split_once('/')) {
            (true, _) => Err(Refusal::new(StatusCode::PRECONDITION_FAILED)),
            // There is no container that it could be in.
            (false, None) => return Ok(()),
            (false, Some(_)) if size > limits::FILE_BYTES => {
                Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE))
            }
            (false, Some((container, object))) => {
                self.store(container, object, size, more, content).await
            }
        };
        match stored {
            Ok(()) => self.created += 1,
            Err(refusal) => {
                self.errors.push((escape(&path), line(refusal.status)));
                if refusal.status == StatusCode::UNAUTHORIZED {
                    return Err(refusal);
                }
                if self.worst == StatusCode::CREATED {
                    self.worst = StatusCode::BAD_REQUEST;
                }
                if refusal.status.is_server_error() {
                    self.worst = StatusCode::BAD_GATEWAY;
                }
            }
        }
        Ok(())
    }

    async fn store(
        &mut self,
        container: &str,
        object: &str,
        size: u64,
        more: Extended,
        content: impl AsyncRead + Send + 'static,
    ) -> Result<(), Refusal> {
        let call = self.call;
        let named = Names {
            account: call.target.account.clone(),
            container: container_name(container)?,
            object: object_name(object)?,
        };
        let container = self.container(&named.container).await?;
        may(call, &Method::PUT, Some(&named.container), true).await?;
        let headers = headers(&call.headers, more)?;
        let upload = Upload {
            source: Source::reader(content),
            bytes: Some(size),
            etag: None,
            mime_type: object::content_type(&headers, &named.object)?,
            properties: metadata::of_new_object(&headers)?,
            delete_at: expiry::of(&headers, time::now_seconds())?,
            precondition: Precondition::None,
        };
        object::store(call, &container, named.place(), upload).await?;
        Ok(())
    }

    /// A container that files are for; it is made where there is none.
    async fn container(&mut self, container: &ContainerName) -> Result<Arc<Container>, Refusal> {
        if let Some(known) = self.containers.get(container) {
            return known.clone().map_err(Refusal::new);
        }
        let found = self.find_or_make(container).await;
        let known = found.as_ref().map(Arc::clone).map_err(|refusal| refusal.status);
        self.containers.insert(container.clone(), known);
        found
    }

    async fn find_or_make(&mut self, name: &ContainerName) -> Result<Arc<Container>, Refusal> {
        let call = self.call;
        let (account, gateway) = (call.account(), &call.gateway);
        if let Some(found) = gateway.container(account, name).await? {
            return Ok(found);
        }
        may(call, &Method::PUT, Some(name), false).await?;
        self.made += 1;
        if self.made > limits::BULK_CONTAINERS {
            let most = limits::BULK_CONTAINERS;
            return Err(Refusal::bad(format!("More than {most} containers to create from tar.")));
        }
        let made =
            gateway.client.create_container(account, name).versioning(Versioning::Suspended).await;
        gateway.forget_container(account, name);
        gateway.forget_account(&call.target.account);
        made?;
        gateway.container_now(account, name).await?.ok_or_else(Refusal::not_found)
    }

    fn report(self, done: Result<(), Refusal>) -> Report {
        let mut report = Report { errors: self.errors, ..Report::default() };
        report.says.insert("Number Files Created", self.created.into());
        match done {
            Err(refusal) => report.status(refusal.status, refusal.text()),
            Ok(()) if self.created == 0 && report.errors.is_empty() => {
                report.status(StatusCode::BAD_REQUEST, "Invalid Tar File: No Valid Files");
            }
            Ok(()) => report.status(self.worst, ""),
        }
        report
    }
}

async fn may(
    call: &Call,
    method: &Method,
    container: Option<&ContainerName>,
    in_object: bool,
) -> Result<Authority, Refusal> {
    call.authorize_for(method, &call.target.account, container, in_object).await
}

/// The headers that a file would be uploaded with: those of the request that are meant for each
/// file, and what its own attributes say.
fn headers(request: &HeaderMap, more: Extended) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in request {
        let each = ["content-type", "x-detect-content-type", "x-delete-at", "x-delete-after"];
        // Who posts with curl and says nothing of a type says this.
        let unsaid = value == "application/x-www-form-urlencoded";
        let meant = each.contains(&name.as_str()) || name.as_str().starts_with("x-object-meta-");
        if meant && !unsaid {
            headers.insert(name.clone(), value.clone());
        }
    }
    for (name, text) in more.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let named = name.ok().zip(metadata::value(&text));
        let (name, value) = named.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// What extends the next entry.
async fn extension(entry: &mut (impl AsyncRead + Unpin), size: u64) -> Result<Vec<u8>, Refusal> {
    if size > EXTENSION_BYTES {
        return Err(invalid("an extended header is too large".to_owned()));
    }
    let mut bytes = Vec::new();
    entry.take(size).read_to_end(&mut bytes).await.map_err(broken)?;
    Ok(bytes)
}

fn invalid(why: String) -> Refusal {
    Refusal::bad(format!("Invalid Tar File: {why}"))
}

/// An archive that cannot be read, or that did not come.
fn broken(error: io::Error) -> Refusal {
    let body = error.get_ref().and_then(|inner| inner.downcast_ref::<BodyError>());
    body.map_or_else(|| invalid(error.to_string()), Refusal::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(key: &str, value: &str) -> String {
        let rest = key.len() + value.len() + 3;
        let length = (1..6).map(|digits| rest + digits).find(|l| l.to_string().len() + rest == *l);
        format!("{} {key}={value}\n", length.unwrap())
    }

    #[test]
    fn extended_headers_become_metadata() {
        let mut bytes = record("path", "a/b=c");
        bytes += &record("SCHILY.xattr.user.mime_type", "text/x");
        bytes += &record("LIBARCHIVE.xattr.user.meta.Lunch", "burger\nfries");
        bytes += &record("SCHILY.xattr.user.other", "x");
        bytes += &record("mtime", "1.5");
        let mut read = Extended::default();
        read.read(bytes.as_bytes(), 3).unwrap();
        let expected = Extended {
            path: Some("a/b=c".into()),
            headers: vec![
                ("content-type".into(), "text/x".into()),
                ("x-object-meta-Lunch".into(), "burger\nfries".into()),
            ],
        };
        assert_eq!(read, expected);
        let mut large = Extended::default();
        assert!(large.read(record("size", "9000000000").as_bytes(), 3).is_err());
        assert!(large.read(record("size", "5").as_bytes(), 5).is_ok());
        for bad in ["x", "5 ab", "99 a=b\n", "0 a=b\n", "2 a=b\n", "4 ab\n"] {
            assert!(Extended::default().read(bad.as_bytes(), 0).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_has_its_own_headers_and_those_meant_for_each() {
        let mut request = HeaderMap::new();
        for (name, value) in
            [("x-object-meta-a", "1"), ("content-type", "text/y"), ("x-auth-token", "secret")]
        {
            request.insert(name, http::HeaderValue::from_static(value));
        }
        let own = |value: &str| Extended {
            path: None,
            headers: vec![("content-type".into(), value.into())],
        };
        let found = headers(&request, own("text/x")).unwrap();
        assert_eq!(
            (found.len(), &found["content-type"]),
            (2, &http::HeaderValue::from_static("text/x"))
        );
        assert_eq!(headers(&request, own("a\nb")).unwrap_err().status, 400);
    }

    type NamedBytes = (Vec<u8>, Vec<u8>);

    /// The files that are found in an archive, by name, and whether it was whole.
    fn files(bytes: Vec<u8>) -> (Vec<NamedBytes>, Result<(), Refusal>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut found = Vec::new();
        let whole = runtime.block_on(async {
            let mut files = Files::of(Box::pin(io::Cursor::new(bytes)))?;
            while let Some(mut file) = files.next().await? {
                let mut content = Vec::new();
                file.content.read_to_end(&mut content).await.map_err(broken)?;
                assert!(content.len() as u64 <= file.size);
                found.push((file.name, content));
            }
            Ok(())
        });
        (found, whole)
    }

    /// An archive with these files, directories before them; names that are long, too.
    fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut archive = tokio_tar::Builder::new(Vec::new());
            for (name, content) in files {
                let mut header = tokio_tar::Header::new_gnu();
                header.set_entry_type(EntryType::Directory);
                header.set_size(0);
                archive.append_data(&mut header, "directory", tokio::io::empty()).await.unwrap();
                header.set_entry_type(EntryType::Regular);
                header.set_size(content.len() as u64);
                archive.append_data(&mut header, name, &content[..]).await.unwrap();
            }
            archive.into_inner().await.unwrap()
        })
    }

    proptest! {
        #[test]
        fn what_was_put_into_an_archive_is_found_in_it(
            files_in in prop::collection::vec(
                ("[a-z]{1,9}(/[a-zäß ]{1,60}){1,4}", prop::collection::vec(any::<u8>(), 0..2000)),
                0..5,
            ),
        ) {
            let (found, whole) = files(archive(&files_in));
            let expected: Vec<_> =
                files_in.into_iter().map(|(name, content)| (name.into_bytes(), content)).collect();
            prop_assert_eq!((found, whole.is_ok()), (expected, true));
        }

        #[test]
        fn no_damage_to_an_archive_does_harm(
            content in prop::collection::vec(any::<u8>(), 0..1500),
            damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let long = "l".repeat(150);
            let mut bytes = archive(&[("c/o".into(), content.clone()), (long, content)]);
            let whole = files(bytes.clone());
            prop_assert_eq!((whole.0.len(), whole.1.is_ok()), (2, true));
            for (at, byte) in damages {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let (found, read) = files(bytes);
            prop_assert!(found.len() <= 2);
            if let Err(refusal) = read {
                prop_assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
            }
        }

        #[test]
        fn no_bytes_for_an_archive_do_harm(
            header in prop::collection::vec(any::<u8>(), 0..512),
            size in "[0-7]{11}|\\PC{1,3}",
        ) {
            let mut bytes = header;
            bytes.resize(512, 0);
            bytes[124..124 + size.len().min(12)].copy_from_slice(&size.as_bytes()[..size.len().min(12)]);
            // With a sum that is right, what else it says is believed.
            bytes[148..156].copy_from_slice(b"        ");
            let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
            bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            bytes.resize(4096, b'x');
            if let (_, Err(refusal)) = files(bytes) {
                prop_assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
            }
        }
    }

    proptest! {
        #[test]
        fn no_extended_header_does_harm(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[0-9]{1,3} [a=\n]{0,9}") {
            let _ = Extended::default().read(&bytes, 0);
            let _ = Extended::default().read(text.as_bytes(), 0);
        }
    }
}
