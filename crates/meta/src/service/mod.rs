//! The gRPC services of a metadata node, one file each. A handler checks what came in, turns it
//! into a command or a read of the right partition, and the outcome into a message.

mod accounts;
mod commit;
mod containers;
mod contents;
mod delete;
mod directory;
mod leave;
mod metadata;
mod objects;
mod peer;
mod prepare;
mod repair;
mod rights;
mod snapshot;
mod sweep;
mod users;

pub(crate) use prepare::unknown_volume;

use crate::{
    node::Node,
    partition::{Partition, Refusal},
};
use model::{AccountName, ContainerId, ContainerName, Error, ErrorKind, RequestId, Subject};
use proto::{LEADER, v1};
use state::{Answer, Command, PropertyChanges};
use std::sync::atomic::Ordering;
use tonic::{Status, metadata::MetadataValue};

/// Cheap to clone; serves `Metadata`, `Directory`, `Users` and `Peer`.
#[derive(Clone)]
pub struct Services(pub(crate) Node);

impl Services {
    /// The routes of all services of a node.
    pub fn routes(node: Node) -> tonic::service::Routes {
        use v1::{
            directory_server::DirectoryServer, metadata_server::MetadataServer,
            peer_server::PeerServer, users_server::UsersServer,
        };
        let services = Self(node);
        tonic::service::Routes::new(MetadataServer::new(services.clone()))
            .add_service(DirectoryServer::new(services.clone()))
            .add_service(UsersServer::new(services.clone()))
            .add_service(
                PeerServer::new(services)
                    .max_decoding_message_size(peer::MAX_MESSAGE_BYTES)
                    .max_encoding_message_size(peer::MAX_MESSAGE_BYTES),
            )
    }

    /// Puts a command through a partition's consensus.
    async fn propose(
        &self,
        partition: &Partition,
        request_id: &[u8],
        command: Command,
    ) -> Result<Answer, Refusal> {
        let request = RequestId::try_from(request_id)?;
        if grows(&command) {
            self.check_room()?;
        }
        partition.propose(self.0.now(), Some(request), command).await
    }

    /// Below the reserve only deletes and aborts are taken: they free space, and the log must
    /// still have room for them.
    fn check_room(&self) -> Result<(), Error> {
        if !self.0.0.low.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Exhausted,
            Subject::Node,
            format!(
                "the disk of metadata node {} is nearly full: it takes only deletes until there \
                 is room again in {}",
                self.0.id(),
                self.0.0.config.data_dir.display()
            ),
        ))
    }
}

/// Whether a command leaves more in the store than it found.
fn grows(command: &Command) -> bool {
    !matches!(
        command,
        Command::DeleteAccount { .. }
            | Command::DeleteContainer { .. }
            | Command::DeleteObject(_)
            | Command::Abort { .. }
            | Command::Drain(_)
            | Command::Purge(_)
            | Command::Flush(_)
            | Command::FlushAccount { .. }
            | Command::DropImported(_)
            | Command::DiscardSnapshot(_)
            | Command::DeleteUser { .. }
    )
}

/// What a refusal is on the wire.
fn refuse(refusal: impl Into<Refusal>) -> Status {
    let (leader, proposed) = match refusal.into() {
        Refusal::Failed(error) => return proto::to_status(&error),
        Refusal::NotLeader { leader, proposed } => (leader, proposed),
    };
    let kind = if proposed { ErrorKind::Indeterminate } else { ErrorKind::Unavailable };
    let message = match &leader {
        Some(leader) => format!("this node does not lead the partition; {leader} may"),
        None => "the partition has no leader at the moment".to_owned(),
    };
    let mut status = proto::to_status(&Error::new(kind, Subject::Partition, message));
    if let Some(Ok(leader)) = leader.map(MetadataValue::try_from) {
        status.metadata_mut().insert(LEADER, leader);
    }
    status
}

/// A failure of a read of the state.
fn read_failed(failure: state::Failure) -> Refusal {
    match failure {
        state::Failure::Refused(error) => error.into(),
        state::Failure::Fatal(fatal) => Error::internal(fatal.to_string()).into(),
    }
}

/// An answer of another command than was asked: a defect, not a crash.
fn mismatched(answer: Answer) -> Refusal {
    Error::internal(format!("the state machine gave an answer of another command: {answer:?}"))
        .into()
}

/// The names of a container, checked, and its id.
fn container_of(
    account: &str,
    container: &str,
) -> Result<(AccountName, ContainerName, ContainerId), Error> {
    let (account, container) = (account.parse()?, container.parse()?);
    let id = ContainerId::of(&account, &container);
    Ok((account, container, id))
}

/// Changes of properties from a message.
fn changes_from(message: Option<v1::PropertyChanges>) -> Result<PropertyChanges, Error> {
    let message = message.unwrap_or_default();
    Ok(PropertyChanges {
        clear: message.clear,
        remove: message.remove,
        set: proto::convert::properties_from(message.set)?,
    })
}
