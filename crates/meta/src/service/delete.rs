//! Deleting objects, one or many.

use super::{Services, container_of, mismatched};
use crate::partition::{Partition, Refusal};
use futures::future::join_all;
use model::{ContainerId, Error, ErrorKind, ObjectName, Precondition, RequestId, Subject, Version};
use proto::v1::{self, delete_objects_response as many};
use state::{Answer, Command, DeleteObject};

/// Most objects deleted by one call.
const MAX_OBJECTS: usize = 1000;

impl Services {
    pub(super) async fn delete_object(
        &self,
        message: v1::DeleteObjectRequest,
    ) -> Result<v1::DeleteObjectResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let missing = match message.mark_missing {
            true => Some(self.0.0.registry.map()?.choose_policy(None, None, Some(0))?.name.clone()),
            false => None,
        };
        let command = DeleteObject {
            container,
            object: message.object.parse()?,
            version: message.version.map(Version),
            silent: message.silent,
            missing,
            precondition: message.precondition.unwrap_or_default().into(),
            delete_grace: self.grace(),
        };
        self.delete(partition, &message.request_id, command).await
    }

    /// Each object is a command of its own, and all of them share the batch: what one is refused
    /// for does not concern the others.
    pub(super) async fn delete_objects(
        &self,
        message: v1::DeleteObjectsRequest,
    ) -> Result<v1::DeleteObjectsResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        if message.objects.len() > MAX_OBJECTS {
            return Err(Error::invalid(format!(
                "a request deletes at most {MAX_OBJECTS} objects, not {}",
                message.objects.len()
            ))
            .into());
        }
        let deleting = message.objects.into_iter().enumerate().map(|(at, object)| {
            let request_id = derived_id(&message.request_id, at);
            self.delete_named(partition, container, request_id, object)
        });
        let answers = join_all(deleting).await;
        let may_be_done = answers.iter().any(|answer| match answer {
            Ok(_) => true,
            Err(Refusal::Failed(error)) => error.kind == ErrorKind::Indeterminate,
            Err(Refusal::NotLeader { .. }) => false,
        });
        let mut outcomes = Vec::new();
        for answer in answers {
            let outcome = match answer {
                Ok(deleted) => many::outcome::Outcome::Deleted(deleted),
                Err(Refusal::Failed(error)) if concerns_one_object(&error) => {
                    many::outcome::Outcome::Failed(error.into())
                }
                // What holds for all of them is the answer to the request. Those that went
                // through answer the same when it is repeated; if it is not, some may be gone.
                Err(_) if may_be_done => {
                    let message = "some of the objects may be deleted, others are not";
                    return Err(Error::indeterminate(message).into());
                }
                Err(refusal) => return Err(refusal),
            };
            outcomes.push(many::Outcome { outcome: Some(outcome) });
        }
        Ok(v1::DeleteObjectsResponse { outcomes })
    }

    async fn delete_named(
        &self,
        partition: &Partition,
        container: ContainerId,
        request_id: Vec<u8>,
        object: String,
    ) -> Result<v1::DeleteObjectResponse, Refusal> {
        let object: ObjectName =
            object.parse().map_err(|error: Error| Error { subject: Subject::Object, ..error })?;
        let command = DeleteObject {
            container,
            object,
            version: None,
            silent: false,
            missing: None,
            precondition: Precondition::None,
            delete_grace: self.grace(),
        };
        self.delete(partition, &request_id, command).await
    }

    async fn delete(
        &self,
        partition: &Partition,
        request_id: &[u8],
        command: DeleteObject,
    ) -> Result<v1::DeleteObjectResponse, Refusal> {
        match self.propose(partition, request_id, Command::DeleteObject(command)).await? {
            Answer::ObjectDeleted { version, marker } => {
                Ok(v1::DeleteObjectResponse { version: version.0, marker })
            }
            other => Err(mismatched(other)),
        }
    }
}

/// The id of one of the commands of a request: a repetition of the request repeats it.
fn derived_id(request: &[u8], at: usize) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(request).update(&(at as u64).to_le_bytes());
    hasher.finalize().as_bytes()[..RequestId::LEN].to_vec()
}

/// Whether a refusal is about an object, and a definite answer.
fn concerns_one_object(error: &Error) -> bool {
    error.subject == Subject::Object
        && !matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Indeterminate)
}
