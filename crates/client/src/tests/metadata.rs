//! Metadata calls against servers that follow a script: leaders that change, answers that are
//! lost, and what an upload makes of them.

use crate::{Client, Error, Precondition};
use model::{ClusterMap, ErrorKind, Policy, Subject};
use parking_lot::Mutex;
use proto::v1::{
    self,
    directory_server::{Directory, DirectoryServer},
    metadata_server::{Metadata, MetadataServer},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};
use tonic::{Request, Response, Status};
use transport::{App, LocalConnector, Secret, TcpConnector};

/// What a server does with a call.
#[derive(Debug, Clone)]
enum Act {
    Answer,
    Refuse(ErrorKind, Subject),
    PointTo(&'static str),
    /// As if the connection broke: nothing says what became of the call.
    BreakOff,
}

/// What all servers of a test share: the script, and the calls that came.
#[derive(Default)]
struct Script {
    /// Acts for the next calls of a method; afterwards it answers.
    acts: Mutex<VecDeque<(&'static str, Act)>>,
    /// Server, method and request id of each call.
    calls: Mutex<Vec<(String, &'static str, Vec<u8>)>>,
}

impl Script {
    fn act(&self, server: &str, method: &'static str, id: Vec<u8>) -> Result<(), Status> {
        self.calls.lock().push((server.to_owned(), method, id));
        let mut acts = self.acts.lock();
        let at = acts.iter().position(|(m, _)| *m == method);
        match at.and_then(|at| acts.remove(at)).map_or(Act::Answer, |(_, act)| act) {
            Act::Answer => Ok(()),
            Act::Refuse(kind, subject) => {
                Err(proto::to_status(&model::Error::new(kind, subject, "as the script says")))
            }
            Act::PointTo(leader) => {
                let mut status = proto::to_status(&model::Error::unavailable("not the leader"));
                status.metadata_mut().insert(proto::LEADER, leader.parse().unwrap());
                Err(status)
            }
            Act::BreakOff => Err(Status::unavailable("connection reset")),
        }
    }

    fn methods(&self) -> Vec<&'static str> {
        self.calls.lock().iter().map(|(_, method, _)| *method).collect()
    }
}

#[derive(Clone)]
struct Server {
    name: &'static str,
    script: Arc<Script>,
}

type Answer<T> = Result<Response<T>, Status>;

/// Calls that the tests do not make, as `async_trait` would write them.
macro_rules! never {
    ($($method:ident: $request:ident => $response:ident;)*) => {
        $(fn $method<'a, 'b>(
            &'a self,
            _: Request<v1::$request>,
        ) -> futures::future::BoxFuture<'b, Answer<v1::$response>>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { Err(Status::unimplemented("not in the script")) })
        })*
    };
}

#[tonic::async_trait]
impl Metadata for Server {
    async fn show_account(&self, _: Request<v1::AccountRequest>) -> Answer<v1::Account> {
        self.script.act(self.name, "show_account", Vec::new())?;
        Ok(Response::new(v1::Account { name: "acme".into(), ..Default::default() }))
    }

    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Answer<v1::CreatedResponse> {
        self.script.act(self.name, "create_account", request.into_inner().request_id)?;
        Ok(Response::new(v1::CreatedResponse { created: true }))
    }

    async fn create_container(
        &self,
        request: Request<v1::CreateContainerRequest>,
    ) -> Answer<v1::CreatedResponse> {
        self.script.act(self.name, "create_container", request.into_inner().request_id)?;
        Ok(Response::new(v1::CreatedResponse { created: true }))
    }

