//! Listings of accounts and containers: what is asked for, and how it is shown.

use crate::{
    limits,
    path::{Account, escape},
    query::Query,
    refusal::Refusal,
    symlink::Link,
    time, versions,
};
use client::{ContainerEntry, ContainerName, ObjectEntry, Version};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The forms of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A name a line.
    Text,
    /// JSON.
    Json,
    /// XML.
    Xml,
}

impl Form {
    /// The form a client wants: what it says in `format`, or else the first that it accepts.
    ///
    /// # Errors
    /// 406 if it accepts none.
    pub fn of(query: &Query, headers: &HeaderMap) -> Result<Self, Refusal> {
        if let Some(format) = query.get("format") {
            return Ok(match format.to_ascii_lowercase().as_str() {
                "json" => Self::Json,
                "xml" => Self::Xml,
                _ => Self::Text,
            });
        }
        let Some(accept) = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()) else {
            return Ok(Self::Text);
        };
        if accept.trim().is_empty() { Ok(Self::Text) } else { Self::accepted(accept) }
    }

    /// The form a list of media types likes best.
    ///
    /// # Errors
    /// 400 if it is none, 406 if it has none of ours.
    pub fn accepted(accept: &str) -> Result<Self, Refusal> {
        best(accept)
    }

    /// The form of a listing of versions, which is JSON and nothing else.
    ///
    /// # Errors
    /// 406 for another.
    pub fn of_versions(query: &Query, headers: &HeaderMap) -> Result<Self, Refusal> {
        let text = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        if !query.has("format") && text.is_none_or(|accept| accept.trim() == "*/*") {
            return Ok(Self::Json);
        }
        match Self::of(query, headers) {
            Ok(Self::Json) => Ok(Self::Json),
            _ => Err(Refusal::new(StatusCode::NOT_ACCEPTABLE)),
        }
    }

    /// Says in which form an answer is, and that there are others.
    pub fn show(self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type()));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::Xml => "application/xml; charset=utf-8",
        }
    }
}

fn best(accept: &str) -> Result<Form, Refusal> {
    let malformed = || Refusal::bad("Invalid Accept header");
    let known = [
        ("text/plain", Form::Text),
        ("application/json", Form::Json),
        ("application/xml", Form::Xml),
        ("text/xml", Form::Xml),
    ];
    let mut liked: Option<(u32, usize, Form)> = None;
    for part in accept.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let mut fields = part.split(';').map(str::trim);
        let range = fields.next().unwrap_or_default();
        let (main, sub) = range.split_once('/').ok_or_else(malformed)?;
        let mut weight = 1000;
        for field in fields {
            let Some((name, value)) = field.split_once('=') else { continue };
            if name.trim() == "q" {
                let value: f32 = value.trim().parse().map_err(|_| malformed())?;
                weight = (value.clamp(0.0, 1.0) * 1000.0) as u32;
            }
        }
        let exact = usize::from(main != "*") + usize::from(sub != "*");
        for (kind, form) in known {
            let (of, is) = kind.split_once('/').unwrap_or_default();
            let fits = (main == "*" || main == of) && (sub == "*" || sub == is);
            let better = liked.is_none_or(|(w, e, _)| (weight, exact) > (w, e));
            if fits && weight > 0 && better {
                liked = Some((weight, exact, form));
            }
        }
    }
    liked.map(|(_, _, form)| form).ok_or_else(|| Refusal::new(StatusCode::NOT_ACCEPTABLE))
}

/// Which part of a listing a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Names that begin with this.
    pub prefix: String,
    /// What folds names.
    pub delimiter: String,
    /// Names behind this one.
    pub marker: String,
    /// Names before this one.
    pub end_marker: String,
    /// Most entries.
    pub limit: u32,
    /// From the last name to the first.
    pub reverse: bool,
    /// Only what is directly below the prefix, and nothing folded.
    pub path: bool,
}

impl Wanted {
    /// From the query.
    ///
    /// # Errors
    /// 412 for a limit that is too high.
    pub fn of(query: &Query) -> Result<Self, Refusal> {
        let text = |name| query.get(name).unwrap_or_default().to_owned();
        let digits = query.filled("limit").filter(|l| l.bytes().all(|b| b.is_ascii_digit()));
        let limit = match digits {
            None => limits::LISTING,
            Some(digits) => match digits.parse::<u32>() {
                Ok(limit) if limit <= limits::LISTING => limit,
                _ => {
                    let most = limits::LISTING;
                    let text = format!("Maximum limit is {most}");
                    return Err(Refusal::says(StatusCode::PRECONDITION_FAILED, text));
                }
            },
        };
        let mut wanted = Self {
            prefix: text("prefix"),
            delimiter: text("delimiter"),
            marker: text("marker"),
            end_marker: text("end_marker"),
            limit,
            reverse: query.is_true("reverse"),
            path: false,
        };
        if let Some(whole) = query.get("path") {
            let path = whole.trim_end_matches('/');
            wanted.prefix = if whole.is_empty() { String::new() } else { format!("{path}/") };
            wanted.delimiter = "/".to_owned();
            wanted.path = true;
        }
        Ok(wanted)
    }
}

