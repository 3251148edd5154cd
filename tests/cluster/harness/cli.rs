//! The command line as its users have it.

use super::scene::eventually;
use serde_json::Value;
use std::{
    ffi::OsStr,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, with nothing of this process's settings.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CAIRN_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG");
    command
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: Vec<u8>,
    /// Its standard error.
    pub error: String,
}

impl Answer {
    /// Runs `cairn --credentials <file> <arguments>`; `input` goes to its standard input.
    #[track_caller]
    pub fn of<A: AsRef<OsStr>>(credentials: &Path, arguments: &[A]) -> Self {
        Self::finish(spawn(credentials, arguments, Stdio::null()))
    }

    /// Runs `cairn <arguments>`.
    #[track_caller]
    pub fn bare<A: AsRef<OsStr>>(arguments: &[A]) -> Self {
        let mut command = command();
        command.args(arguments).stdin(Stdio::null());
        Self::finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits for a command.
    #[track_caller]
    pub fn finish(mut child: Child) -> Self {
        let (mut out, mut error) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        drop(child.stdin.take());
        let out = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let error = std::thread::spawn(move || {
            let mut text = String::new();
            error.read_to_string(&mut text).unwrap();
            text
        });
        let status = eventually("the command ends", PATIENCE, || child.try_wait().unwrap());
        let (out, error) = (out.join().unwrap(), error.join().unwrap());
        Self { code: status.code(), out, error }
    }

    /// It must have worked.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.error);
        self
    }

    /// It must have worked; the JSON document it printed.
    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_slice(&self.ok().out).unwrap()
    }

    /// It must have worked; the JSON documents it printed, one a line.
    #[track_caller]
    pub fn lines(self) -> Vec<Value> {
        let out = String::from_utf8(self.ok().out).unwrap();
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// It must have said that something is not there, which is no error.
    #[track_caller]
    pub fn gone(&self) {
        assert_eq!((self.code, &*self.error), (Some(5), ""));
    }

    /// It must have failed with this code, and said these things, in a line for people.
    #[track_caller]
    pub fn refused(&self, code: i32, says: &[&str]) {
        assert!(self.error.starts_with("error: "), "{}", self.error);
        self.refused_with_notes(code, says);
    }

    /// The same; it may have said other things before the error.
    #[track_caller]
    pub fn refused_with_notes(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.error);
        let mut lines = self.error.lines();
        assert!(lines.any(|line| line.starts_with("error: ")), "{}", self.error);
        for words in says {
            assert!(self.error.contains(words), "{words:?} is not in {}", self.error);
        }
        assert!(!self.error.contains("panicked"), "{}", self.error);
    }
}

/// Starts `cairn --credentials <file> <arguments>`; standard output and error are piped.
pub fn spawn<A: AsRef<OsStr>>(credentials: &Path, arguments: &[A], input: Stdio) -> Child {
    let mut command = command();
    command.args(arguments).arg("--credentials").arg(credentials);
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Starts a command as [`spawn`] does, in a process that may have so many bytes of memory of its
/// own: heap and stacks.
pub fn limited<A: AsRef<OsStr>>(credentials: &Path, arguments: &[A], bytes: u64) -> Child {
    let mut limiting = Command::new("sh");
    // The shell counts in KiB.
    limiting.args(["-c", "ulimit -d $0 && exec \"$@\""]).arg((bytes / 1024).to_string());
    limiting.arg(env!("CARGO_BIN_EXE_cairn")).args(arguments);
    limiting.arg("--credentials").arg(credentials);
    limiting.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    limiting.spawn().unwrap()
}