    async fn prepare(&self, _: Request<v1::PrepareRequest>) -> Answer<v1::PrepareResponse> {
        self.script.act(self.name, "prepare", Vec::new())?;
        Ok(Response::new(v1::PrepareResponse {
            blob: vec![3; 16],
            policy: Some(Policy::built_in()[0].clone().into()),
            ..Default::default()
        }))
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> Answer<v1::CommitResponse> {
        self.script.act(self.name, "commit", request.into_inner().request_id)?;
        let content = vec![3; 16];
        Ok(Response::new(v1::CommitResponse { version: 70, content, ..Default::default() }))
    }

    async fn abort(&self, request: Request<v1::AbortRequest>) -> Answer<v1::Empty> {
        self.script.act(self.name, "abort", request.into_inner().request_id)?;
        Ok(Response::new(v1::Empty {}))
    }

    never! {
        update_account: UpdateAccountRequest => Empty;
        delete_account: DeleteAccountRequest => Empty;
        list_accounts: ListAccountsRequest => ListAccountsResponse;
        list_containers: ListContainersRequest => ListContainersResponse;
        show_container: ContainerRequest => Container;
        update_container: UpdateContainerRequest => Empty;
        delete_container: DeleteContainerRequest => Empty;
        list_objects: ListObjectsRequest => ListObjectsResponse;
        refresh_account: AccountStepRequest => StepResponse;
        flush_account: AccountStepRequest => StepResponse;
        purge_container: PurgeContainerRequest => PurgeContainerResponse;
        flush_container: FlushContainerRequest => FlushResponse;
        refresh_container: RefreshContainerRequest => RefreshContainerResponse;
        set_frozen: SetFrozenRequest => Empty;
        stage_page: StagePageRequest => Empty;
        show_object: LocateRequest => Object;
        resolve_content: ResolveContentRequest => ResolveContentResponse;
        truncate_object: TruncateObjectRequest => CommitResponse;
        drain_object: DrainObjectRequest => Empty;
        create_snapshot: CreateSnapshotRequest => CreateSnapshotResponse;
        list_snapshot: ListSnapshotRequest => ListObjectsResponse;
        import_version: ImportVersionRequest => Empty;
        drop_imported: DropImportedRequest => Empty;
        publish_snapshot: PublishSnapshotRequest => Empty;
        discard_snapshot: DiscardSnapshotRequest => FlushResponse;
        locate: LocateRequest => LocateResponse;
        delete_object: DeleteObjectRequest => DeleteObjectResponse;
        delete_objects: DeleteObjectsRequest => DeleteObjectsResponse;
        update_object: UpdateObjectRequest => Empty;
        report_damage: ReportDamageRequest => Empty;
        check_chunks: CheckChunksRequest => CheckChunksResponse;
    }
}

#[tonic::async_trait]
impl Directory for Server {
    async fn get_map(&self, _: Request<v1::GetMapRequest>) -> Answer<v1::ClusterMap> {
        let node = |(id, address): (u64, &str)| model::Node {
            id: model::NodeId(id),
            address: address.to_owned(),
        };
        let map = ClusterMap {
            epoch: 1,
            cluster: model::ClusterId([1; 16]),
            nodes: [(1, "one:1"), (2, "two:1")].map(node).into(),
            volumes: Vec::new(),
            policies: Policy::built_in(),
            default_policy: "SINGLE".parse().unwrap(),
            partitions: vec![model::Partition {
                id: model::PartitionId(1),
                members: vec![model::NodeId(1), model::NodeId(2)],
            }],
            slots: model::PartitionTable::even(1),
        };
        Ok(Response::new(map.into()))
    }