/// An entry of a listing, as it is shown: names and values in their order.
pub enum Row {
    /// An object or a container: the kind, its name, and what else is shown.
    Entry(&'static str, String, Map<String, Value>),
    /// Names folded into one.
    Folded(String),
}

/// A container in its account's listing.
pub fn container_row(entry: &ContainerEntry) -> Row {
    let mut shown = Map::new();
    shown.insert("name".into(), entry.name.as_str().into());
    shown.insert("count".into(), entry.live_objects.into());
    shown.insert("bytes".into(), entry.bytes.into());
    shown.insert("last_modified".into(), time::iso(entry.modified).into());
    Row::Entry("container", entry.name.to_string(), shown)
}

/// Whether an object's properties matter to a listing.
pub fn needs_properties(entry: &ObjectEntry) -> bool {
    entry.properties.is_none() && Listed::of(&entry.mime_type).link
}

/// An object in the listing of its container.
pub fn object_row(entry: &ObjectEntry, account: &Account, container: &ContainerName) -> Row {
    let mut shown = object_members(entry, account);
    let current = Listed::of(&entry.mime_type).current.map(|(version, _)| version);
    let is_marked = entry.properties.as_ref().is_some_and(versions::is_marked);
    if let Some(version) = current.or(is_marked.then_some(entry.version)) {
        let (account, id) = (escape(&account.to_string()), time::swift(version.0));
        let (container, object) = (escape(container.as_str()), escape(entry.name.as_str()));
        let path = format!("/v1/{account}/{container}/{object}?version-id={id}");
        shown.insert("symlink_path".into(), path.into());
        shown.insert("version_symlink".into(), true.into());
    }
    Row::Entry("object", entry.name.to_string(), shown)
}

fn object_members(entry: &ObjectEntry, account: &Account) -> Map<String, Value> {
    let listed = Listed::of(&entry.mime_type);
    let mut shown = Map::new();
    shown.insert("name".into(), entry.name.as_str().into());
    let md5 = listed.current.map_or(entry.md5, |(_, md5)| md5);
    shown.insert("hash".into(), md5.map(hex::encode).unwrap_or_default().into());
    shown.insert("bytes".into(), listed.bytes.unwrap_or(entry.size).into());
    shown.insert("content_type".into(), listed.mime_type.into());
    shown.insert("last_modified".into(), time::iso(entry.modified).into());
    if let Some(etag) = listed.slo_etag {
        shown.insert("slo_etag".into(), format!("\"{etag}\"").into());
    }
    if let Some(link) = entry.properties.as_ref().and_then(Link::of) {
        shown.insert("symlink_path".into(), link.path(account).into());
        if let Some(etag) = link.etag {
            shown.insert("symlink_etag".into(), etag.into());
        }
        if let Some(bytes) = link.bytes {
            shown.insert("symlink_bytes".into(), bytes.into());
        }
        if let Some(etag) = link.slo_etag {
            shown.insert("slo_etag".into(), format!("\"{etag}\"").into());
        }
    }
    shown
}

/// A version of an object in its container's listing of versions.
pub fn version_row(entry: &ObjectEntry, account: &Account) -> Row {
    let mut shown = object_members(entry, account);
    let versioned = entry.properties.as_ref().is_some_and(versions::is_marked);
    shown.insert("version_id".into(), versions::id(entry, versioned).into());
    shown.insert("is_latest".into(), entry.latest.into());
    if entry.marker {
        shown.insert("content_type".into(), versions::DELETED.into());
        shown.insert("hash".into(), versions::EMPTY_MD5.into());
    }
    Row::Entry("object", entry.name.to_string(), shown)
}

/// What the media type of an object says to listings beyond what it is: manifests and links give
/// there what they stand for, as parameters that begin with `swift_`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed<'a> {
    /// The media type alone.
    pub mime_type: &'a str,
    /// Bytes of what a manifest names.
    pub bytes: Option<u64>,
    /// The entity tag of a large object.
    pub slo_etag: Option<&'a str>,
    /// Whether it is a symbolic link: where it leads is too long for here.
    pub link: bool,
    /// The version that it makes current, which has a content, and the MD5 of that.
    pub current: Option<(Version, Option<[u8; 16]>)>,
}

