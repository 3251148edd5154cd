//! Containers.

use super::{Services, changes_from, container_of, mismatched, read_failed};
use crate::partition::Refusal;
use model::{ContainerId, ListQuery, PolicyName, RequestId, Versioning};
use proto::{convert::properties_from, v1};
use state::{Answer, Command, CreateContainer, UpdateContainer};

impl Services {
    /// The name of a policy, if the cluster has it.
    fn policy_from(&self, name: &str) -> Result<PolicyName, Refusal> {
        let name: PolicyName = name.parse()?;
        self.0.0.registry.logged()?.policy(&name)?;
        Ok(name)
    }

    pub(crate) async fn create_container(
        &self,
        message: v1::CreateContainerRequest,
    ) -> Result<v1::CreatedResponse, Refusal> {
        let (account, container, id) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&id)?;
        let command = Command::CreateContainer(CreateContainer {
            account,
            container,
            policy: message.policy.map(|p| self.policy_from(&p)).transpose()?,
            versioning: Versioning::from_number(message.versioning.unwrap_or(1))?,
            quota: message.quota,
            properties: properties_from(message.properties)?,
        });
        let answer = self.propose(partition, &message.request_id, command).await?;
        let Answer::Created { created } = answer else { return Err(mismatched(answer)) };
        // Clients see what they made: its account lists it before the answer goes out.
        self.0.deliver_outbox(partition.id()).await;
        Ok(v1::CreatedResponse { created })
    }

    pub(super) async fn show_container(
        &self,
        message: v1::ContainerRequest,
    ) -> Result<v1::Container, Refusal> {
        let id = match &message.id[..] {
            [] => container_of(&message.account, &message.container)?.2,
            id => ContainerId::try_from(id)?,
        };
        let view = self.0.of_container(&id)?.read().await?;
        let shown = state::read::show_container(&*view, &id);
        // An id does not tell the account: who is held to one sees no other's containers, nor
        // whether there are any.
        let held = !message.id.is_empty() && !message.account.is_empty();
        let is_ours = |c: &model::Container| c.account.as_str() == message.account;
        if held && !shown.as_ref().is_ok_and(is_ours) {
            return Err(transport::denied().into());
        }
        Ok(shown.map_err(read_failed)?.into())
    }

    pub(super) async fn update_container(
        &self,
        message: v1::UpdateContainerRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, id) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&id)?;
        let policy = match message.policy {
            None => None,
            Some(name) if name.is_empty() => Some(None),
            Some(name) => Some(Some(self.policy_from(&name)?)),
        };
        let command = Command::UpdateContainer(UpdateContainer {
            container: id,
            properties: changes_from(message.properties)?,
            policy,
            versioning: message.versioning.map(Versioning::from_number).transpose()?,
            quota: message.quota.map(|bytes| (bytes != 0).then_some(bytes)),
        });
        self.propose(partition, &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    pub(crate) async fn delete_container(
        &self,
        message: v1::DeleteContainerRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, id) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&id)?;
        let command = Command::DeleteContainer { container: id };
        let mut answer = self.propose(partition, &message.request_id, command.clone()).await?;
        // Delete markers go a bounded number at a time. Each step has an id that follows from the
        // request's: a repetition is answered, and spares a container that was made meanwhile.
        let mut step = message.request_id;
        while let Answer::ContainerDeleted { complete: false } = answer {
            step = blake3::hash(&step).as_bytes()[..RequestId::LEN].to_vec();
            answer = self.propose(partition, &step, command.clone()).await?;
        }
        self.0.deliver_outbox(partition.id()).await;
        Ok(v1::Empty {})
    }

    pub(super) async fn list_objects(
        &self,
        message: v1::ListObjectsRequest,
    ) -> Result<v1::ListObjectsResponse, Refusal> {
        let (_, _, id) = container_of(&message.account, &message.container)?;
        let query = ListQuery::from(message.query.unwrap_or_default());
        let view = self.0.of_container(&id)?.read().await?;
        Ok(state::read::list_objects(&*view, &id, &query).map_err(read_failed)?.into())
    }
}
