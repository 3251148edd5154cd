//! The `Metadata` service: each call goes to its handler, each refusal becomes a status.

use super::{Services, refuse};
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
                    let result = Services::$name(self, request.into_inner()).await;
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
    create_container: CreateContainerRequest => CreatedResponse;
    show_container: ContainerRequest => Container;
    update_container: UpdateContainerRequest => Empty;
    delete_container: DeleteContainerRequest => Empty;
    list_objects: ListObjectsRequest => ListObjectsResponse;
    prepare: PrepareRequest => PrepareResponse;
    commit: CommitRequest => CommitResponse;
    abort: AbortRequest => Empty;
    locate: LocateRequest => LocateResponse;
    delete_object: DeleteObjectRequest => DeleteObjectResponse;
    delete_objects: DeleteObjectsRequest => DeleteObjectsResponse;
    update_object: UpdateObjectRequest => Empty;
    report_damage: ReportDamageRequest => Empty;
}