impl<'a> Listed<'a> {
    /// Takes a media type apart.
    pub fn of(kept: &'a str) -> Self {
        let ours = [";swift_bytes=", ";swift_etag=", ";swift_link=", ";swift_version="];
        let (mime_type, parameters) = match ours.iter().filter_map(|name| kept.find(name)).min() {
            Some(at) => kept.split_at(at),
            None => (kept, ""),
        };
        let mut listed = Self { mime_type, ..Self::default() };
        for parameter in parameters.split(';') {
            match parameter.split_once('=') {
                Some(("swift_bytes", bytes)) => listed.bytes = bytes.parse().ok(),
                Some(("swift_etag", etag)) => listed.slo_etag = Some(etag),
                Some(("swift_link", "")) => listed.link = true,
                Some(("swift_version", text)) => listed.current = current(text),
                _ => {}
            }
        }
        listed
    }

    /// Puts it together again.
    pub fn kept(&self) -> String {
        let mut kept = self.mime_type.to_owned();
        if let Some(bytes) = self.bytes {
            let _ = write!(kept, ";swift_bytes={bytes}");
        }
        if let Some(etag) = self.slo_etag {
            let _ = write!(kept, ";swift_etag={etag}");
        }
        if self.link {
            kept.push_str(";swift_link=");
        }
        if let Some((version, md5)) = self.current {
            let md5 = md5.map(hex::encode).unwrap_or_default();
            let _ = write!(kept, ";swift_version={}.{md5}", version.0);
        }
        kept
    }
}

fn current(text: &str) -> Option<(Version, Option<[u8; 16]>)> {
    let (version, md5) = text.split_once('.')?;
    let mut bytes = [0; 16];
    let md5 = hex::decode_to_slice(md5, &mut bytes).is_ok().then_some(bytes);
    Some((Version(version.parse().ok()?), md5))
}

/// Writes a listing: `kind` is what it is of, `name` its name.
pub fn render(form: Form, kind: &str, name: &str, rows: Vec<Row>) -> String {
    match form {
        Form::Text => {
            let mut text = String::new();
            for row in rows {
                let (Row::Entry(_, name, _) | Row::Folded(name)) = row;
                text.push_str(&name);
                text.push('\n');
            }
            text
        }
        Form::Json => {
            let shown = |row| match row {
                Row::Entry(_, _, shown) => Value::Object(shown),
                Row::Folded(prefix) => json!({ "subdir": prefix }),
            };
            Value::Array(rows.into_iter().map(shown).collect()).to_string()
        }
        Form::Xml => {
            let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
            let _ = write!(xml, "<{kind} name=\"{}\">", escape_xml(name));
            for row in rows {
                match row {
                    Row::Entry(kind, _, shown) => {
                        let _ = write!(xml, "<{kind}>");
                        for (name, value) in shown {
                            let text = match value {
                                Value::String(text) => escape_xml(&text),
                                value => value.to_string(),
                            };
                            let _ = write!(xml, "<{name}>{text}</{name}>");
                        }
                        let _ = write!(xml, "</{kind}>");
                    }
                    Row::Folded(prefix) => {
                        let prefix = escape_xml(&prefix);
                        let _ =
                            write!(xml, "<subdir name=\"{prefix}\"><name>{prefix}</name></subdir>");
                    }
                }
            }
            let _ = write!(xml, "</{kind}>");
            xml
        }
    }
}

