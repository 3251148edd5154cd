//! Each checker is seen to fire: something is broken on purpose, and it must be noticed. What
//! breaks goes in where a simulation meets the code under test: disks, stores, clients.

use ::disk::Disk;
use parking_lot::Mutex;
use simulation::{
    cluster::Cluster,
    disk::Faults,
    faults::Menu,
    invariant::Invariant,
    run::{Moment, Options, run},
    stores::Tamper,
    workload::Mischief,
};
use std::sync::Arc;
use store::Change;

/// Seeds that may be needed until a fault shows.
const SEEDS: u64 = 12;

const LISTED: u8 = 0x12;
const HEAD: u8 = 0x22;
const EXPIRY: u8 = 0x28;
const REQUEST: u8 = 0x50;

/// Runs seeds until the checker fires, all others looking away.
fn fires(invariant: Invariant, options: Options) {
    fires_saying("", invariant, options);
}

/// Runs seeds until the checker fires and says something, all others looking away.
fn fires_saying(words: &str, invariant: Invariant, options: Options) {
    use Invariant as I;
    let all = [
        I::Readable,
        I::Deleted,
        I::Named,
        I::Collected,
        I::Replicas,
        I::Whole,
        I::Applied,
        I::Converges,
    ];
    let ignored = all.into_iter().filter(|other| *other != invariant).collect();
    let options = Options { ignored, ..options };
    let says = |seed| run(seed, &options).violations.iter().any(|v| v.what.contains(words));
    let fired = (0..SEEDS).any(says);
    assert!(fired, "{invariant} is not seen to be violated");
}

fn peaceful(meddle: impl Fn(Moment, &mut Cluster<'_>) + Send + Sync + 'static) -> Options {
    Options { menu: Menu::NONE, meddle: Some(Arc::new(meddle)), ..Options::default() }
}

/// Damages the batches of all replicas, or of one, before they are written.
fn tampered(only: Option<&'static str>, keep: fn(&Change) -> bool) -> Options {
    peaceful(move |moment, cluster| {
        if moment != Moment::Up {
            return;
        }
        for machine in &cluster.machines {
            let concerned = only.is_none_or(|name| name == machine.name());
            if let (true, Some(stores)) = (concerned, machine.stores()) {
                let tamper: Tamper = Arc::new(move |_, batch| batch.retain(keep));
                stores.tamper(tamper);
            }
        }
    })
}

fn is(kind: u8, (key, _): &Change) -> bool {
    key.first() == Some(&kind)
}

/// Disks of chunk servers acknowledge before they have synced.
fn lying(cluster: &Cluster<'_>) {
    let servers = cluster.machines.iter().filter(|m| m.stores().is_none());
    for machine in servers {
        machine.platter().set_faults(Faults { lying: true, ..Faults::default() });
    }
}

#[test]
fn acknowledged_before_the_sync_is_lost_with_the_power() {
    fires(
        Invariant::Readable,
        peaceful(|moment, cluster| match moment {
            Moment::Up => lying(cluster),
            Moment::Done => {
                let machines: Vec<_> =
                    cluster.machines.iter().map(|m| m.name().to_owned()).collect();
                for machine in machines.iter().filter(|name| name.starts_with("chunk")) {
                    cluster.crash(machine, true);
                    cluster.start(machine);
                }
            }
            Moment::Looked | Moment::Quiet => {}
        }),
    );
}

#[test]
fn a_removal_that_is_not_carried_out_comes_back() {
    fires(Invariant::Deleted, tampered(None, |change| !is(HEAD, change) || change.1.is_some()));
}

#[test]
fn a_commit_of_what_is_not_synced_names_what_is_not_durable() {
    let lie = |moment, cluster: &mut Cluster<'_>| {
        if moment == Moment::Up {
            lying(cluster);
        }
    };
    fires(Invariant::Named, peaceful(lie));
}

#[test]
fn a_collector_that_asks_nobody_removes_what_is_named() {
    fires(
        Invariant::Collected,
        peaceful(|moment, cluster| {
            let observer = &cluster.site.observer;
            let (Moment::Done, Some((volume, chunk))) = (moment, observer.named().pop()) else {
                return;
            };
            let (platter, file) = observer.whereabouts(volume, &chunk).expect("it is there");
            platter.boot().remove_file(&file).expect("it can be removed");
        }),
    );
}

