//! Uploads by HTML forms: whoever has a form that the owner signed may store so many files, so
//! large, under a prefix, until it expires.

use crate::{
    call::Call,
    caller::Caller,
    metadata,
    multipart::{Event, Form, Malformed, parameters},
    path::{container_name, object_name},
    payload::{Frames, Payload},
    refusal::{BodyError, Outcome, Refusal},
    route,
    signature::{Grant, Key, Signature, keys},
    time,
};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use transport::{Body, full_body};

/// The most bytes of a field that is no file; what is behind them is nothing.
const FIELD_BYTES: usize = 4096;

/// The most fields of a form.
const MOST_FIELDS: usize = 256;

/// Pieces of a file that wait for the store.
const WAITING: usize = 4;

/// The boundary of a form, if a request is one.
pub fn boundary(method: &Method, headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE).filter(|_| *method == Method::POST)?;
    let (kind, parameters) = parameters(kind.to_str().ok()?);
    let boundary = parameters.into_iter().find(|(name, _)| name == "boundary")?.1;
    (kind == "multipart/form-data").then_some(boundary)
}

/// What became of a form, unless it is none.
struct Done {
    status: StatusCode,
    message: &'static str,
}

/// The fields before a file.
type Fields = BTreeMap<String, String>;

/// Answers a form.
pub async fn answer(mut call: Call, boundary: &str) -> Outcome {
    let form = Form::new(boundary).ok_or_else(|| malformed(Malformed::Start))?;
    let mut reader = Reader { form, frames: call.body.frames() };
    let mut fields = Fields::new();
    let outcome = store(&call, &mut reader, &mut fields).await;
    let frames = reader.frames;
    let done = match outcome {
        Ok(done) => done,
        Err(refusal) => {
            Payload::made(frames).ignore().await;
            return Err(refusal);
        }
    };
    Payload::made(frames).ignore().await;
    Ok(say(&done, fields.get("redirect").map(String::as_str)))
}

fn malformed(error: Malformed) -> Refusal {
    Refusal::bad(format!("FormPost: {error}"))
}

fn denied(why: &'static str) -> Refusal {
    Refusal::says(StatusCode::UNAUTHORIZED, why)
}

/// What the browser gets.
fn say(done: &Done, redirect: Option<&str>) -> Response<Body> {
    let Done { status, message } = done;
    let reason = status.canonical_reason().unwrap_or("Unknown");
    let redirect = redirect.filter(|url| !url.is_empty());
    let location = redirect.map(|url| {
        let joint = if url.contains('?') { '&' } else { '?' };
        let message = message.to_lowercase();
        let message = utf8_percent_encode(&message, NON_ALPHANUMERIC);
        format!("{url}{joint}status={}&message={message}", status.as_u16())
    });
    let location = location.filter(|url| metadata::value(url).is_some());
    let Some(location) = location else {
        let text = match *message {
            "" => format!("{} {reason}", status.as_u16()),
            message => format!("{} {reason}\r\nFormPost: {message}", status.as_u16()),
        };
        let mut response = Response::new(full_body(text));
        *response.status_mut() = *status;
        metadata::set(response.headers_mut(), "content-type", "text/plain");
        return response;
    };
    let shown = crate::listing::escape_xml(&location);
    let page =
        format!("<html><body><p><a href=\"{shown}\">Click to continue...</a></p></body></html>");
    let mut response = Response::new(full_body(page));
    *response.status_mut() = StatusCode::SEE_OTHER;
    metadata::set(response.headers_mut(), "location", &location);
    metadata::set(response.headers_mut(), "content-type", "text/html; charset=UTF-8");
    response
}