    never! {
        register_volume: RegisterVolumeRequest => RegisterVolumeResponse;
        heartbeat: HeartbeatRequest => HeartbeatResponse;
        set_volume: SetVolumeRequest => Empty;
        set_policy: SetPolicyRequest => Empty;
        get_status: GetStatusRequest => NodeStatus;
    }
}

/// A client of two metadata nodes that follow a script, and seeds of which the first is dead.
fn client(acts: impl IntoIterator<Item = (&'static str, Act)>) -> (Client, Arc<Script>) {
    let script = Arc::new(Script::default());
    script.acts.lock().extend(acts);
    let key = Secret::new([7; 32]).access_key();
    let connector = LocalConnector::new(Arc::new(TcpConnector));
    for name in ["one:1", "two:1"] {
        let server = Server { name, script: script.clone() };
        let mut routes = tonic::service::Routes::new(MetadataServer::new(server.clone()));
        routes = routes.add_service(DirectoryServer::new(server));
        let app = App::new(key.clone(), routes, None, Arc::new(|| Ok(())), None);
        connector.add(name, app);
    }
    let client = Client::builder()
        .seeds(["127.0.0.1:1", "one:1"])
        .access_key(key)
        .connector(Arc::new(connector))
        .random(even_numbers())
        .deadline(Duration::from_millis(600));
    (client.build().unwrap(), script)
}

/// Randomness that is always even, so that members are asked from the first one on, and never
/// the same.
fn even_numbers() -> Arc<crate::FillRandom> {
    let count = AtomicU8::new(0);
    Arc::new(move |bytes| bytes.fill(count.fetch_add(2, Relaxed)))
}

fn account() -> model::AccountName {
    "acme".parse().unwrap()
}

#[tokio::test]
async fn the_leader_is_found_and_remembered() {
    let (client, script) = client([("show_account", Act::PointTo("two:1"))]);
    client.show_account(&account()).await.unwrap();
    client.show_account(&account()).await.unwrap();
    let calls: Vec<_> = script.calls.lock().iter().map(|(server, ..)| server.clone()).collect();
    assert_eq!(calls, ["one:1", "two:1", "two:1"]);
}

#[tokio::test]
async fn a_repeated_mutation_has_the_same_request_id() {
    let acts = [
        ("create_account", Act::BreakOff),
        ("create_account", Act::Refuse(ErrorKind::Unavailable, Subject::Request)),
        ("create_account", Act::Refuse(ErrorKind::Conflict, Subject::Partition)),
    ];
    let (client, script) = client(acts);
    assert!(client.create_account(&account()).await.unwrap());
    assert!(client.create_account(&account()).await.unwrap());
    let ids: Vec<_> = script.calls.lock().iter().map(|(_, _, id)| id.clone()).collect();
    assert_eq!(ids.len(), 5);
    assert!(ids[..4].iter().all(|id| *id == ids[0] && id.len() == 16), "{ids:?}");
    assert_ne!(ids[4], ids[0], "another mutation, another id");
}

#[tokio::test]
async fn what_may_have_happened_is_indeterminate_and_nothing_else_is() {
    let broken = |method| std::iter::repeat_n((method, Act::BreakOff), 1000);
    let (one, _) = client(broken("create_account"));
    let error = one.create_account(&account()).await.unwrap_err();
    assert!(matches!(error, Error::Indeterminate(_)), "{error:?}");

    // A server without room, or one that does not let the caller in, refuses before it looks.
    for (kind, subject) in
        [(ErrorKind::Exhausted, Subject::Node), (ErrorKind::Unauthenticated, Subject::Request)]
    {
        let refusal = ("create_account", Act::Refuse(kind, subject));
        let (lost, _) = client([("create_account", Act::BreakOff), refusal.clone()]);
        let error = lost.create_account(&account()).await.unwrap_err();
        assert!(matches!(error, Error::Indeterminate(_)), "{error:?}");
        let (sure, _) = client([refusal]);
        assert_eq!(sure.create_account(&account()).await.unwrap_err().kind(), kind);
    }
    // What the partition made of it counts, also when it is said late.
    let conflict = ("create_account", Act::Refuse(ErrorKind::Conflict, Subject::Account));
    let (decided, _) = client([("create_account", Act::BreakOff), conflict]);
    let error = decided.create_account(&account()).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");

    let (two, _) = client(broken("show_account"));
    let error = two.show_account(&account()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "a read changes nothing: {error:?}");

    let refused = ("create_account", Act::Refuse(ErrorKind::Unavailable, Subject::Request));
    let (three, _) = client(std::iter::repeat_n(refused, 1000));
    let error = three.create_account(&account()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");

    let nobody = Client::builder()
        .seed("127.0.0.1:1")
        .access_key(Secret::new([7; 32]).access_key())
        .deadline(Duration::from_millis(200));
    let error = nobody.connect().await.map(drop).unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

type Refusal = (ErrorKind, Subject, fn(&Error) -> bool);

#[tokio::test]
async fn refusals_are_typed() {
    let table: [Refusal; 5] = [
        (ErrorKind::NotFound, Subject::Account, |e| matches!(e, Error::NoSuchAccount(_))),
        (ErrorKind::NotFound, Subject::Container, |e| matches!(e, Error::NoSuchContainer(_))),
        (ErrorKind::Unauthenticated, Subject::Request, |e| matches!(e, Error::Denied(_))),
        (ErrorKind::Exhausted, Subject::Container, |e| matches!(e, Error::Exhausted(_))),
        (ErrorKind::Internal, Subject::Request, |e| matches!(e, Error::Internal(_))),
    ];
    for (kind, subject, is_right) in table {
        let (client, script) = client([("show_account", Act::Refuse(kind, subject))]);
        let error = client.show_account(&account()).await.unwrap_err();
        assert!(is_right(&error), "{error:?}");
        assert_eq!(error.kind(), kind);
        assert_eq!(script.methods(), ["show_account"], "it is not repeated");
    }
}

async fn put(client: &Client, autocreate: bool) -> Result<crate::Stored, Error> {
    let (container, object) = ("stones".parse().unwrap(), "cairn".parse().unwrap());
    let put = client.put_object(&account(), &container, &object, "");
    put.precondition(Precondition::Absent).autocreate(autocreate).await
}

#[tokio::test]
async fn a_container_is_created_if_it_may_be() {
    let missing = || ("prepare", Act::Refuse(ErrorKind::NotFound, Subject::Container));
    let (one, script) = client([missing()]);
    assert_eq!(put(&one, true).await.unwrap().version.0, 70);
    assert_eq!(script.methods(), ["prepare", "create_container", "prepare", "commit"]);

    let (two, script) = client([missing()]);
    let error = put(&two, false).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchContainer(_)), "{error:?}");
    assert_eq!(script.methods(), ["prepare"]);
}

#[tokio::test]
async fn what_became_of_a_commit_is_found_out() {
    let refused = Act::Refuse(ErrorKind::Precondition, Subject::Object);
    let conflict = Act::Refuse(ErrorKind::Conflict, Subject::Object);
    let lost = |n| std::iter::repeat_n(("commit", Act::BreakOff), n);

    let (client_1, script) = client([("commit", refused.clone())]);
    let error = put(&client_1, true).await.unwrap_err();
    assert!(matches!(error, Error::Precondition(_)), "{error:?}");
    assert_eq!(script.methods(), ["prepare", "commit", "abort"]);

    // The answer is lost for good, and the abort wins: it certainly did not happen.
    let (client_2, script) = client(lost(1000));
    let error = put(&client_2, true).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(script.methods().last(), Some(&"abort"));

    // The abort finds it committed, and the same request gets the answer after all.
    let (client_3, script) = client([("abort", conflict)]);
    let script_3 = script.clone();
    script.acts.lock().extend(lost(1000));
    let healing = tokio::spawn(async move {
        while !script_3.methods().contains(&"abort") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        script_3.acts.lock().clear();
    });
    assert_eq!(put(&client_3, true).await.unwrap().version.0, 70);
    healing.await.unwrap();
    let calls = script.calls.lock().clone();
    let commits = calls.iter().filter(|(_, method, _)| *method == "commit");
    let ids: std::collections::BTreeSet<_> = commits.map(|(_, _, id)| id.clone()).collect();
    assert_eq!(ids.len(), 1, "one request id");

    // Neither answers: nobody knows.
    let aborts = std::iter::repeat_n(("abort", Act::BreakOff), 1000);
    let (client_4, _) = client(lost(1000).chain(aborts));
    let error = put(&client_4, true).await.unwrap_err();
    assert!(matches!(error, Error::Indeterminate(_)), "{error:?}");

    // A refusal stays a refusal, whatever the abort comes to.
    let aborts = std::iter::repeat_n(("abort", Act::BreakOff), 1000);
    let (client_5, _) = client([("commit", refused)].into_iter().chain(aborts));
    let error = put(&client_5, true).await.unwrap_err();
    assert!(matches!(error, Error::Precondition(_)), "{error:?}");
}
