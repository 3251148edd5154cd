//! What a failure means to whoever started the command: a kind, a message and an exit code.

use model::ErrorKind;
use serde::Serialize;
use std::fmt;

/// How the process ends. The numbers are promised to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was done.
    Ok = 0,
    /// It was tried and failed.
    Failure = 1,
    /// The request is wrong in itself.
    Usage = 2,
    /// Nobody answered, or not enough of the cluster does.
    Unreachable = 3,
    /// The caller may not do this.
    Denied = 4,
    /// What was named does not exist.
    NotFound = 5,
    /// It exists already, or a condition does not hold.
    Conflict = 6,
    /// A signal came first.
    Interrupted = 130,
}

impl Exit {
    /// The one table from kinds of errors to exit codes.
    fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::Unauthenticated | ErrorKind::Denied => Self::Denied,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::AlreadyExists
            | ErrorKind::Precondition
            | ErrorKind::Conflict
            | ErrorKind::Drained => Self::Conflict,
            ErrorKind::Unavailable => Self::Unreachable,
            ErrorKind::Exhausted
            | ErrorKind::Indeterminate
            | ErrorKind::Corrupt
            | ErrorKind::Internal => Self::Failure,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What the caller asked for makes no sense; nothing was tried.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A signal, by its name, ended the command.
#[derive(Debug)]
pub struct Interrupted(pub &'static str);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted by {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// A [`Usage`] error with a formatted message.
macro_rules! usage {
    ($($message:tt)*) => { anyhow::Error::new($crate::failure::Usage(format!($($message)*))) };
}
pub(crate) use usage;

/// A failure as it is reported.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The name of its kind: those of [`ErrorKind`]; `mismatch` for a content that is not the one
    /// announced, `range` for a range behind the end of a content, `failure` for what happened
    /// on this machine, and `interrupted`.
    pub kind: &'static str,
    /// What failed, where, and why.
    pub message: String,
    #[serde(skip)]
    exit: Exit,
}

impl Failure {
    /// A wrong command line.
    pub fn usage(message: String) -> Self {
        Self { kind: ErrorKind::Invalid.as_str(), message, exit: Exit::Usage }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

/// What failed and all that led to it, in one line.
pub fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let message = chain(&error);
        let (kind, exit) = if error.is::<Interrupted>() {
            ("interrupted", Exit::Interrupted)
        } else if let Some(kind) = error.chain().find_map(of_content) {
            (kind, Exit::Failure)
        } else {
            match error.chain().find_map(kind_of) {
                Some(kind) => (kind.as_str(), Exit::of(kind)),
                None => ("failure", Exit::Failure),
            }
        };
        Self { kind, message, exit }
    }
}

/// What only the content shows: the request was not wrong in itself.
fn of_content(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    match cause.downcast_ref::<client::Error>()? {
        client::Error::EtagMismatch { .. } | client::Error::LengthMismatch { .. } => {
            Some("mismatch")
        }
        client::Error::RangeNotSatisfiable { .. } => Some("range"),
        _ => None,
    }
}

fn kind_of(cause: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    if cause.is::<Usage>() {
        return Some(ErrorKind::Invalid);
    }
    if let Some(transport::SecretError::Exposed { .. }) = cause.downcast_ref() {
        return Some(ErrorKind::Denied);
    }
    if let Some(error) = cause.downcast_ref::<std::io::Error>()
        && error.kind() == std::io::ErrorKind::AlreadyExists
    {
        return Some(ErrorKind::AlreadyExists);
    }
    if let Some(error) = cause.downcast_ref::<client::Error>() {
        return match error {
            // A file or pipe of this machine: the store has no part in it.
            client::Error::Source(_) => None,
            error => Some(error.kind()),
        };
    }
    cause.downcast_ref::<model::Error>().map(|e| e.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Subject;

    #[test]
    fn every_kind_has_its_exit_code() {
        let table = [
            (ErrorKind::Invalid, 2),
            (ErrorKind::Unauthenticated, 4),
            (ErrorKind::Denied, 4),
            (ErrorKind::NotFound, 5),
            (ErrorKind::AlreadyExists, 6),
            (ErrorKind::Precondition, 6),
            (ErrorKind::Conflict, 6),
            (ErrorKind::Exhausted, 1),
            (ErrorKind::Unavailable, 3),
            (ErrorKind::Indeterminate, 1),
            (ErrorKind::Corrupt, 1),
            (ErrorKind::Internal, 1),
            (ErrorKind::Drained, 6),
        ];
        assert_eq!(table.len(), ErrorKind::ALL.len());
        for (kind, code) in table {
            let error = anyhow::Error::new(model::Error::new(kind, Subject::Object, "why"));
            let failure = Failure::from(error.context("what"));
            assert_eq!((failure.exit() as u8, failure.kind), (code, kind.as_str()));
            assert_eq!(failure.message, "what: why");
        }
    }

    #[test]
    fn what_happens_here_has_an_exit_code_too() {
        let failure = Failure::from(anyhow::anyhow!("the disk is full"));
        assert_eq!((failure.exit(), failure.kind), (Exit::Failure, "failure"));
        let range = client::Error::RangeNotSatisfiable { start: 5, size: 5 };
        let failure = Failure::from(anyhow::Error::new(range));
        assert_eq!((failure.exit(), failure.kind), (Exit::Failure, "range"));
        let failure = Failure::from(usage!("{} is no number", "x"));
        assert_eq!((failure.exit(), failure.kind), (Exit::Usage, "invalid"));
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(json, serde_json::json!({"kind": "invalid", "message": "x is no number"}));
    }
}
