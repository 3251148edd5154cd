//! What leaders do and leave.

use super::harness::{Cluster, PATIENCE, clock, close_all, count, create, data, leader, wait_for};
use crate::Services;
use model::Properties;
use state::{Command, read};
use std::sync::atomic::Ordering;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_clock_is_off_gives_no_times_and_others_lead() {
    let cluster = Cluster::new(3);
    let nodes = cluster.start().await;
    let off = leader(&nodes).await;
    create(&off, 0..5).await;
    let place = nodes.iter().position(|n| n.id() == off.id()).unwrap();
    let set = |seconds: i64| cluster.ahead[place].store(seconds * 1_000_000, Ordering::Relaxed);
    off.look_at_clock();
    set(4);
    off.ready().unwrap();
    set(3600);
    let propose = async || {
        let account = "late".parse().unwrap();
        let command = Command::CreateAccount { account, properties: Properties::new() };
        let refusal = data(&off).propose(off.now(), None, command).await;
        format!("{:?}", refusal.expect_err("its clock is off"))
    };
    let refusal = propose().await;
    assert!(refusal.contains("3600.0 s ahead of those of 2 other"), "{refusal}");
    off.mint_time(0).unwrap_err();
    assert!(off.ready().unwrap_err().contains("its clock"));
    drop(data(&off).read().await.map_err(|e| format!("{e:?}")).expect("reads go on"));

    off.look_at_clock();
    assert!(propose().await.contains("NotLeader"));
    let others = nodes.iter().filter(|n| n.id() != off.id());
    let next = leader(others).await;
    create(&next, 5..10).await;
    let log_time = read::status(&*data(&next).local()).unwrap().log_time;
    assert!(log_time < clock() + 60_000_000, "{log_time}");

    set(0);
    off.look_at_clock();
    off.ready().unwrap();
    wait_for("it follows", || count(&off) == 10).await;
    drop((off, next));
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_reads_without_a_quorum_end_in_time_and_go_on_with_it() {
    let cluster = Cluster::new(3);
    let mut nodes = cluster.start().await;
    let alone = leader(&nodes).await;
    let place = nodes.iter().position(|n| n.id() == alone.id()).unwrap();
    let kept = nodes.remove(place);
    close_all(nodes).await;
    let partition = data(&alone);
    let propose = |n: u32| {
        let account = format!("alone-{n}").parse().unwrap();
        let command = Command::CreateAccount { account, properties: Properties::new() };
        let (partition, now) = (partition.clone(), alone.now());
        async move { partition.propose(now, None, command).await }
    };
    let many = futures::future::join_all((0..10_000).map(propose));
    let (answers, read) = timeout(PATIENCE, async { tokio::join!(many, partition.read()) })
        .await
        .expect("nothing waits for ever");
    assert!(answers.iter().all(Result::is_err));
    assert!(read.is_err());

    let mut nodes = vec![kept];
    for n in (0..3).filter(|n| *n != place) {
        nodes.push(cluster.open(n).await);
    }
    let leading = leader(&nodes).await;
    timeout(PATIENCE, create(&leading, 0..20)).await.expect("commands are taken again");
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_in_steps_that_is_repeated_spares_a_container_made_meanwhile() {
    const MARKERS: usize = 1500;
    let cluster = Cluster::new(1);
    let nodes = cluster.start().await;
    let node = leader(&nodes).await;
    let services = Services(node.clone());
    let (account, container) = ("a".to_owned(), "c".to_owned());
    let make = |id: u8| proto::v1::CreateContainerRequest {
        account: account.clone(),
        container: container.clone(),
        versioning: Some(-1),
        request_id: vec![id; 16],
        ..Default::default()
    };
    assert!(services.create_container(make(1)).await.unwrap().created);
    let names = (account.parse().unwrap(), container.parse().unwrap());
    let id = model::ContainerId::of(&names.0, &names.1);
    let partition = data(&node);
    let propose = async |command| partition.propose(node.now(), None, command).await.unwrap();
    let view = partition.read().await.map_err(|e| format!("{e:?}")).unwrap();
    let incarnation = read::show_container(&*view, &id).unwrap().incarnation;
    let covered = (0..MARKERS).map(|n| async move {
        let object: model::ObjectName = n.to_string().parse().unwrap();
        let commit = state::Commit {
            container: id,
            incarnation,
            object: object.clone(),
            mode: state::CommitMode::Create,
            content: None,
            blob: model::BlobId::new(id.slot(), rand::random()),
            extents: Vec::new(),
            size: 0,
            hash: None,
            md5: None,
            mime_type: String::new(),
            delete_at: None,
            policy: "EC42".parse().unwrap(),
            properties: Properties::new(),
            precondition: model::Precondition::None,
            delete_grace: 0,
        };
        let answer = propose(Command::Commit(Box::new(commit))).await;
        let state::Answer::Committed { version, .. } = answer else { panic!("{answer:?}") };
        for version in [None, Some(version)] {
            propose(Command::DeleteObject(state::DeleteObject {
                container: id,
                object: object.clone(),
                version,
                silent: false,
                missing: None,
                precondition: model::Precondition::None,
                delete_grace: 0,
            }))
            .await;
        }
    });
    futures::future::join_all(covered).await;

    let delete = || proto::v1::DeleteContainerRequest {
        account: account.clone(),
        container: container.clone(),
        request_id: vec![2; 16],
    };
    services.delete_container(delete()).await.unwrap();
    assert!(services.create_container(make(3)).await.unwrap().created);
    services.delete_container(delete()).await.unwrap();
    assert!(!services.create_container(make(4)).await.unwrap().created, "it is still there");
    drop(services);
    close_all(nodes).await;
}
