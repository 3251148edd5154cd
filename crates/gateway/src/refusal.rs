//! How requests are refused: the one table from what went wrong to statuses.

use client::{Error, ErrorKind};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use std::borrow::Cow;
use transport::{Body, full_body};

/// An answer that says no.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{status}: {}", self.text())]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// Whether what is said is a page.
    html: bool,
    /// What is said; the status' own words otherwise.
    text: Option<Cow<'static, str>>,
    /// Further headers.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// An answer or a refusal.
pub type Outcome<T = Response<Body>> = Result<T, Refusal>;

impl Refusal {
    /// With the status' own words.
    pub fn new(status: StatusCode) -> Self {
        Self { status, html: true, text: None, headers: Vec::new() }
    }

    /// With words of its own.
    pub fn says(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, html: false, text: Some(text.into()), headers: Vec::new() }
    }

    /// With a page of its own.
    pub fn page(status: StatusCode, page: String) -> Self {
        Self { html: true, ..Self::says(status, page) }
    }

    /// 400 with words.
    pub fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::says(StatusCode::BAD_REQUEST, text)
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND)
    }

    /// Adds a header.
    pub fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What is said.
    pub fn text(&self) -> Cow<'static, str> {
        self.text.clone().unwrap_or_else(|| explanation(self.status).into())
    }

    /// The answer.
    pub fn into_response(self) -> Response<Body> {
        let text = match self.text {
            Some(page) if self.html => page.into_owned(),
            // What is said may quote the client.
            Some(text) => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            None => {
                let title = self.status.canonical_reason().unwrap_or("Error");
                format!("<html><h1>{title}</h1><p>{}</p></html>", explanation(self.status))
            }
        };
        let mut response = Response::new(full_body(text));
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// What a status means to who asked.
fn explanation(status: StatusCode) -> &'static str {
    match status.as_u16() {
        304 => "",
        400 => {
            "The server could not comply with the request since it is either malformed or \
             otherwise incorrect."
        }
        401 => {
            "This server could not verify that you are authorized to access the document you \
             requested."
        }
        403 => "Access was denied to this resource.",
        404 => "The resource could not be found.",
        405 => "The method is not allowed for this resource.",
        406 => "The resource is not available in a format acceptable to your browser.",
        408 => "The server has waited too long for the request to be sent by the client.",
        409 => "There was a conflict when trying to complete your request.",
        411 => "Content-Length header required.",
        412 => "A precondition for this request was not met.",
        413 => "The body of your request was too large for this server.",
        416 => "The Range requested is not available.",
        422 => "Unable to process the contained instructions",
        499 => "This request was cancelled by the client.",
        501 => "The requested method is not implemented by this server.",
        507 => "There was not enough space to save the resource.",
        503 => "The server is currently unavailable. Please try again at a later time.",
        _ => "The server has either erred or is incapable of performing the requested operation.",
    }
}

/// 499, which Swift gives where the client went away in the middle of its body.
pub fn client_closed() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// The reason for which the body of a request ended early, inside an I/O error.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing came for too long.
    #[error("the body of the request did not come in time")]
    Timeout,
    /// The client went away, or sent what is no HTTP.
    #[error("the body of the request broke off")]
    Broken(#[source] hyper::Error),
    /// More came than is allowed.
    #[error("the body of the request is too large")]
    TooLarge,
}

impl From<&BodyError> for Refusal {
    fn from(error: &BodyError) -> Self {
        Self::new(match error {
            BodyError::Timeout => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken(_) => client_closed(),
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        })
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if let Error::Source(source) = &error {
            let reason = source.get_ref();
            // What was copied could not be read.
            if let Some(refusal) = reason.and_then(|inner| inner.downcast_ref::<Self>()) {
                return refusal.clone();
            }
            let reason = reason.and_then(|inner| inner.downcast_ref::<BodyError>());
            return reason.map_or_else(|| Self::new(client_closed()), Self::from);
        }
        if error.kind() == ErrorKind::Indeterminate {
            tracing::warn!(%error, "the outcome of a request is not known");
            let text = "It is not known whether this was done. Look before you try again.";
            return Self::says(StatusCode::SERVICE_UNAVAILABLE, text);
        }
        let status = match &error {
            Error::EtagMismatch { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::LengthMismatch { .. } => client_closed(),
            Error::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Error::DeadlineReached { .. } => StatusCode::REQUEST_TIMEOUT,
            Error::Drained(_) => StatusCode::GONE,
            error => match error.kind() {
                ErrorKind::Invalid => StatusCode::BAD_REQUEST,
                ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
                ErrorKind::Denied => StatusCode::FORBIDDEN,
                ErrorKind::NotFound | ErrorKind::Drained => StatusCode::NOT_FOUND,
                ErrorKind::AlreadyExists | ErrorKind::Precondition => {
                    StatusCode::PRECONDITION_FAILED
                }
                ErrorKind::Conflict => StatusCode::CONFLICT,
                ErrorKind::Exhausted => StatusCode::INSUFFICIENT_STORAGE,
                ErrorKind::Unavailable | ErrorKind::Indeterminate => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                ErrorKind::Corrupt | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        match status.is_server_error() {
            true => {
                // What went wrong inside is for the log alone: it names addresses.
                tracing::warn!(%error, %status, "a request failed");
                Self::new(status)
            }
            // Nor are its versions anybody's business who asked for a condition.
            false if status == StatusCode::NOT_FOUND || error.kind() == ErrorKind::Precondition => {
                Self::new(status)
            }
            false => Self::says(status, error.to_string()),
        }
    }
}
