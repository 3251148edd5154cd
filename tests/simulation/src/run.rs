//! A simulation, from a seed to a verdict.

use crate::{
    cluster::{Cluster, Size},
    faults::{Menu, Schedule},
    history::History,
    invariant::{Invariant, Violation, applied, census, converges, counters, deleted, readable},
    observer::Observer,
    random::Rng,
    workload::{Mischief, Part, Worker},
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// Who brings a cluster up.
const FOUNDER: &str = "founder";

/// Who looks at everything when faults have stopped.
const LAST: &str = "last";

/// Who has everything repaired in the end.
const OPERATOR: &str = "operator";

/// How long the cluster may take to come up.
const START: Duration = Duration::from_secs(60);

/// How long clients may take for what they began, when faults have stopped.
const FINISH: Duration = Duration::from_secs(240);

/// When faults have stopped, what they held up still takes so long: an operation on a slow disk, on
/// which the start of a server may wait.
const CALM: Duration = Duration::from_secs(4);

/// How long everything may take to become quiet, when faults have stopped.
const SETTLE: Duration = Duration::from_secs(300);

/// What somebody does to a cluster from outside.
pub type Meddle = Arc<dyn Fn(Moment, &mut Cluster<'_>) + Send + Sync>;

/// What a simulation is made of.
#[derive(Clone)]
pub struct Options {
    /// What may go wrong.
    pub menu: Menu,
    /// Clients at work.
    pub clients: u32,
    /// What each of them does.
    pub operations: u32,
    /// How large the cluster is; the seed decides otherwise.
    pub size: Option<Size>,
    /// What clients do wrong on purpose.
    pub mischief: Mischief,
    /// Checkers that look away.
    pub ignored: Vec<Invariant>,
    /// Whether the story is told; aloud, or with a violation only.
    pub tell: Option<bool>,
    /// Something done once to the cluster when it is up, and something before the last look.
    pub meddle: Option<Meddle>,
}

/// When somebody may meddle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The cluster is up and clients are about to begin.
    Up,
    /// Clients are done and faults have stopped.
    Done,
    /// The last look is over.
    Looked,
    /// Everything is quiet, and is about to be counted.
    Quiet,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            menu: Menu::ALL,
            clients: 3,
            operations: 25,
            size: None,
            mischief: Mischief::default(),
            ignored: Vec::new(),
            tell: None,
            meddle: None,
        }
    }
}

/// What came of a simulation.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Its seed.
    pub seed: u64,
    /// What was violated.
    pub violations: Vec<Violation>,
    /// The hash over all that happened.
    pub hash: String,
    /// How much happened.
    pub events: u64,
    /// How long it was.
    pub simulated: Duration,
    /// Operations by how they ended.
    pub operations: BTreeMap<&'static str, u64>,
    /// Operations by what they were, if they had a definite answer.
    pub answered: BTreeMap<&'static str, u64>,
    /// The end of the story, if it was to be told.
    pub story: Vec<String>,
}

/// Runs the simulation of a seed, on a thread of its own: nothing is left of another one in its
/// thread's memory.
pub fn run(seed: u64, options: &Options) -> Verdict {
    std::thread::scope(|scope| {
        let running = std::thread::Builder::new().name(format!("seed-{seed}"));
        let running = running.spawn_scoped(scope, || run_here(seed, options));
        match running.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => panic!("no thread for a simulation: {error}"),
        }
    })
}

fn run_here(seed: u64, options: &Options) -> Verdict {
    let observer = Observer::default();
    if let Some(aloud) = options.tell {
        observer.tell(aloud);
    }
    options.ignored.iter().for_each(|invariant| observer.ignore(*invariant));
    let history = History::new(observer.clone());
    let mut simulated = Duration::ZERO;
    let lived = std::panic::catch_unwind(AssertUnwindSafe(|| {
        live(seed, options, &observer, &history, &mut simulated)
    }));
    match lived {
        Ok(Ok(())) => {}
        Ok(Err(why)) => observer.violated(Invariant::Converges, why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let what = format!("a panic: {}", text.unwrap_or("of unknown kind"));
            observer.violated(Invariant::Converges, what);
        }
    }
    let mut contents = history.contents();
    for (object, operations) in history.by_object() {
        let told = |invariant, what: Option<String>| {
            if let Some(what) = what {
                observer.violated(invariant, format!("{object}: {what}"));
            }
        };
        told(Invariant::Readable, readable::check(&operations));
        told(Invariant::Deleted, deleted::check(&operations));
        told(Invariant::Applied, applied::check(&operations, &mut contents));
    }
    let (hash, events) = observer.summary();
    let (operations, answered) = history.counts();
    Verdict {
        seed,
        violations: observer.violations(),
        hash,
        events,
        simulated,
        operations,
        answered,
        story: observer.story(),
    }
}

/// Whether something has come about, and what to say if it has not.
type Flag = Arc<Mutex<u32>>;

fn live(
    seed: u64,
    options: &Options,
    observer: &Observer,
    history: &History,
    simulated: &mut Duration,
) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let size = options
        .size
        .clone()
        .unwrap_or_else(|| Size { metas: 3, volumes: (0..4).map(|_| 1 + rng.below(2)).collect() });
    let mut cluster = Cluster::new(&size, &rng, observer);
    let mut life = Life { cluster: &mut cluster, options, history, rng: &rng, simulated };
    life.start()?;
    let mut schedule = life.work()?;
    life.finish(&mut schedule)
}

struct Life<'a, 'b> {
    cluster: &'a mut Cluster<'b>,
    options: &'a Options,
    history: &'a History,
    rng: &'a Rng,
    simulated: &'a mut Duration,
}