/// Text as it stands in XML. What XML cannot say at all is replaced.
pub fn escape_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn form(query: &str, accept: Option<&'static str>) -> Result<Form, u16> {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        Form::of(&Query::parse(query).unwrap(), &headers).map_err(|r| r.status.as_u16())
    }

    #[test]
    fn the_form_is_the_one_asked_for_or_accepted() {
        assert_eq!(form("", None), Ok(Form::Text));
        assert_eq!(form("format=json", Some("text/xml")), Ok(Form::Json));
        assert_eq!(form("format=XML", None), Ok(Form::Xml));
        assert_eq!(form("format=what", None), Ok(Form::Text));
        assert_eq!(form("", Some("application/json")), Ok(Form::Json));
        assert_eq!(form("", Some("application/json;q=0.2, text/xml")), Ok(Form::Xml));
        assert_eq!(form("", Some("*/*")), Ok(Form::Text));
        assert_eq!(form("", Some(" ")), Ok(Form::Text));
        assert_eq!(form("", Some("application/*")), Ok(Form::Json));
        assert_eq!(form("", Some("image/png")), Err(406));
        assert_eq!(form("", Some("nonsense")), Err(400));
    }

    #[test]
    fn what_is_wanted_is_read_as_in_swift() {
        let wanted =
            |query: &str| Wanted::of(&Query::parse(query).unwrap()).map_err(|r| r.status.as_u16());
        assert_eq!(wanted("").unwrap().limit, 10_000);
        assert_eq!(wanted("limit=7&marker=a&reverse=on").unwrap().limit, 7);
        assert_eq!(wanted("limit=10001"), Err(412));
        assert_eq!(wanted("limit=x").unwrap().limit, 10_000);
        let path = wanted("path=a/b/").unwrap();
        assert_eq!((path.prefix.as_str(), path.delimiter.as_str(), path.path), ("a/b/", "/", true));
        assert_eq!(wanted("path=").unwrap().prefix, "");
        assert_eq!(wanted("path=/").unwrap().prefix, "/");
    }

    #[test]
    fn what_listings_are_told_comes_back() {
        let listed = Listed {
            mime_type: "text/plain; charset=utf-8",
            bytes: Some(7),
            slo_etag: Some("ab"),
            link: true,
            current: Some((Version(1_795_283_017_123_450), Some([7; 16]))),
        };
        assert_eq!(Listed::of(&listed.kept()), listed);
        let unknown = Listed { current: Some((Version(10), None)), ..listed };
        assert_eq!(Listed::of(&unknown.kept()), unknown);
        let plain = "text/plain; charset=utf-8";
        assert_eq!(Listed::of(plain), Listed { mime_type: plain, ..Listed::default() });
        assert_eq!(Listed::of(plain).kept(), plain);
    }

    #[test]
    fn names_are_escaped() {
        let rows = || vec![Row::Folded("a<&\"'>\u{1}\n\u{7f}\u{85}".into())];
        let xml = render(Form::Xml, "container", "c&d", rows());
        assert!(
            xml.contains(
                "<container name=\"c&amp;d\"><subdir name=\"a&lt;&amp;&quot;'&gt;\u{fffd}&#10;\u{7f}\u{85}\">"
            ),
            "{xml}"
        );
        assert_eq!(
            render(Form::Json, "container", "c", rows()),
            "[{\"subdir\":\"a<&\\\"'>\\u0001\\n\u{7f}\u{85}\"}]"
        );
        assert_eq!(render(Form::Text, "container", "c", vec![]), "");
    }

    proptest! {
        #[test]
        fn no_listing_asks_for_too_much(
            text in "(limit|path|prefix|delimiter|marker|format|reverse)=[0-9a-z/%+]{0,12}(&limit=[0-9]{0,25})?",
            accept in "[a-z*/;q=0-9., -]{0,40}|\\PC{0,20}",
        ) {
            if let Ok(query) = Query::parse(&text) {
                if let Ok(wanted) = Wanted::of(&query) {
                    prop_assert!(wanted.limit <= limits::LISTING);
                }
                let mut headers = HeaderMap::new();
                if let Ok(accept) = HeaderValue::from_str(&accept) {
                    headers.insert(header::ACCEPT, accept);
                }
                let _ = (Form::of(&query, &headers), Form::of_versions(&query, &headers));
            }
        }

        #[test]
        fn what_a_media_type_is_told_comes_back(
            mime_type in "[a-z]{1,5}/[a-z]{1,5}(; ?[a-z]{1,5}=[a-z\"]{0,5}){0,2}",
            bytes in any::<Option<u64>>(),
            etag in prop::option::of("[0-9a-f]{32}"),
            link in any::<bool>(),
            current in prop::option::of((any::<u64>().prop_map(Version), any::<Option<[u8; 16]>>())),
        ) {
            let slo_etag = etag.as_deref();
            let listed = Listed { mime_type: &mime_type, bytes, slo_etag, link, current };
            let kept = listed.kept();
            prop_assert_eq!(Listed::of(&kept), listed);
        }

        #[test]
        fn no_name_breaks_a_listing(name in any::<String>(), kept in "\\PC{0,20}(;swift_(bytes|etag|link)=\\PC{0,9}){0,3}") {
            let xml = render(Form::Xml, "container", &name, vec![Row::Folded(name.clone())]);
            prop_assert_eq!(xml.matches(['<', '>']).count(), 2 * 7, "{}", xml);
            prop_assert!(!xml[40..].contains(|c| c < ' ' && c != '\n'));
            let json = render(Form::Json, "container", &name, vec![Row::Folded(name.clone())]);
            let read: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read[0]["subdir"].as_str(), Some(name.as_str()));
            let _ = Listed::of(&kept);
        }
    }
}
