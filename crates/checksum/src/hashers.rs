//! Threads that hash the streams of a process together.
//!
//! A stream with bytes that wait is listed once, and a thread takes as many listed streams as its
//! kernel has lanes, each for a turn of [`TURN_BYTES`] at most, and lists those again that have
//! more. While it works others are listed: the more there is to do, the more is done together.
//! When there is little to do, a thread that is called waits for company: as long as other streams
//! are under way, none has much waiting or is at its end, and no longer than [`COMPANY`].

mod stream;

pub use stream::Md5Stream;

use crate::Md5;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, LazyLock},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use stream::{Line, Taken};

/// Bytes of a stream that are hashed before others get their turn.
pub(crate) const TURN_BYTES: usize = 32 * 1024;

/// How long a stream may wait for others.
const COMPANY: Duration = Duration::from_millis(5);

/// Where streams are hashed: on threads that all share, or where they are called. Cheap to clone;
/// the threads end when the last clone and the last stream are gone.
#[derive(Clone)]
pub struct Hashers(Option<Arc<Crew>>);

static PROCESS: LazyLock<Hashers> = LazyLock::new(|| {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let lanes = Md5::new().kernel().lanes();
    // One thread hashes what several processors encode and send, if it has lanes.
    let threads = if lanes > 1 { processors / 8 } else { processors / 2 };
    // A process that may not have a thread more hashes all the same, only more slowly.
    Hashers::start(threads.clamp(1, 8)).unwrap_or_else(|_| Hashers::inline())
});

impl Hashers {
    /// Those that this process shares. They start when they are first asked for.
    pub fn of_the_process() -> Self {
        PROCESS.clone()
    }

    /// None: streams are hashed by whoever calls, at once. For who needs each run to be like the
    /// other, or has only a thread.
    pub fn inline() -> Self {
        Self(None)
    }

    /// Threads of one's own, one at least.
    ///
    /// # Errors
    /// That of the system if it does not give a thread.
    pub fn start(threads: usize) -> io::Result<Self> {
        let lanes = Md5::new().kernel().lanes();
        let pool = Arc::new(Pool {
            lanes,
            ready: Mutex::default(),
            work: Condvar::new(),
            company: Condvar::new(),
        });
        let mut crew = Crew { pool, threads: Vec::new() };
        for number in 0..threads.max(1) {
            let pool = crew.pool.clone();
            let builder = thread::Builder::new().name(format!("hasher-{number}"));
            crew.threads.push(builder.spawn(move || pool.work())?);
        }
        Ok(Self(Some(Arc::new(crew))))
    }

    /// The MD5 of a new stream.
    pub fn md5(&self) -> Md5Stream {
        Md5Stream::new(self.0.clone())
    }
}

impl fmt::Debug for Hashers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.0.as_ref().map_or(0, |crew| crew.threads.len());
        f.debug_struct("Hashers").field("threads", &threads).finish()
    }
}

/// The threads and what they share.
struct Crew {
    pool: Arc<Pool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Crew {
    fn drop(&mut self) {
        let mut ready = self.pool.ready.lock();
        ready.closed = true;
        ready.hurry = true;
        ready.working += std::mem::take(&mut ready.asleep);
        self.pool.tell(ready);
        self.pool.work.notify_all();
        for thread in self.threads.drain(..) {
            // No stream is left, so what it may still be at is a turn.
            let ended = thread.join();
            debug_assert!(ended.is_ok() || thread::panicking(), "a hasher panicked");
        }
    }
}

/// What waits for a thread.
struct Pool {
    /// Streams that a thread takes at once.
    lanes: usize,
    ready: Mutex<Ready>,
    work: Condvar,
    company: Condvar,
}

#[derive(Default)]
struct Ready {
    /// Streams with bytes that wait, each at most once.
    lines: VecDeque<Arc<Line>>,
    /// Threads at work or called to it.
    working: usize,
    asleep: usize,
    /// Streams that were listed and are not at their end.
    open: usize,
    /// A thread waits for company.
    gathering: bool,
    /// A stream should not wait for company.
    hurry: bool,
    /// Nobody is left who could list a stream.
    closed: bool,
}

impl Pool {
    /// Lists streams.
    fn list(&self, lines: impl IntoIterator<Item = Arc<Line>>) {
        let mut ready = self.ready.lock();
        ready.lines.extend(lines);
        // One that works takes what is listed next, up to its lanes: another thread would only
        // take apart what is faster together.
        let call = ready.asleep > 0 && ready.lines.len() > self.lanes * ready.working;
        if call {
            ready.asleep -= 1;
            ready.working += 1;
        }
        self.tell(ready);
        if call {
            self.work.notify_one();
        }
    }

    /// A stream is listed for the first time.
    fn open(&self, line: Arc<Line>) {
        self.ready.lock().open += 1;
        self.list([line]);
    }

    /// A stream that was open is at its end.
    fn close(&self) {
        let mut ready = self.ready.lock();
        ready.open -= 1;
        self.tell(ready);
    }

    /// A stream should not wait for company.
    fn hurry(&self) {
        let mut ready = self.ready.lock();
        ready.hurry = true;
        self.tell(ready);
    }

    /// Tells a thread that waits for company if it has waited enough.
    fn tell(&self, mut ready: MutexGuard<'_, Ready>) {
        if ready.gathering && self.is_enough(&ready) {
            ready.gathering = false;
            drop(ready);
            self.company.notify_one();
        }
    }

    fn is_enough(&self, ready: &Ready) -> bool {
        ready.hurry || ready.lines.len() >= self.lanes.min(ready.open)
    }

    /// Waits for streams to take turns, as many as there are lanes; false at the end.
    fn next(&self, taken: &mut Vec<Arc<Line>>) -> bool {
        let mut ready = self.ready.lock();
        while ready.lines.is_empty() {
            ready.working -= 1;
            if ready.closed {
                return false;
            }
            ready.asleep += 1;
            // Whoever wakes it counts it among those at work.
            self.work.wait(&mut ready);
            if !ready.gathering && !self.is_enough(&ready) {
                ready.gathering = true;
                let end = Instant::now() + COMPANY;
                while ready.gathering {
                    if self.company.wait_until(&mut ready, end).timed_out() {
                        ready.gathering = false;
                    }
                }
            }
        }
        ready.hurry = false;
        let turns = ready.lines.len().min(self.lanes);
        taken.extend(ready.lines.drain(..turns));
        true
    }

    /// What a thread does until the end.
    fn work(&self) {
        self.ready.lock().working += 1;
        let mut lines = Vec::with_capacity(self.lanes);
        let mut turns: Vec<Taken> = Vec::with_capacity(self.lanes);
        while self.next(&mut lines) {
            turns.extend(lines.drain(..).filter_map(Line::take));
            let mut batch: Vec<_> = turns.iter_mut().map(Taken::turn).collect();
            Md5::update_together(&mut batch);
            drop(batch);
            self.list(turns.drain(..).filter_map(Taken::give_back));
        }
    }
}