impl Life<'_, '_> {
    /// Steps until something holds.
    fn until(
        &mut self,
        what: &str,
        within: Duration,
        schedule: &mut Option<&mut Schedule>,
        mut holds: impl FnMut(&mut Cluster<'_>) -> bool,
    ) -> Result<(), String> {
        let end = self.cluster.elapsed() + within;
        while !holds(self.cluster) {
            if self.cluster.elapsed() > end {
                return Err(format!("{what} did not come about within {within:?}"));
            }
            self.cluster.step().map_err(|error| error.to_string())?;
            *self.simulated = self.cluster.elapsed();
            let mut ended = std::mem::take(&mut *self.cluster.site.ended.lock());
            ended.retain(|machine| !self.cluster.is_refused(machine));
            if let Some(schedule) = schedule {
                for machine in ended {
                    schedule.ended(self.cluster, &machine);
                }
            } else {
                ended.iter().for_each(|machine| self.cluster.start(machine));
            }
        }
        Ok(())
    }

    fn meddle(&mut self, moment: Moment) {
        if let Some(meddle) = &self.options.meddle {
            meddle(moment, self.cluster);
        }
    }

    fn worker(&mut self, name: &str) -> Result<Worker, String> {
        let part = match name {
            FOUNDER | OPERATOR => Part::Operator,
            LAST => Part::LastLook,
            _ => Part::User,
        };
        let site = self.cluster.site.clone();
        let worker = Worker::new(
            name,
            &site,
            self.history.clone(),
            self.rng.fork(name),
            self.options.mischief,
            part,
        );
        self.cluster.clients.push(name.to_owned());
        worker.map_err(|error| error.to_string())
    }

    /// Has a client do something; the flag counts those that are done.
    fn client<F>(
        &mut self,
        name: &str,
        done: &Flag,
        work: impl FnOnce(Worker) -> F,
    ) -> Result<(), String>
    where
        F: Future<Output = Result<(), client::Error>> + 'static,
    {
        let (work, done) = (work(self.worker(name)?), done.clone());
        self.cluster.sim.client(name.to_owned(), async move {
            work.await?;
            *done.lock() += 1;
            Ok(())
        });
        Ok(())
    }

    /// The cluster comes up, in peace.
    fn start(&mut self) -> Result<(), String> {
        let done = Flag::default();
        let volumes = self.cluster.volumes();
        self.client(FOUNDER, &done, |worker| async move { worker.prepare(volumes).await })?;
        self.until("a cluster", START, &mut None, |_| *done.lock() == 1)?;
        self.meddle(Moment::Up);
        Ok(())
    }

    /// Clients work, and things go wrong.
    fn work(&mut self) -> Result<Schedule, String> {
        let done = Flag::default();
        let Options { clients, operations, menu, .. } = *self.options;
        for n in 0..clients {
            self.client(&format!("client-{n}"), &done, |worker| async move {
                worker.work(operations).await;
                Ok(())
            })?;
        }
        let now = self.cluster.elapsed();
        let mut schedule = Schedule::new(menu, self.rng.fork("faults"), now);
        // Faults go on for as long as most of the work would take without them.
        let chaos = now + Duration::from_millis(u64::from(operations) * 600);
        while self.cluster.elapsed() < chaos && *done.lock() < clients {
            schedule.step(self.cluster);
            self.until("a step", START, &mut Some(&mut schedule), step())?;
        }
        schedule.heal(self.cluster);
        self.cluster.site.observer.note(format_args!("faults stop"));
        self.until("the end of the clients' work", FINISH, &mut None, |_| *done.lock() == clients)?;
        Ok(schedule)
    }

    /// Everything must be well again.
    fn finish(&mut self, _: &mut Schedule) -> Result<(), String> {
        self.meddle(Moment::Done);
        let calm = self.cluster.elapsed() + CALM;
        self.until("calm", START, &mut None, |cluster| cluster.elapsed() >= calm)?;
        self.history.last_look();
        let done = Flag::default();
        self.client(LAST, &done, |worker| async move {
            worker.look_at_all().await;
            Ok(())
        })?;
        self.until("the last look", FINISH, &mut None, |_| *done.lock() == 1)?;
        self.cluster.site.observer.seal();
        self.meddle(Moment::Looked);
        let done = Flag::default();
        let lost = self.cluster.site.observer.lost_volumes();
        let given_up = lost.clone();
        self.client(OPERATOR, &done, |worker| async move {
            worker.repair_all(&given_up).await;
            Ok(())
        })?;
        self.until("a look at every chunk", FINISH, &mut None, |_| *done.lock() == 1)?;
        let unquiet = |cluster: &Cluster<'_>| converges::check(&cluster.counting(), &lost);
        let quiet = |cluster: &mut Cluster<'_>| unquiet(cluster).is_none();
        let settled = self.until("quiet", SETTLE, &mut None, quiet);
        if let Some(what) = converges::hashes(&self.cluster.counting()) {
            self.cluster.site.observer.violated(Invariant::Replicas, what);
        }
        if settled.is_ok() {
            self.meddle(Moment::Quiet);
            let (machines, observer) = (self.cluster.counting(), &self.cluster.site.observer);
            let checked = [counters::check(&machines), census::check(&machines, observer)];
            for what in checked.into_iter().flatten() {
                observer.violated(Invariant::Converges, what);
            }
        }
        settled.map_err(|error| format!("{error}: {}", unquiet(self.cluster).unwrap_or_default()))
    }
}

/// Holds after one step.
fn step() -> impl FnMut(&mut Cluster<'_>) -> bool {
    let mut steps = 0;
    move |_| {
        steps += 1;
        steps > 1
    }
}
