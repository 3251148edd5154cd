//! The answers of what does many things at once: what became of them, inside a body that is begun
//! before that is known if it takes long.

use crate::{
    listing::{Form, escape_xml},
    refusal::Refusal,
};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, convert::Infallible, fmt::Write, future::Future, time::Duration};
use transport::{Body, BoxError, full_body};

/// How often somebody who waits is sent a space.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// What became of many things.
#[derive(Debug, Default)]
pub struct Report {
    /// What is said, by name.
    pub says: BTreeMap<&'static str, Value>,
    /// What failed, and how.
    pub errors: Vec<(String, String)>,
}

impl Report {
    /// The status of it all, with words if it is bad.
    pub fn status(&mut self, status: StatusCode, body: impl Into<String>) {
        self.says.insert("Response Status", line(status).into());
        self.says.insert("Response Body", body.into().into());
    }

    /// What is refused as a whole.
    pub fn refused(&mut self, refusal: &Refusal) {
        let reason = refusal.status.canonical_reason().unwrap_or_default();
        self.status(refusal.status, format!("{reason}\n{}", refusal.text()));
    }

    /// In a form; `root` is the name of the element around it in XML.
    pub fn render(self, form: Form, root: &str) -> String {
        match form {
            Form::Json => {
                let mut all: Map<String, Value> =
                    self.says.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                let error = |(name, status)| Value::Array(vec![Value::String(name), status]);
                let errors = self.errors.into_iter().map(|(n, s)| error((n, s.into())));
                all.insert("Errors".to_owned(), errors.collect());
                Value::Object(all).to_string()
            }
            Form::Xml => {
                let mut xml = format!("<{root}>\n");
                for (name, value) in self.says {
                    let name = name.replace(' ', "_").to_lowercase();
                    let _ = writeln!(xml, "<{name}>{}</{name}>", escape_xml(&plain(&value)));
                }
                xml.push_str("<errors>\n");
                for (name, status) in self.errors {
                    let (name, status) = (escape_xml(&name), escape_xml(&status));
                    let _ = writeln!(
                        xml,
                        "<object><name>{name}</name><status>{status}</status></object>"
                    );
                }
                let _ = write!(xml, "</errors>\n</{root}>\n");
                xml
            }
            Form::Text => {
                let mut text = String::new();
                for (name, value) in self.says {
                    let _ = writeln!(text, "{name}: {}", plain(&value));
                }
                text.push_str("Errors:\n");
                for (name, status) in self.errors {
                    let _ = writeln!(text, "{name}, {status}");
                }
                text
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// A status with its reason.
pub fn line(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Unknown"))
}

/// The form in which somebody accepts a report.
///
/// # Errors
/// 406 if it accepts none.
pub fn form(headers: &HeaderMap) -> Result<Form, Refusal> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.map_or(Ok(Form::Text), Form::accepted)
}

fn kind(form: Form) -> HeaderValue {
    HeaderValue::from_static(match form {
        Form::Text => "text/plain",
        Form::Json => "application/json",
        Form::Xml => "application/xml",
    })
}

/// An answer with a report.
pub fn response(status: StatusCode, form: Form, text: String) -> Response<Body> {
    let mut response = Response::new(full_body(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind(form));
    response
}

/// An answer that waits for a report, with a space now and then for the client to see that
/// somebody is still at it: the first one now, if `eager`. Who goes away ends the work.
pub async fn patient(
    status: StatusCode,
    form: Form,
    eager: bool,
    work: impl Future<Output = String> + Send + 'static,
) -> Response<Body> {
    let mut work = Box::pin(work);
    if !eager && let Ok(text) = tokio::time::timeout(SIGN_OF_LIFE, &mut work).await {
        return response(status, form, text);
    }
    let space = Bytes::from_static(b" ");
    let waiting = stream::unfold((Some(work), Some(space.clone())), move |(work, first)| {
        let space = space.clone();
        async move {
            let mut work = work?;
            if let Some(first) = first {
                return Some((first, (Some(work), None)));
            }
            Some(match tokio::time::timeout(SIGN_OF_LIFE, &mut work).await {
                Ok(text) => (Bytes::from(format!("\r\n\r\n{text}")), (None, None)),
                Err(_) => (space, (Some(work), None)),
            })
        }
    });
    let frames = futures::StreamExt::map(waiting, |bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    let body = StreamBody::new(frames).map_err(|never| -> BoxError { match never {} });
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind(form));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.status(StatusCode::BAD_REQUEST, "no");
        report.says.insert("Number Deleted", 3.into());
        report.errors.push(("a<b".to_owned(), line(StatusCode::NOT_FOUND)));
        report
    }

    #[test]
    fn a_report_has_the_forms_of_swift() {
        assert_eq!(
            report().render(Form::Text, "delete"),
            "Number Deleted: 3\nResponse Body: no\nResponse Status: 400 Bad Request\nErrors:\n\
             a<b, 404 Not Found\n"
        );
        let json: Value = serde_json::from_str(&report().render(Form::Json, "delete")).unwrap();
        let expected = serde_json::json!({
            "Number Deleted": 3, "Response Body": "no", "Response Status": "400 Bad Request",
            "Errors": [["a<b", "404 Not Found"]],
        });
        assert_eq!(json, expected);
        assert_eq!(
            report().render(Form::Xml, "delete"),
            "<delete>\n<number_deleted>3</number_deleted>\n<response_body>no</response_body>\n\
             <response_status>400 Bad Request</response_status>\n<errors>\n<object>\
             <name>a&lt;b</name><status>404 Not Found</status></object>\n</errors>\n</delete>\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_sees_that_it_goes_on() {
        let slow = || async {
            tokio::time::sleep(SIGN_OF_LIFE * 5 / 2).await;
            "done".to_owned()
        };
        let read = |response: Response<Body>| async {
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let waited = patient(StatusCode::OK, Form::Text, false, slow()).await;
        assert_eq!(read(waited).await, "  \r\n\r\ndone");
        let eager = patient(StatusCode::ACCEPTED, Form::Text, true, slow()).await;
        assert_eq!(
            (eager.status(), read(eager).await),
            (StatusCode::ACCEPTED, "   \r\n\r\ndone".into())
        );
        let quick = patient(StatusCode::OK, Form::Text, false, async { "done".into() }).await;
        assert_eq!(read(quick).await, "done");
    }
}
