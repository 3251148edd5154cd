//! What is left of a database on disk when its process is killed or its files are cut short.

mod history;
mod killed;
mod torn;
mod unopenable;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use store::{Config, FjallDatabase};

/// Set in a child process: the directory of its database.
const DIRECTORY: &str = "CAIRN_STORE_CRASH_DIRECTORY";

/// Small memtables, so that tables are written and compacted all the time.
const CONFIG: Config = Config { cache_bytes: 1 << 20, memtables_bytes: 192 << 10 };

/// This test binary as a child that runs one test, which plays the process to be killed.
fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(env::current_exe().expect("path of the test binary"));
    command.args([test, "--exact", "--nocapture"]);
    command.env(DIRECTORY, directory).env("RUST_BACKTRACE", "0");
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// The directory to work on, in a child; `None` in an ordinary run of the tests.
fn directory() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

fn open(directory: &Path) -> FjallDatabase {
    FjallDatabase::open(directory, CONFIG).expect("opens")
}
