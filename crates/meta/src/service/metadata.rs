//! The `Metadata` service: each call of a caller with the right to it goes to its handler, each
//! refusal becomes a status.

use super::{Services, refuse, rights::admit};
use proto::v1::{self, metadata_server::Metadata};
use tonic::{Request, Response, Status};

macro_rules! calls {
    ($($name:ident: $request:ident => $response:ident;)*) => {
        #[tonic::async_trait]
        impl Metadata for Services {
            $(
                async fn $name(
                    &self,
                    request: Request<v1::$request>,
                ) -> Result<Response<v1::$response>, Status> {
                    let started = tokio::time::Instant::now();
                    let message = admit(request).map_err(refuse)?;
                    let result = Services::$name(self, message).await;
                    let outcome = if result.is_ok() { "ok" } else { "refused" };
                    let call = stringify!($name);
                    metrics::histogram!("cairn_metadata_seconds", "call" => call)
                        .record(started.elapsed().as_secs_f64());
                    metrics::counter!(
                        "cairn_metadata_calls_total", "call" => call, "outcome" => outcome
                    )
                    .increment(1);
                    result.map(Response::new).map_err(refuse)
                }
            )*
        }
    };
}

calls! {
    create_account: CreateAccountRequest => CreatedResponse;
    show_account: AccountRequest => Account;
    update_account: UpdateAccountRequest => Empty;
    delete_account: DeleteAccountRequest => Empty;
    list_accounts: ListAccountsRequest => ListAccountsResponse;
    list_containers: ListContainersRequest => ListContainersResponse;
    refresh_account: AccountStepRequest => StepResponse;
    flush_account: AccountStepRequest => StepResponse;
    create_container: CreateContainerRequest => CreatedResponse;
    show_container: ContainerRequest => Container;
    update_container: UpdateContainerRequest => Empty;
    delete_container: DeleteContainerRequest => Empty;
    list_objects: ListObjectsRequest => ListObjectsResponse;
    purge_container: PurgeContainerRequest => PurgeContainerResponse;
    flush_container: FlushContainerRequest => FlushResponse;
    refresh_container: RefreshContainerRequest => RefreshContainerResponse;
    set_frozen: SetFrozenRequest => Empty;
    prepare: PrepareRequest => PrepareResponse;
    stage_page: StagePageRequest => Empty;
    commit: CommitRequest => CommitResponse;
    abort: AbortRequest => Empty;
    show_object: LocateRequest => Object;
    locate: LocateRequest => LocateResponse;
    resolve_content: ResolveContentRequest => ResolveContentResponse;
    truncate_object: TruncateObjectRequest => CommitResponse;
    drain_object: DrainObjectRequest => Empty;
    delete_object: DeleteObjectRequest => DeleteObjectResponse;
    delete_objects: DeleteObjectsRequest => DeleteObjectsResponse;
    update_object: UpdateObjectRequest => Empty;
    create_snapshot: CreateSnapshotRequest => CreateSnapshotResponse;
    list_snapshot: ListSnapshotRequest => ListObjectsResponse;
    import_version: ImportVersionRequest => Empty;
    drop_imported: DropImportedRequest => Empty;
    publish_snapshot: PublishSnapshotRequest => Empty;
    discard_snapshot: DiscardSnapshotRequest => FlushResponse;
    report_damage: ReportDamageRequest => Empty;
    check_chunks: CheckChunksRequest => CheckChunksResponse;
}
