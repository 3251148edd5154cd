//! Deleting many things.

use crate::{
    call::Call,
    container, limits,
    object::{self, Names, Place},
    path::{Account, container_name, escape, object_name, unescape},
    refusal::{Outcome, Refusal},
    report::{self, Report, line},
    versions::Named,
};
use client::{ContainerName, ObjectName};
use futures::StreamExt;
use http::{Method, StatusCode};

/// Objects of a container that are deleted at a time.
const AT_A_TIME: usize = 1000;

/// The longest line that names a thing: every byte of it can be escaped.
const LINE_BYTES: usize = 3 * (limits::CONTAINER_NAME_BYTES + limits::OBJECT_NAME_BYTES + 2);

/// Answers a request with `?bulk-delete`: its body names objects and containers, one a line.
pub async fn delete(mut call: Call) -> Outcome {
    let form = report::form(&call.headers)?;
    let work = async move {
        let names = names(&mut call).await;
        let mut deleter = Deleter::new(&call);
        match names {
            Ok(names) => match deleter.all(names).await {
                Ok(()) => deleter.finish().await,
                Err(refusal) => deleter.ended(&refusal).await,
            },
            Err(refusal) => deleter.ended(&refusal).await,
        }
        .render(form, "delete")
    };
    Ok(report::patient(StatusCode::OK, form, false, work).await)
}

/// What a request wants deleted.
async fn names(call: &mut Call) -> Result<Vec<String>, Refusal> {
    if call.header("content-type").is_some_and(|kind| !kind.starts_with("text/plain")) {
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE));
    }
    object::announced(call)?;
    let mut frames = call.body.frames();
    let mut lines = Lines::default();
    while let Some(bytes) = frames.next().await {
        lines.add(&bytes.map_err(|error| Refusal::from(&error))?)?;
    }
    lines.end()
}