/// Stores the files of a form until one is not.
async fn store(call: &Call, reader: &mut Reader, fields: &mut Fields) -> Result<Done, Refusal> {
    let path = call.plain_path();
    let keys = match &call.target.container {
        Some(container) => keys(&call.gateway, &call.target.account, container).await?,
        None => Vec::new(),
    };
    let mut files = 0;
    let mut done = None;
    loop {
        let head = match reader.next().await? {
            Event::Part(head) => head,
            Event::End => break,
            _ => continue,
        };
        let of_head = |name: &str| head.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let (kind, said) = parameters(of_head("content-disposition").unwrap_or_default());
        let said = |name: &str| said.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let filename = said("filename").filter(|name| kind == "form-data" && !name.is_empty());
        let Some(filename) = filename else {
            let value = reader.field().await?;
            if let Some(name) = said("name").filter(|_| fields.len() < MOST_FIELDS) {
                fields.insert(name.to_ascii_lowercase(), value);
            }
            continue;
        };
        files += 1;
        if files > number(fields, "max_file_count", "max_file_count not an integer")? {
            let message = "Max File Count Exceeded";
            return Ok(Done { status: StatusCode::BAD_REQUEST, message });
        }
        let grant = check(call, fields, &path, &keys)?;
        let most = number(fields, "max_file_size", "max_file_size not an integer")?;
        let mut headers = HeaderMap::new();
        for name in ["content-type", "content-encoding"] {
            if let Some(text) = fields.get(name).map(String::as_str).or_else(|| of_head(name)) {
                metadata::set(&mut headers, name, text);
            }
        }
        for (field, name) in [("x_delete_at", "x-delete-at"), ("x_delete_after", "x-delete-after")]
        {
            let Some(text) = fields.get(field) else { continue };
            if text.parse::<u64>().is_err() {
                return Err(Refusal::bad(format!("FormPost: {field} not an integer")));
            }
            metadata::set(&mut headers, name, text);
        }
        let status = store_file(call, reader, filename, grant, headers, most).await?;
        done = Some(Done { status, message: "" });
        if !status.is_success() {
            break;
        }
    }
    let message = "No Files To Process";
    Ok(done.unwrap_or(Done { status: StatusCode::BAD_REQUEST, message }))
}

fn number(fields: &Fields, name: &str, what: &'static str) -> Result<u64, Refusal> {
    match fields.get(name).map(String::as_str).filter(|text| !text.is_empty()) {
        None => Ok(0),
        Some(text) => text.trim().parse().map_err(|_| Refusal::bad(format!("FormPost: {what}"))),
    }
}

/// Whether the owner signed this form.
fn check(call: &Call, fields: &Fields, path: &str, keys: &[Key]) -> Result<Grant, Refusal> {
    let invalid = || denied("FormPost: Invalid Signature");
    let container = call.target.container.clone().ok_or_else(invalid)?;
    if number(fields, "expires", "expired not an integer")? < time::now_seconds() {
        return Err(denied("FormPost: Form Expired"));
    }
    let message = message(fields, path);
    let shown = fields.get("signature").and_then(|text| Signature::parse(text));
    let shown = shown.ok_or_else(invalid)?;
    let key = keys.iter().find(|key| shown.is_of(&key.key, message.as_bytes()));
    Ok(Grant {
        method: Method::PUT,
        account: call.target.account.clone(),
        container,
        of_account: key.ok_or_else(invalid)?.of_account,
    })
}

/// What is signed of a form.
fn message(fields: &Fields, path: &str) -> String {
    let of = |name: &str, default: &'static str| {
        let text = fields.get(name).map(String::as_str).filter(|text| !text.is_empty());
        text.unwrap_or(default).to_owned()
    };
    let (size, count) = (of("max_file_size", "0"), of("max_file_count", "0"));
    format!("{path}\n{}\n{size}\n{count}\n{}", of("redirect", ""), of("expires", "0"))
}

/// Stores one file as a PUT does, while it comes.
async fn store_file(
    call: &Call,
    reader: &mut Reader,
    filename: &str,
    grant: Grant,
    mut headers: HeaderMap,
    most: u64,
) -> Result<StatusCode, Refusal> {
    let mut target = call.target.clone();
    let prefix = target.object.as_ref().map(|prefix| prefix.as_str()).unwrap_or_default();
    target.object = Some(object_name(&format!("{prefix}{filename}"))?);
    target.container = Some(container_name(grant.container.as_str())?);
    metadata::set(&mut headers, "transfer-encoding", "chunked");
    if let Some(origin) = call.headers.get(header::ORIGIN) {
        headers.insert(HeaderName::from_static("origin"), origin.clone());
    }
    let (sender, receiver) = mpsc::channel(WAITING);
    let frames = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    });
    let put = Call {
        headers,
        body: Payload::made(Box::pin(frames)),
        caller: Caller::Signed(grant),
        ..call.further(Method::PUT, target)
    };
    let feed = async move { reader.file(sender, most).await };
    let (stored, fed) = tokio::join!(Box::pin(route::answer_call(put)), feed);
    if fed?.is_too_large {
        return Err(Refusal::bad("FormPost: max_file_size exceeded"));
    }
    Ok(stored.map_or_else(|refusal| refusal.status, |response| response.status()))
}

