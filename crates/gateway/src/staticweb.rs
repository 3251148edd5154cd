//! Containers as web sites: an index for what ends with a slash, listings in HTML, pages for
//! errors. Only for those without a token, and for those who ask for it by `X-Web-Mode`.

use crate::{
    call::Call,
    caller::Caller,
    container,
    listing::{Row, Wanted, escape_xml},
    metadata,
    path::{Target, escape},
    query::{Query, is_true},
    refusal::{Outcome, Refusal},
    route,
};
use client::Properties;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Map, Value};
use std::fmt::Write;
use transport::{Body, full_body};

/// The media type of objects that stand for directories, unless the container says otherwise.
const DIRECTORY: &str = "application/directory";

/// What pages look like, unless the container names a style sheet.
const STYLE: &str = "<style type=\"text/css\">h1 { font-size: 1em } \
    th, td { text-align: left; padding: 0 1em } a { text-decoration: none }</style>";

/// What a container says about its site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Site {
    index: Option<String>,
    error: Option<String>,
    listings: Option<String>,
    label: Option<String>,
    css: Option<String>,
    directory: Option<String>,
}

impl Site {
    fn of(properties: &Properties) -> Self {
        let text = |name: &str| {
            let text = properties.get(name).map(|text| text.trim().to_owned());
            text.filter(|text| !text.is_empty())
        };
        Self {
            index: text("web-index"),
            error: text("web-error"),
            listings: text("web-listings"),
            label: text("web-listings-label"),
            css: text("web-listings-css"),
            directory: text("web-directory-type"),
        }
    }

    /// Whether it is a site at all.
    fn is_one(&self) -> bool {
        self.index.is_some() || self.listings.is_some()
    }

    fn lists(&self) -> bool {
        self.listings.as_deref().is_some_and(is_true)
    }
}

/// Whether a request is one for a site, if there is one.
pub fn applies(call: &Call) -> bool {
    let reads = matches!(call.method, Method::GET | Method::HEAD);
    let asked = matches!(call.caller, Caller::Anonymous) || web_mode(call);
    reads && asked && call.target.container.is_some()
}

fn web_mode(call: &Call) -> bool {
    call.header("x-web-mode").is_some_and(is_true)
}

/// Answers such a request.
pub async fn answer(call: Call) -> Outcome {
    let found = call.gateway.container(call.account(), call.container()?).await?;
    let site = found.map(|found| Site::of(&found.properties)).unwrap_or_default();
    match call.target.object {
        Some(_) => of_object(call, &site).await,
        None => of_container(call, &site).await,
    }
}

async fn of_container(call: Call, site: &Site) -> Outcome {
    if let Err(refusal) = call.authorize().await {
        return refused(&call, site, refusal).await;
    }
    if !site.is_one() {
        return match web_mode(&call) {
            true => Err(Refusal::not_found()),
            false => route::answer_call(call).await,
        };
    }
    if !call.path.ends_with('/') {
        return Ok(with_slash(&call));
    }
    let Some(index) = &site.index else { return list(&call, site, "").await };
    match page(&call, index).await {
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => list(&call, site, "").await,
        Err(refusal) => refused(&call, site, refusal).await,
        found => found,
    }
}

async fn of_object(call: Call, site: &Site) -> Outcome {
    let mut plain = call.further(call.method.clone(), call.target.clone());
    plain.query = call.query.clone();
    let missing = match route::answer_call(plain).await {
        Ok(response) if !is_directory(&response, site) => return Ok(response),
        Ok(_) => Refusal::not_found(),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => refusal,
        // Other errors have no pages: one who may not read may not read those.
        Err(refusal) => return Err(refusal),
    };
    if !site.is_one() {
        return Err(missing);
    }
    let name = call.object()?.to_string();
    let slash = name.ends_with('/');
    if let Some(index) = &site.index {
        let inside = if slash { format!("{name}{index}") } else { format!("{name}/{index}") };
        match page(&call, &inside).await {
            Ok(_) if !slash => return Ok(with_slash(&call)),
            Ok(response) => return Ok(response),
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {}
            Err(refusal) => return Err(refusal),
        }
    }
    if slash {
        return list(&call, site, &name).await;
    }
    let below = Wanted {
        prefix: format!("{name}/"),
        delimiter: "/".to_owned(),
        limit: 1,
        ..Wanted::of(&Query::default())?
    };
    let listed = match may_list(&call).await {
        Ok(()) => container::rows(&call, &below, false).await,
        Err(refusal) => Err(refusal),
    };
    match listed {
        Ok(rows) if !rows.is_empty() => Ok(with_slash(&call)),
        _ => refused(&call, site, Refusal::not_found()).await,
    }
}

