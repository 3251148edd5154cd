//! Errors as gRPC statuses: the one table between the two.

use crate::v1;
use model::{Error, ErrorKind, Subject};
use tonic::{Code, Status, metadata::MetadataValue};

/// Trailer with the kind of an error.
const KIND: &str = "x-cairn-kind";
/// Trailer with the subject of an error.
const SUBJECT: &str = "x-cairn-subject";
/// Trailer with the address of the leader to ask instead.
pub const LEADER: &str = "x-cairn-leader";

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Denied => Code::PermissionDenied,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::Precondition => Code::FailedPrecondition,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::Exhausted => Code::ResourceExhausted,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Indeterminate => Code::Unknown,
        ErrorKind::Corrupt => Code::DataLoss,
        ErrorKind::Internal => Code::Internal,
        ErrorKind::Drained => Code::FailedPrecondition,
    }
}

/// The numbers of an error's kind and subject.
fn numbers(error: &Error) -> (usize, usize) {
    let kind = ErrorKind::ALL.iter().position(|k| *k == error.kind).map_or(0, |at| at + 1);
    let subject = Subject::ALL.iter().position(|s| *s == error.subject).unwrap_or(0);
    (kind, subject)
}

/// The kind with a number.
fn kind_of(number: usize) -> Option<ErrorKind> {
    ErrorKind::ALL.get(number.checked_sub(1)?).copied()
}

/// What an error is on the wire.
pub fn to_status(error: &Error) -> Status {
    let mut status = Status::new(code(error.kind), error.message.clone());
    let number = |n: usize| MetadataValue::from(n as u64);
    let (kind, subject) = numbers(error);
    status.metadata_mut().insert(KIND, number(kind));
    status.metadata_mut().insert(SUBJECT, number(subject));
    status
}

impl From<Error> for v1::Failure {
    fn from(error: Error) -> Self {
        let (kind, subject) = numbers(&error);
        Self { kind: kind as u32, subject: subject as u32, message: error.message }
    }
}

impl From<v1::Failure> for Error {
    fn from(m: v1::Failure) -> Self {
        let subject = Subject::ALL.get(m.subject as usize).copied();
        // What a later version knows is at least no success.
        let kind = kind_of(m.kind as usize).unwrap_or(ErrorKind::Internal);
        Self::new(kind, subject.unwrap_or(Subject::Request), m.message)
    }
}

/// The error a status stands for. One that did not come from a Cairn server (a connection that
/// broke, a deadline that passed) says nothing of the outcome: it is *indeterminate*, unless
/// the request certainly never left, which the caller must know.
pub fn from_status(status: &Status) -> Error {
    let number = |key| -> Option<usize> { status.metadata().get(key)?.to_str().ok()?.parse().ok() };
    let kind = number(KIND).and_then(kind_of);
    let subject = number(SUBJECT).and_then(|n| Subject::ALL.get(n)).copied();
    Error::new(
        kind.unwrap_or(match status.code() {
            Code::Unauthenticated => ErrorKind::Unauthenticated,
            Code::PermissionDenied => ErrorKind::Denied,
            Code::InvalidArgument | Code::OutOfRange => ErrorKind::Invalid,
            Code::Unimplemented => ErrorKind::Internal,
            _ => ErrorKind::Indeterminate,
        }),
        subject.unwrap_or(Subject::Request),
        status.message(),
    )
}

/// The address of the leader a status names.
pub fn leader_of(status: &Status) -> Option<&str> {
    status.metadata().get(LEADER)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_subject_survives_the_wire() {
        for kind in ErrorKind::ALL {
            for subject in Subject::ALL {
                let error = Error::new(kind, subject, "what, where, what to do");
                assert_eq!(from_status(&to_status(&error)), error);
                assert_eq!(Error::from(v1::Failure::from(error.clone())), error);
            }
        }
    }

    #[test]
    fn a_broken_connection_leaves_the_outcome_open() {
        let error = from_status(&Status::unavailable("connection reset"));
        assert_eq!(error.kind, ErrorKind::Indeterminate);
    }
}