/// What became of a file's bytes.
struct Fed {
    is_too_large: bool,
}

/// A form as it comes.
struct Reader {
    form: Form,
    frames: Frames,
}

impl Reader {
    /// What comes next; never that more is needed.
    async fn next(&mut self) -> Result<Event, Refusal> {
        loop {
            match self.form.next().map_err(malformed)? {
                Event::More => match self.frames.next().await {
                    Some(bytes) => self.form.push(&bytes.map_err(|error| Refusal::from(&error))?),
                    None => return Err(malformed(Malformed::Form)),
                },
                event => return Ok(event),
            }
        }
    }

    /// The rest of a part that is no file.
    async fn field(&mut self) -> Result<String, Refusal> {
        let mut value = Vec::new();
        while let Event::Data(bytes) = self.next().await? {
            let room = FIELD_BYTES - value.len();
            value.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        String::from_utf8(value).map_err(|_| malformed(Malformed::Form))
    }

    /// Hands on the bytes of a file. Whoever takes them is told what is wrong, so that nothing
    /// incomplete is stored.
    async fn file(
        &mut self,
        sender: mpsc::Sender<Result<Bytes, BodyError>>,
        most: u64,
    ) -> Result<Fed, Refusal> {
        let (mut size, mut listens) = (0u64, true);
        loop {
            let event = self.next().await;
            match event {
                Ok(Event::Data(bytes)) => {
                    size += bytes.len() as u64;
                    if size > most {
                        let _ = sender.send(Err(BodyError::TooLarge)).await;
                        return Ok(Fed { is_too_large: true });
                    }
                    // Who wants no more has said why.
                    listens = listens && sender.send(Ok(bytes)).await.is_ok();
                    if !listens {
                        return Ok(Fed { is_too_large: false });
                    }
                }
                Ok(_) => return Ok(Fed { is_too_large: false }),
                Err(refusal) => {
                    let _ = sender.send(Err(BodyError::Timeout)).await;
                    return Err(refusal);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_what_the_form_says() {
        let mut fields = Fields::new();
        assert_eq!(message(&fields, "/v1/a/c"), "/v1/a/c\n\n0\n0\n0");
        for (name, value) in
            [("redirect", "r"), ("max_file_size", "1"), ("max_file_count", "2"), ("expires", "3")]
        {
            fields.insert(name.to_owned(), value.to_owned());
        }
        assert_eq!(message(&fields, "/v1/a/c/p"), "/v1/a/c/p\nr\n1\n2\n3");
        assert_eq!(number(&fields, "max_file_size", "x").unwrap(), 1);
        assert!(number(&fields, "redirect", "x").is_err());
    }

    #[test]
    fn browsers_are_sent_on_where_the_form_says() {
        let done = Done { status: StatusCode::BAD_REQUEST, message: "No Files" };
        let sent = say(&done, Some("http://h/p?a=b"));
        assert_eq!(sent.status(), StatusCode::SEE_OTHER);
        assert_eq!(sent.headers()["location"], "http://h/p?a=b&status=400&message=no%20files");
        assert_eq!(say(&done, Some("")).status(), StatusCode::BAD_REQUEST);
        assert_eq!(say(&done, Some("http://h\r\nX: y")).status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_form_is_known_by_its_type() {
        let of = |method: Method, kind: &str| {
            let mut headers = HeaderMap::new();
            metadata::set(&mut headers, "content-type", kind);
            boundary(&method, &headers)
        };
        let kind = "multipart/form-data; boundary=\"a b\"";
        assert_eq!(of(Method::POST, kind).as_deref(), Some("a b"));
        assert_eq!(of(Method::PUT, kind), None);
        assert_eq!(of(Method::POST, "multipart/form-data"), None);
        assert_eq!(of(Method::POST, "text/plain; boundary=x"), None);
    }
}
