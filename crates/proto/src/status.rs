//! Errors as gRPC statuses: the one table between the two.

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

/// What an error is on the wire.
pub fn to_status(error: &Error) -> Status {
    let mut status = Status::new(code(error.kind), error.message.clone());
    let number = |n: usize| MetadataValue::from(n as u64);
    let kind = ErrorKind::ALL.iter().position(|k| *k == error.kind).map_or(0, |at| at + 1);
    let subject = Subject::ALL.iter().position(|s| *s == error.subject).unwrap_or(0);
    status.metadata_mut().insert(KIND, number(kind));
    status.metadata_mut().insert(SUBJECT, number(subject));
    status
}

/// The error a status stands for. One that did not come from a Cairn server (a connection that
/// broke, a deadline that passed) says nothing of the outcome: it is *indeterminate*, unless
/// the request certainly never left, which the caller must know.
pub fn from_status(status: &Status) -> Error {
    let number = |key| -> Option<usize> { status.metadata().get(key)?.to_str().ok()?.parse().ok() };
    let kind = number(KIND).and_then(|n| ErrorKind::ALL.get(n.checked_sub(1)?)).copied();
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
            }
        }
    }

    #[test]
    fn a_broken_connection_leaves_the_outcome_open() {
        let error = from_status(&Status::unavailable("connection reset"));
        assert_eq!(error.kind, ErrorKind::Indeterminate);
    }
}