#[test]
fn a_replica_that_skips_a_change_differs() {
    fires(Invariant::Replicas, tampered(Some("meta-1"), |change| !is(HEAD, change)));
}

#[test]
fn a_wrong_byte_is_seen() {
    let mischief = Mischief { garbles: true, ..Mischief::default() };
    fires(Invariant::Whole, Options { menu: Menu::NONE, mischief, ..Options::default() });
}

#[test]
fn a_swallowed_error_is_a_short_body() {
    let options = peaceful(|moment, cluster| {
        if moment != Moment::Done {
            return;
        }
        // All chunks of the later metachunks go: whoever reads such an object gets its beginning.
        let observer = &cluster.site.observer;
        for (volume, chunk) in observer.named().into_iter().filter(|(_, c)| c.metachunk > 0) {
            let (platter, file) = observer.whereabouts(volume, &chunk).expect("it is there");
            platter.boot().remove_file(&file).expect("it can be removed");
        }
    });
    let mischief = Mischief { swallows_errors: true, ..Mischief::default() };
    fires(Invariant::Whole, Options { mischief, ..options });
}

#[test]
fn a_forgotten_command_fits_in_no_order() {
    fires(Invariant::Applied, tampered(None, |change| !is(HEAD, change) || change.1.is_none()));
}

#[test]
fn a_command_applied_twice_fits_in_no_order() {
    let forgetful = tampered(None, |change| !is(REQUEST, change));
    let lossy = move |moment, cluster: &mut Cluster<'_>| {
        if let Some(meddle) = &forgetful.meddle {
            meddle(moment, cluster);
        }
        // Answers get lost, and what was asked for is asked for again.
        cluster.site.flakiness.set(if moment == Moment::Up { 8 } else { 0 });
    };
    fires(Invariant::Applied, peaceful(lossy));
}

#[test]
fn a_partition_that_stays_keeps_replicas_apart() {
    fires(
        Invariant::Converges,
        peaceful(|moment, cluster| {
            if moment == Moment::Done {
                for other in cluster.others("meta-2") {
                    cluster.sim.partition("meta-2", other.as_str());
                }
            }
        }),
    );
}

#[test]
fn news_that_an_account_forgets_are_missed() {
    let forgetful = tampered(None, |change| !is(LISTED, change));
    fires_saying("their account lists", Invariant::Converges, forgetful);
}

#[test]
fn what_nobody_lets_go_in_time_is_missed() {
    let forgetful = tampered(None, |change| !is(EXPIRY, change));
    fires_saying("was to go by itself", Invariant::Converges, forgetful);
}

#[test]
fn what_goes_before_its_time_fits_in_no_order() {
    let mischief = Mischief { hurries: true, ..Mischief::default() };
    let options = Options { menu: Menu::NONE, mischief, ..Options::default() };
    fires_saying("PutUntil", Invariant::Applied, options);
}

#[test]
fn replicas_that_are_all_put_back_forget_what_was_acknowledged() {
    let copies = Mutex::new(Vec::new());
    let put_back = move |moment, cluster: &mut Cluster<'_>| {
        let metas = cluster.machines.iter().filter(|m| m.stores().is_some());
        let metas: Vec<_> = metas.cloned().collect();
        match moment {
            Moment::Up => {
                *copies.lock() = metas.iter().map(|m| (m.name().to_owned(), m.copy())).collect();
            }
            Moment::Done => {
                for machine in &metas {
                    cluster.crash(machine.name(), true);
                }
                for (name, copy) in copies.lock().iter() {
                    cluster.machine(name).restore(copy);
                    cluster.start(name);
                }
            }
            _ => {}
        }
    };
    fires(Invariant::Applied, peaceful(put_back));
}

#[test]
fn a_chunk_that_nobody_made_anew_is_missed() {
    let gone = peaceful(|moment, cluster| {
        let observer = &cluster.site.observer;
        let (Moment::Quiet, Some((volume, chunk))) = (moment, observer.named().pop()) else {
            return;
        };
        let (platter, file) = observer.whereabouts(volume, &chunk).expect("it is there");
        platter.boot().remove_file(&file).expect("it can be removed");
    });
    fires_saying("on volume", Invariant::Converges, gone);
}