/// Names, one a line, as their bytes come.
#[derive(Default)]
struct Lines {
    names: Vec<String>,
    begun: Vec<u8>,
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        let mut part = parts.next();
        while let Some(bytes) = part {
            if self.begun.len() + bytes.len() > LINE_BYTES {
                return Err(Refusal::bad("Invalid File Name"));
            }
            self.begun.extend_from_slice(bytes);
            part = parts.next();
            if part.is_some() {
                self.line()?;
            }
        }
        Ok(())
    }

    fn line(&mut self) -> Result<(), Refusal> {
        let mut line = String::with_capacity(self.begun.len());
        for chunk in self.begun.utf8_chunks() {
            line.push_str(chunk.valid());
            // What is no UTF-8 is refused where names are, and names nothing else.
            line.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
        }
        let line = line.trim().to_owned();
        self.begun.clear();
        if line.is_empty() {
            return Ok(());
        }
        if self.names.len() == limits::BULK_DELETES {
            let text = format!("Maximum Bulk Deletes: {} per request", limits::BULK_DELETES);
            return Err(Refusal::says(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        self.names.push(line);
        Ok(())
    }

    fn end(mut self) -> Result<Vec<String>, Refusal> {
        self.line()?;
        Ok(self.names)
    }
}

/// Objects of one container, with the paths under which they were named.
type Batch = (Account, ContainerName, Vec<(String, ObjectName)>);

/// Deletes one thing after the other, and remembers what became of each.
pub struct Deleter<'a> {
    call: &'a Call,
    /// Things that were there, and are not any more.
    deleted: u64,
    /// Things that were not there.
    pub missing: u64,
    errors: Vec<(String, String)>,
    /// The worst that happened.
    worst: StatusCode,
    /// Objects of one container, with the paths under which they were named.
    batch: Option<Batch>,
}

impl<'a> Deleter<'a> {
    /// One that deletes for a request.
    pub fn new(call: &'a Call) -> Self {
        let worst = StatusCode::OK;
        Self { call, deleted: 0, missing: 0, errors: Vec::new(), worst, batch: None }
    }

    /// Deletes an object, now or with others of its container. `path` is what it was called.
    pub async fn object(&mut self, path: &str, named: Names) {
        let Names { account, container, object } = named;
        let fits = self.batch.as_ref().is_some_and(|(of, within, objects)| {
            *of == account && *within == container && objects.len() < AT_A_TIME
        });
        if !fits {
            self.flush().await;
        }
        let (_, _, objects) = self.batch.get_or_insert_with(|| (account, container, Vec::new()));
        objects.push((path.to_owned(), object));
    }

    /// Deletes what names, escaped, say: the objects, then the containers, which may be empty then.
    ///
    /// # Errors
    /// 401 where nothing may be done without a token, 400 after too many failures.
    async fn all(&mut self, names: Vec<String>) -> Result<(), Refusal> {
        let mut containers = Vec::new();
        for name in names {
            self.go_on()?;
            let plain = match unescape(&name) {
                Ok(plain) => plain,
                Err(refusal) => {
                    self.failed(&name, refusal.status);
                    continue;
                }
            };
            let path = plain.trim_start_matches('/');
            let (container, object) = match path.trim_end_matches('/').contains('/') {
                true => path.split_once('/').unwrap_or((path, "")),
                false => (path.trim_end_matches('/'), ""),
            };
            let account = self.call.target.account.clone();
            let named = container_name(container).and_then(|container| {
                let object = Some(object).filter(|object| !object.is_empty());
                Ok((container, object.map(object_name).transpose()?))
            });
            match named {
                Ok((container, Some(object))) => {
                    self.object(&plain, Names { account, container, object }).await;
                }
                Ok((container, None)) => containers.push((plain, container)),
                Err(refusal) => self.failed(&plain, refusal.status),
            }
        }
        self.flush().await;
        for (path, container) in containers {
            self.go_on()?;
            self.container(&path, &container).await;
        }
        self.go_on()
    }

    fn go_on(&self) -> Result<(), Refusal> {
        if self.worst == StatusCode::UNAUTHORIZED {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED));
        }
        match self.errors.len() >= limits::BULK_FAILURES {
            true => Err(Refusal::bad("Max delete failures exceeded")),
            false => Ok(()),
        }
    }

    async fn container(&mut self, path: &str, container: &ContainerName) {
        let call = self.call;
        let account = &call.target.account;
        let may = call.authorize_for(&Method::DELETE, account, Some(container), false).await;
        let done = match may {
            Ok(_) => container::remove(call, container).await,
            Err(refusal) => Err(refusal),
        };
        self.note(path, done);
    }

    /// Takes note of something that could not be deleted.
    pub fn failed(&mut self, path: &str, status: StatusCode) {
        self.wrong(path, &line(status));
        if status.is_server_error() {
            self.worst = StatusCode::BAD_GATEWAY;
        }
        if status == StatusCode::UNAUTHORIZED {
            self.worst = status;
        }
    }

    /// Takes note of something that cannot be deleted, for a reason.
    pub fn wrong(&mut self, path: &str, why: &str) {
        self.errors.push((escape(path), why.to_owned()));
        if self.worst == StatusCode::OK {
            self.worst = StatusCode::BAD_REQUEST;
        }
    }

    /// Deletes what waits.
    async fn flush(&mut self) {
        let Some((account, container, objects)) = self.batch.take() else { return };
        let (paths, names): (Vec<_>, Vec<_>) = objects.into_iter().unzip();
        match self.delete_all(&account, &container, names).await {
            Ok(outcomes) => {
                for (path, outcome) in paths.iter().zip(outcomes) {
                    self.note(path, outcome);
                }
            }
            Err(refusal) => {
                for path in &paths {
                    self.note(path, Err(refusal.clone()));
                }
            }
        }
    }

    /// Deletes objects of a container: all at once where nothing is kept of them, each as by a
    /// request of its own otherwise.
    async fn delete_all(
        &self,
        account: &Account,
        container: &ContainerName,
        names: Vec<ObjectName>,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let (call, client) = (self.call, &self.call.gateway.client);
        call.authorize_for(&Method::DELETE, account, Some(container), true).await?;
        let found = call.container_for_write(account, container).await?;
        if object::deletes_plainly(&found) {
            let done = client.delete_objects(&account.name, container, names).await?;
            return Ok(done.into_iter().map(|(_, done)| Ok(done.map(drop)?)).collect());
        }
        let mut outcomes = Vec::with_capacity(names.len());
        for object in &names {
            let place = Place { account, container, object, version: None };
            let done = object::remove(call, &found, (place, Named::Latest), None).await;
            outcomes.push(done.map(drop));
        }
        Ok(outcomes)
    }

    /// Deletes one version of an object, or its latest, now.
    pub async fn version(&mut self, path: &str, names: &Names, named: Named) {
        self.flush().await;
        let Names { account, container, .. } = names;
        let call = self.call;
        let done = async {
            call.authorize_for(&Method::DELETE, account, Some(container), true).await?;
            let found = call.container_for_write(account, container).await?;
            object::remove(call, &found, (names.place(), named), None).await
        };
        let done = done.await.map(drop);
        self.note(path, done);
    }

    /// Takes note of what became of an object.
    fn note(&mut self, path: &str, outcome: Result<(), Refusal>) {
        match outcome {
            Ok(()) => self.deleted += 1,
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => self.missing += 1,
            Err(refusal) => self.failed(path, refusal.status),
        }
    }

    /// What became of it all.
    pub async fn finish(mut self) -> Report {
        self.flush().await;
        let mut report = Report { errors: self.errors, ..Report::default() };
        report.says.insert("Number Deleted", self.deleted.into());
        report.says.insert("Number Not Found", self.missing.into());
        match (self.worst, self.deleted + self.missing) {
            (StatusCode::OK, 0) => report.status(StatusCode::BAD_REQUEST, "Invalid bulk delete."),
            (worst, _) => report.status(worst, ""),
        }
        report
    }

    /// What became of it until it was ended.
    async fn ended(self, refusal: &Refusal) -> Report {
        let mut report = self.finish().await;
        report.refused(refusal);
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<String>, u16> {
        let mut lines = Lines::default();
        for piece in pieces {
            lines.add(piece).map_err(|refusal| refusal.status.as_u16())?;
        }
        lines.end().map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn names_stand_one_a_line() {
        assert_eq!(read(&[b"/c/a\r\n\n c/b%20", b"x\n/d"]).unwrap(), ["/c/a", "c/b%20x", "/d"]);
        assert_eq!(read(&[]).unwrap(), Vec::<String>::new());
        assert_eq!(read(&["x".repeat(LINE_BYTES + 1).as_bytes()]), Err(400));
        let many = "c/o\n".repeat(limits::BULK_DELETES);
        assert_eq!(read(&[many.as_bytes()]).unwrap().len(), limits::BULK_DELETES);
        assert_eq!(read(&[many.as_bytes(), b"x"]), Err(413));
    }

    proptest! {
        #[test]
        fn where_bytes_are_cut_does_not_matter(text in "[a-c\n ]{0,60}", at in 0_usize..60) {
            let at = at.min(text.len());
            let (head, tail) = text.as_bytes().split_at(at);
            prop_assert_eq!(read(&[head, tail]), read(&[text.as_bytes()]));
        }
    }
}