/// Whether an answer is that of an object that stands for a directory.
fn is_directory(response: &Response<Body>, site: &Site) -> bool {
    let text = |name| response.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let of_type =
        text(header::CONTENT_TYPE) == Some(site.directory.as_deref().unwrap_or(DIRECTORY));
    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    of_type && response.status().is_success() && length.is_some_and(|length| length <= 1)
}

/// An object of the same container, as the caller asked for the page it is.
async fn page(call: &Call, object: &str) -> Outcome {
    let Ok(object) = object.parse() else { return Err(Refusal::not_found()) };
    let target = Target { object: Some(object), ..call.target.clone() };
    route::answer_call(call.further(call.method.clone(), target)).await
}

/// A refusal with the container's page for it, if it has one and the caller may see that.
async fn refused(call: &Call, site: &Site, refusal: Refusal) -> Outcome {
    let status = refusal.status;
    let Some(error) = &site.error else { return Err(refusal) };
    let mut plain = call.further(call.method.clone(), call.target.clone());
    // Of the page for an error nobody asked for a part, or for what has changed.
    for name in [
        header::RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ] {
        plain.headers.remove(name);
    }
    match page(&plain, &format!("{}{error}", status.as_u16())).await {
        Ok(mut response) if response.status().is_success() => {
            *response.status_mut() = status;
            Ok(response)
        }
        _ => Err(refusal),
    }
}

/// 301 to the same path with a slash.
fn with_slash(call: &Call) -> Response<Body> {
    let mut response = container::empty(StatusCode::MOVED_PERMANENTLY);
    let location = format!("{}{}/", call.base, call.path);
    metadata::set(response.headers_mut(), "location", &location);
    response
}

async fn may_list(call: &Call) -> Result<(), Refusal> {
    let (account, container) = (&call.target.account, call.target.container.as_ref());
    call.authorize_for(&Method::GET, account, container, false).await.map(drop)
}

