//! A daemon: a process of the binary, its log, and its end.

use super::{cli::command, scene::eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

/// How long a daemon may take until it serves. Formatting volumes is most of it.
const START: Duration = Duration::from_secs(60);

/// How long it may take to end when told to.
const END: Duration = Duration::from_secs(25);

/// A daemon that did not come to serve.
#[derive(Debug)]
pub struct Refusal {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it said in this life.
    pub log: String,
}

/// A process started by a test. Dropped, it is killed.
pub struct Daemon {
    name: String,
    child: Child,
    out: PathBuf,
    log: PathBuf,
    /// Bytes of the log from earlier lives.
    before: usize,
    ended: bool,
}

impl Daemon {
    /// Starts `cairn <arguments> --json`, its log in `dir`.
    pub fn start(name: &str, dir: &Path, arguments: &[String]) -> Self {
        let (out, log) = (dir.join(format!("{name}.out")), dir.join(format!("{name}.log")));
        let append = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let before = append.metadata().unwrap().len() as usize;
        let child = command()
            .args(arguments)
            .arg("--json")
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(append)
            .spawn()
            .unwrap();
        Self { name: name.to_owned(), child, out, log, before, ended: false }
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its log is.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// What it logged so far, over all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// What it logged in this life.
    pub fn life(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()[self.before..]).into_owned()
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub fn ended(&mut self) -> Refusal {
        let what = format!("{} ends by itself", self.name);
        let status = eventually(&what, START, || self.child.try_wait().unwrap());
        self.ended = true;
        Refusal { code: status.code(), log: self.life() }
    }

    /// The line it prints once it serves.
    #[track_caller]
    pub fn ready(&mut self) -> Value {
        match self.ready_or_refused() {
            Ok(ready) => ready,
            Err(refusal) => panic!("{} does not serve: {refusal:?}", self.name),
        }
    }

    /// The line it prints once it serves, or how it ended instead.
    #[track_caller]
    pub fn ready_or_refused(&mut self) -> Result<Value, Refusal> {
        let what = format!("{} serves", self.name);
        eventually(&what, START, || {
            let out = std::fs::read_to_string(&self.out).unwrap();
            if out.ends_with('\n') {
                return Some(Ok(serde_json::from_str(&out).unwrap()));
            }
            let status = self.child.try_wait().unwrap()?;
            self.ended = true;
            Some(Err(Refusal { code: status.code(), log: self.life() }))
        })
    }

    /// Whether it has printed that it serves.
    pub fn has_said_ready(&self) -> bool {
        std::fs::read_to_string(&self.out).unwrap().ends_with('\n')
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        !self.ended && self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal to this process, which has not been waited for.
    pub fn signal(&self, signal: Signal) {
        assert!(!self.ended, "{} has ended", self.name);
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops every thread where it is, as a loss of power does: when this returns, none of them
    /// runs a step of the program any more. One that waits for the disk may go on to wait.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.child.id());
        let what = format!("{} stands still", self.name);
        eventually(&what, END, || {
            let stands = |stat: String| {
                // The state follows the name, which is in parentheses.
                let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
                matches!(state, Some('T' | 't' | 'D' | 'Z' | 'X'))
            };
            let mut threads = std::fs::read_dir(&tasks).unwrap();
            let stat =
                |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("stat"));
            // A thread that has ended meanwhile stands still as well.
            threads.all(|thread| stat(thread.unwrap()).map_or(true, stands)).then_some(())
        });
    }

    /// Ends it without notice, as a crash does.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
        self.ended = true;
    }

    /// Tells it to end, and waits until it has.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let what = format!("{} ends when told to", self.name);
        let status = eventually(&what, END, || self.child.try_wait().unwrap());
        self.ended = true;
        status
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.ended {
            // It may have ended by itself, which is as good.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
