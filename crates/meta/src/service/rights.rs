//! Whether a caller may ask what it asks. What each method needs is in [`proto`]'s table, and was
//! checked as far as the role goes before the call came here; what is left is the account.

use model::{AccountName, Error, Right};
use proto::v1;
use tonic::Request;
use transport::{Admitted, denied};

/// A request that names the account it is about, or is about none.
pub(super) trait OfAccount {
    /// Its account.
    fn account(&self) -> Option<&str>;

    /// What it needs beyond what its method does.
    fn more(&self) -> Option<Right> {
        None
    }

    /// Holds it to an account, if it names its subject by an id that does not tell the account.
    fn confine(&mut self, _to: &AccountName) -> bool {
        false
    }
}

macro_rules! of_account {
    ($($request:ident,)*) => {
        $(
            impl OfAccount for v1::$request {
                fn account(&self) -> Option<&str> {
                    Some(&self.account)
                }
            }
        )*
    };
}

of_account! {
    CreateAccountRequest,
    AccountRequest,
    UpdateAccountRequest,
    DeleteAccountRequest,
    ListContainersRequest,
    CreateContainerRequest,
    UpdateContainerRequest,
    DeleteContainerRequest,
    ListObjectsRequest,
    PrepareRequest,
    CommitRequest,
    AbortRequest,
    LocateRequest,
    DeleteObjectRequest,
    DeleteObjectsRequest,
    UpdateObjectRequest,
    ReportDamageRequest,
    CheckChunksRequest,
    AccountStepRequest,
    PurgeContainerRequest,
    FlushContainerRequest,
    RefreshContainerRequest,
    StagePageRequest,
    ResolveContentRequest,
    TruncateObjectRequest,
    DrainObjectRequest,
    CreateSnapshotRequest,
    ListSnapshotRequest,
    ImportVersionRequest,
    DropImportedRequest,
    PublishSnapshotRequest,
    DiscardSnapshotRequest,
}

impl OfAccount for v1::SetFrozenRequest {
    fn account(&self) -> Option<&str> {
        Some(&self.account)
    }

    /// Jobs take leases and give them back; what is for good, operators decide.
    fn more(&self) -> Option<Right> {
        let of_a_job = matches!(self.frozen, Some(v1::set_frozen_request::Frozen::Lease(_)))
            || (self.frozen.is_none() && self.job.is_some());
        (!of_a_job).then_some(Right::Cluster)
    }
}

impl OfAccount for v1::ContainerRequest {
    fn account(&self) -> Option<&str> {
        Some(&self.account)
    }

    fn confine(&mut self, to: &AccountName) -> bool {
        let by_id = !self.id.is_empty() && self.account.is_empty();
        if by_id {
            self.account = to.to_string();
        }
        by_id
    }
}

impl OfAccount for v1::ListAccountsRequest {
    fn account(&self) -> Option<&str> {
        None
    }
}

/// The message of a caller who may send it. Nothing is looked up before this: a refusal says
/// nothing of what exists.
pub(super) fn admit<T: OfAccount>(request: Request<T>) -> Result<T, Error> {
    let (_, extensions, mut message) = request.into_parts();
    let admitted = extensions.get::<Admitted>().ok_or_else(denied)?;
    if message.more().is_some_and(|right| !admitted.reaches(right)) {
        return Err(denied());
    }
    let of_all = admitted.reaches(Right::Accounts);
    let confined = admitted.confined(|account| message.confine(account));
    if admitted.right.is_of_account() && !of_all && !confined {
        let account: AccountName = message.account().ok_or_else(denied)?.parse()?;
        admitted.check(&account)?;
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ErrorKind, Role};
    use std::sync::Arc;
    use transport::{Caller, Claims};

    fn request<T>(caller: Option<Caller>, right: Right, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(caller) = caller {
            request.extensions_mut().insert(Admitted { caller, right });
        }
        request
    }

    fn user(name: &str, role: Role) -> Option<Caller> {
        let user = name.parse().unwrap();
        Some(Caller::User(Arc::new(Claims { user, role, expires: 1, revision: 1 })))
    }

    #[test]
    fn a_request_of_another_account_goes_no_further() {
        let show = || v1::AccountRequest { account: "acme".into() };
        let kind = |caller| admit(request(caller, Right::Read, show())).err().map(|e| e.kind);
        assert_eq!(kind(user("acme:u", Role::Reader)), None);
        assert_eq!(kind(user("root", Role::Reseller)), None);
        assert_eq!(kind(Some(Caller::Daemon)), None);
        assert_eq!(kind(user("other:u", Role::Admin)), Some(ErrorKind::Denied));
        assert_eq!(kind(Some(Caller::Nobody)), Some(ErrorKind::Denied));
        assert_eq!(kind(None), Some(ErrorKind::Denied), "nobody looked who it is");
        // By its id a container is asked for in the caller's own account, whatever it names.
        let by_id = || v1::ContainerRequest { id: vec![1; 32], ..Default::default() };
        let held = admit(request(user("acme:u", Role::Reader), Right::Read, by_id())).unwrap();
        assert_eq!(held.account, "acme");
        let free = admit(request(Some(Caller::Daemon), Right::Read, by_id())).unwrap();
        assert_eq!(free.account, "");
        // Freezing for good, and thawing what no job froze, is for operators.
        let freeze =
            |frozen| v1::SetFrozenRequest { account: "acme".into(), frozen, ..Default::default() };
        let forever = || freeze(Some(v1::set_frozen_request::Frozen::Forever(true)));
        let admin = || user("acme:u", Role::Admin);
        for message in [forever(), freeze(None)] {
            assert!(admit(request(admin(), Right::Write, message)).is_err());
        }
        assert!(admit(request(user("root", Role::Operator), Right::Write, forever())).is_ok());
        let leased = freeze(Some(v1::set_frozen_request::Frozen::Lease(Default::default())));
        assert!(admit(request(admin(), Right::Write, leased)).is_ok());
        // A call about no account that asked for a right over one would be open to all.
        let list =
            request(user("acme:u", Role::Admin), Right::Read, v1::ListAccountsRequest::default());
        assert_eq!(admit(list).unwrap_err().kind, ErrorKind::Denied);
    }
}
