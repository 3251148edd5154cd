//! Answers: the one table between kinds of errors and statuses, and the headers of ours.

use crate::VolumeError;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use model::{Error, ErrorKind};
use transport::{Body, full_body};

/// Header of an error's kind.
pub const KIND: HeaderName = HeaderName::from_static("x-cairn-kind");
/// Header of the bytes that were stored.
pub const BYTES: HeaderName = HeaderName::from_static("x-cairn-bytes");
/// Header of the blob under which a chunk's bytes were first written.
pub const ORIGIN: HeaderName = HeaderName::from_static("x-cairn-origin");
/// Header of the new name of a copy.
pub(super) const DESTINATION: HeaderName = HeaderName::from_static("destination");
pub(super) const BYTES_UNIT: HeaderValue = HeaderValue::from_static("bytes");

/// The status of a kind.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Precondition => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Exhausted => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Indeterminate => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Drained => StatusCode::GONE,
        ErrorKind::Corrupt | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A refusal.
#[derive(Debug)]
pub(super) struct HttpError {
    pub(super) error: Error,
    /// Where HTTP has a status of its own for it.
    status: Option<StatusCode>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl HttpError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Error::invalid(message).into()
    }

    pub(super) fn method_not_allowed() -> Self {
        Self {
            status: Some(StatusCode::METHOD_NOT_ALLOWED),
            header: Some((header::ALLOW, HeaderValue::from_static("PUT, GET, HEAD, DELETE, COPY"))),
            ..Self::invalid("chunks know PUT, GET, HEAD, DELETE and COPY")
        }
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self { status: Some(StatusCode::PAYLOAD_TOO_LARGE), ..Self::invalid(message) }
    }

    /// The range starts behind the end of a chunk of `bytes`.
    pub(super) fn out_of_range(bytes: u64) -> Self {
        let all = HeaderValue::from_str(&format!("bytes */{bytes}")).ok();
        Self {
            status: Some(StatusCode::RANGE_NOT_SATISFIABLE),
            header: all.map(|all| (header::CONTENT_RANGE, all)),
            ..Self::invalid(format!("the range is outside of the chunk's {bytes} bytes"))
        }
    }

    /// The answer; one to HEAD has no body.
    pub(super) fn into_response(self, head: bool) -> Response<Body> {
        let Error { kind, message, .. } = &self.error;
        let json = serde_json::json!({ "kind": kind.as_str(), "message": message });
        let body = if head { String::new() } else { json.to_string() };
        let mut response = Response::new(full_body(body));
        *response.status_mut() = self.status.unwrap_or(status(*kind));
        let headers = response.headers_mut();
        headers.insert(KIND, HeaderValue::from_static(kind.as_str()));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(self.header);
        response
    }
}

impl From<Error> for HttpError {
    fn from(error: Error) -> Self {
        Self { error, status: None, header: None }
    }
}

impl From<VolumeError> for HttpError {
    fn from(error: VolumeError) -> Self {
        Error::from(error).into()
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full_body(bytes::Bytes::new()));
    *response.status_mut() = status;
    response
}

/// 201, with the bytes that were stored.
pub(super) fn created(bytes: u64) -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    response.headers_mut().insert(BYTES, bytes.into());
    response
}

/// A header that may be given once, as text.
pub(super) fn header_text<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, HttpError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(HttpError::invalid(format!("the header {name} is given twice")));
    }
    let text = value.map(|v| v.to_str()).transpose();
    text.map_err(|_| HttpError::invalid(format!("the header {name} is not text")))
}
