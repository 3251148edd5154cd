//! A simulated cluster: machines on turmoil's hosts.

use crate::{
    machine::{Machine, Site},
    network::{Flakiness, SimConnect, address},
    observer::Observer,
    random::Rng,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use turmoil::Sim;

/// Simulated time between two looks at the world; no message is faster.
const TICK: Duration = Duration::from_millis(5);

/// The slowest message.
const SLOWEST: Duration = Duration::from_millis(30);

/// Longer than any simulation: the driver decides when it ends.
const FOREVER: Duration = Duration::from_secs(100_000);

/// A cluster at work.
pub struct Cluster<'a> {
    /// The simulation.
    pub sim: Sim<'a>,
    /// What its machines share.
    pub site: Site,
    /// Its machines, metadata nodes first.
    pub machines: Vec<Machine>,
    /// Clients' hosts.
    pub clients: Vec<String>,
    /// Metadata nodes whose data was damaged: they may be refused, and stay off then.
    pub damaged: BTreeSet<String>,
    /// Those that were.
    pub refused: BTreeSet<String>,
}

/// How large a cluster is.
#[derive(Debug, Clone)]
pub struct Size {
    /// Metadata nodes.
    pub metas: usize,
    /// Volumes of each chunk server.
    pub volumes: Vec<u64>,
}

impl Cluster<'_> {
    /// A cluster whose machines have just been switched on for the first time.
    pub fn new(size: &Size, rng: &Rng, observer: &Observer) -> Self {
        let mut sim = turmoil::Builder::new()
            .rng_seed(rng.fork("network").next())
            .epoch(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
            .simulation_duration(FOREVER)
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(SLOWEST)
            .tcp_capacity(1024)
            .enable_random_order()
            .build();
        let metas: Vec<_> = (0..size.metas).map(|n| format!("meta-{n}")).collect();
        let mut machines: Vec<_> = metas.iter().map(|m| Machine::meta(m, rng, observer)).collect();
        for (n, volumes) in size.volumes.iter().enumerate() {
            machines.push(Machine::chunk(&format!("chunk-{n}"), *volumes, rng, observer));
        }
        let site = Site {
            observer: observer.clone(),
            connector: Arc::new(SimConnect::default()),
            flakiness: Flakiness::default(),
            metas: metas.iter().map(|meta| address(meta)).collect(),
            ended: Arc::default(),
            clients: Arc::default(),
        };
        for machine in &machines {
            let (machine, site) = (machine.clone(), site.clone());
            sim.host(machine.name().to_owned(), move || {
                let (machine, site) = (machine.clone(), site.clone());
                async move {
                    machine.run(site).await;
                    Ok(())
                }
            });
        }
        Self {
            sim,
            site,
            machines,
            clients: Vec::new(),
            damaged: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Volumes in all.
    pub fn volumes(&self) -> usize {
        self.machines.iter().map(|m| m.volumes().len()).sum()
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// Lets a tick pass.
    ///
    /// # Errors
    /// A client ended with an error.
    pub fn step(&mut self) -> turmoil::Result<()> {
        self.site.observer.set_now(self.sim.elapsed().as_micros() as u64);
        self.sim.step().map(drop)
    }

    /// A machine.
    ///
    /// # Panics
    /// There is none of this name.
    pub fn machine(&self, name: &str) -> &Machine {
        let found = self.machines.iter().find(|m| m.name() == name);
        found.unwrap_or_else(|| panic!("there is no machine {name}"))
    }

    /// The machines that count: all but those that were refused.
    pub fn counting(&self) -> Vec<Machine> {
        let machines = self.machines.iter().filter(|m| !self.refused.contains(m.name()));
        machines.cloned().collect()
    }

    /// A process has ended by itself. Whether that was to be expected for good.
    pub fn is_refused(&mut self, name: &str) -> bool {
        let damaged = self.damaged.contains(name);
        if damaged {
            self.refused.insert(name.to_owned());
        }
        damaged
    }

    /// All other hosts, clients' too.
    pub fn others(&self, name: &str) -> Vec<String> {
        let machines = self.machines.iter().map(|m| m.name());
        let all = machines.chain(self.clients.iter().map(String::as_str));
        all.filter(|other| *other != name).map(str::to_owned).collect()
    }

    /// Crashes a machine's process, or the whole machine for want of power. False if it was
    /// down already.
    pub fn crash(&mut self, name: &str, power: bool) -> bool {
        if !self.sim.is_host_running(name) {
            return false;
        }
        self.site.observer.note(format_args!("crash {name}, power lost: {power}"));
        // The disk first: what is dropped with the process must not reach it.
        self.machine(name).crash(power);
        if !power && self.machine(name).stores().is_some() {
            self.sim.crash(name);
            return true;
        }
        // A machine without power says no goodbyes: the others find out by themselves. Nor does
        // a chunk server: it would say them in the order of a hash table of its connections.
        let others = self.others(name);
        others.iter().for_each(|other| self.sim.partition(name, other.as_str()));
        self.sim.crash(name);
        others.iter().for_each(|other| self.sim.repair(name, other.as_str()));
        true
    }

    /// Starts a machine's process; anew, if it runs.
    pub fn start(&mut self, name: &str) {
        self.crash(name, false);
        self.sim.bounce(name);
    }
}