/// What is below a prefix, as a page.
async fn list(call: &Call, site: &Site, prefix: &str) -> Outcome {
    let label = label(call, site);
    if !site.lists() {
        let text = "<h1>Web Listing Disabled</h1><p>The owner of this web site has disabled web \
            listing.</p><p>If you are the owner of this web site, you can enable web listing by \
            setting X-Container-Meta-Web-Listings.</p>";
        let page = document(site, &label, prefix, text);
        let refusal = Refusal::page(StatusCode::NOT_FOUND, page);
        return refused(call, site, refusal).await;
    }
    if let Err(refusal) = may_list(call).await {
        return refused(call, site, refusal).await;
    }
    let wanted = Wanted {
        prefix: prefix.to_owned(),
        delimiter: "/".to_owned(),
        ..Wanted::of(&Query::default())?
    };
    let rows = container::rows(call, &wanted, false).await?;
    if !prefix.is_empty() && rows.is_empty() {
        return refused(call, site, Refusal::not_found()).await;
    }
    let page = document(site, &label, prefix, &table(&label, prefix, &rows));
    let mut response = Response::new(full_body(page));
    let kind = HeaderValue::from_static("text/html; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// What is listed, in words.
fn label(call: &Call, site: &Site) -> String {
    let path = call.plain_path();
    match &site.label {
        Some(label) => format!("{label}/{}", path.splitn(5, '/').nth(4).unwrap_or_default()),
        None => path,
    }
}

fn document(site: &Site, label: &str, prefix: &str, body: &str) -> String {
    let style = match &site.css {
        Some(css) => {
            let absolute = ["/", "http://", "https://"].iter().any(|begin| css.starts_with(begin));
            let up = if absolute { 0 } else { prefix.matches('/').count() };
            let css = format!("{}{}", "../".repeat(up), link(css, absolute));
            format!("<link rel=\"stylesheet\" type=\"text/css\" href=\"{css}\" />")
        }
        None => STYLE.to_owned(),
    };
    let label = escape_xml(label);
    format!(
        "<!DOCTYPE html>\n<html>\n <head>\n  <title>Listing of {label}</title>\n  {style}\n \
         </head>\n <body>\n{body}\n </body>\n</html>\n"
    )
}

/// A name in a link; what is one already keeps its colon.
fn link(name: &str, is_url: bool) -> String {
    let escaped = escape(name);
    if is_url { escaped.replacen("%3A", ":", 1) } else { escaped }
}

fn table(label: &str, prefix: &str, rows: &[Row]) -> String {
    let mut page = format!(
        "  <h1 id=\"title\">Listing of {}</h1>\n  <table id=\"listing\">\n   <tr id=\"heading\">\n    \
         <th class=\"colname\">Name</th>\n    <th class=\"colsize\">Size</th>\n    \
         <th class=\"coldate\">Date</th>\n   </tr>\n",
        escape_xml(label)
    );
    let mut row = |id: &str, href: &str, name: &str, size: &str, date: &str| {
        let _ = writeln!(
            page,
            "   <tr {id}>\n    <td class=\"colname\"><a href=\"{href}\">{}</a></td>\n    \
             <td class=\"colsize\">{size}</td>\n    <td class=\"coldate\">{date}</td>\n   </tr>",
            escape_xml(name)
        );
    };
    let nothing = "&nbsp;";
    if !prefix.is_empty() {
        row("id=\"parent\" class=\"item\"", "../", "../", nothing, nothing);
    }
    for folded in rows {
        if let Row::Folded(name) = folded {
            let name = name.strip_prefix(prefix).unwrap_or(name);
            row("class=\"item subdir\"", &href(name), name, nothing, nothing);
        }
    }
    for entry in rows {
        if let Row::Entry(_, name, shown) = entry {
            let name = name.strip_prefix(prefix).unwrap_or(name);
            let text = |key: &str| shown.get(key).and_then(Value::as_str).unwrap_or_default();
            let kinds: Vec<_> = text("content_type")
                .to_ascii_lowercase()
                .split('/')
                .map(|kind| format!("type-{}", escape_xml(kind)))
                .collect();
            let date =
                text("last_modified").split('.').next().unwrap_or_default().replace('T', " ");
            let id = format!("class=\"item {}\"", kinds.join(" "));
            row(&id, &href(name), name, &size(shown), &date);
        }
    }
    page.push_str("  </table>");
    page
}

/// The link to a name. One with a colon in its first part would be taken for a scheme.
fn href(name: &str) -> String {
    escape(name)
}

fn size(shown: &Map<String, Value>) -> String {
    readable(shown.get("bytes").and_then(Value::as_u64).unwrap_or_default())
}

/// Bytes as people read them.
fn readable(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "";
    for next in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
        if value.round() < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    format!("{}{unit}", value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_written_for_people() {
        for (bytes, text) in
            [(0, "0"), (1023, "1023"), (1024, "1Ki"), (1536, "2Ki"), (1_048_576, "1Mi")]
        {
            assert_eq!(readable(bytes), text);
        }
    }

    #[test]
    fn a_site_is_what_the_container_says() {
        let mut properties = Properties::new();
        assert!(!Site::of(&properties).is_one());
        properties.insert("web-listings".into(), " True ".into());
        assert!(Site::of(&properties).is_one() && Site::of(&properties).lists());
        properties.insert("web-listings".into(), "no".into());
        assert!(Site::of(&properties).is_one() && !Site::of(&properties).lists());
        properties.insert("web-index".into(), " ".into());
        assert_eq!(Site::of(&properties).index, None);
    }

    #[test]
    fn names_in_pages_are_harmless() {
        let rows = vec![Row::Folded("p/<b>/".into())];
        let page = table("<x>", "p/", &rows);
        assert!(page.contains("<a href=\"%3Cb%3E/\">&lt;b&gt;/</a>"), "{page}");
        assert!(page.contains("Listing of &lt;x&gt;") && page.contains("href=\"../\""));
        let site = |css: &str| Site { css: Some(css.to_owned()), ..Site::default() };
        for (css, href) in [
            ("a.css", "\"../../a.css\""),
            ("/a\"b.css", "\"/a%22b.css\""),
            ("http://h/a.css", "\"http://h/a.css\""),
        ] {
            let page = document(&site(css), "l", "x/y/", "");
            assert!(page.contains(&format!("href={href}")), "{page}");
        }
    }

    proptest! {
        #[test]
        fn no_name_is_part_of_the_page(name in any::<String>(), kind in any::<String>(), prefix in "[a<>\"&/]{0,9}") {
            let shown = [("bytes", Value::from(7)), ("content_type", kind.into())];
            let shown = shown.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
            let rows = [Row::Folded(format!("{prefix}{name}")), Row::Entry("object", name.clone(), shown)];
            let site = Site { css: Some(name.clone()), ..Site::of(&Properties::new()) };
            let page = document(&site, &name, &prefix, &table(&name, &prefix, &rows));
            let harmless = Site { css: Some("x".into()), ..Site::of(&Properties::new()) };
            let shown = [("content_type", Value::from("x"))].map(|(n, v)| (n.to_owned(), v));
            let rows = [Row::Folded("x".into()), Row::Entry("object", "x".into(), shown.into_iter().collect())];
            let parent = if prefix.is_empty() { "" } else { "x" };
            let other = document(&harmless, "x", parent, &table("x", parent, &rows));
            for mark in ['<', '>', '"'] {
                prop_assert_eq!(page.matches(mark).count(), other.matches(mark).count(), "{}", page);
            }
        }
    }
}
