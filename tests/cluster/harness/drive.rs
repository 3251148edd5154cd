//! A drive with a cache that forgets, for tests that cut the power.
//!
//! Two file systems on loop devices, one in the other. The upper one is where daemons keep their
//! data; its device is a file on the lower one, and that file's cached pages are the drive's
//! volatile cache: what the upper file system writes stays there until it tells its device to
//! flush. A cut shuts the lower file system down without flushing its log or anything else
//! (`FS_IOC_SHUTDOWN` with `NOLOGFLUSH`, which is `xfs_io -x -c shutdown` without `-f`), so all
//! is lost that was not synced through both: dirty pages, the upper one's open journal
//! transaction, and what it had written to the drive without a flush. Shutting down the file
//! system that the daemons use, as is usually done, keeps the last of the three.
//!
//! Before the cut a part of the cache is written out in no order, as a drive may.

use super::{Scene, eventually};
use rand::RngExt;
use std::{
    fs::{File, OpenOptions},
    io::Write,
    num::NonZeroU64,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Set to anything but nothing, tests that need loop devices are skipped.
const SKIP: &str = "CAIRN_SKIP_POWER_CUTS";

/// Bytes of the drive.
const BYTES: u64 = 768 << 20;

/// Bytes of the lower file system: the drive, and its journal and tables.
const LOWER_BYTES: u64 = BYTES + (192 << 20);

/// Pieces of the cache that reach the drive before a cut, and how large one may be.
const PIECES: usize = 48;
const PIECE_BYTES: u64 = 512 << 10;

/// How long a file system may be busy after its last user was killed.
const BUSY: Duration = Duration::from_secs(20);

/// What the daemons' file system is.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    /// ext4 as it comes.
    Ext4,
    /// XFS as it comes.
    Xfs,
    /// ext4 that never tells its device to flush: nothing on it is durable.
    Ext4WithoutFlush,
}

/// A drive, and the file system on it. Dropped, both are unmounted.
pub struct Drive {
    image: PathBuf,
    lower: PathBuf,
    upper: PathBuf,
    format: Format,
}

impl Drive {
    /// A new one, mounted; `None` if the tests are told to do without.
    ///
    /// # Panics
    /// Loop devices cannot be mounted here, and nobody has said that this is as it should be.
    #[track_caller]
    pub fn new(scene: &Scene, format: Format) -> Option<Self> {
        if std::env::var_os(SKIP).is_some_and(|value| !value.is_empty()) {
            eprintln!("skipped: {SKIP} is set");
            return None;
        }
        let drive = Self {
            image: scene.path("drive.img"),
            lower: scene.path("lower"),
            upper: scene.path("upper"),
            format,
        };
        for dir in [&drive.lower, &drive.upper] {
            std::fs::create_dir(dir).unwrap();
        }
        File::create(&drive.image).unwrap().set_len(LOWER_BYTES).unwrap();
        run("mkfs.ext4", &["-q", "-F", "-m", "0", text(&drive.image)]);
        drive.mount_lower();
        // Every block is there from the start, so that a part of the cache can reach the drive
        // while the rest does not.
        let mut medium = File::create(drive.medium()).unwrap();
        let zeros = vec![0; 1 << 20];
        (0..BYTES >> 20).for_each(|_| medium.write_all(&zeros).unwrap());
        medium.sync_all().unwrap();
        drop(medium);
        let medium = drive.medium();
        match format {
            Format::Xfs => run("mkfs.xfs", &["-q", "-K", text(&medium)]),
            _ => run("mkfs.ext4", &["-q", "-F", "-E", "nodiscard", text(&medium)]),
        }
        run("sync", &["-f", text(&medium)]);
        drive.mount_upper().unwrap();
        Some(drive)
    }

    /// Where its file system is.
    pub fn path(&self) -> &Path {
        &self.upper
    }

    /// The file that is the drive.
    fn medium(&self) -> PathBuf {
        self.lower.join("medium")
    }

    /// Cuts the power. Who still runs gets errors from now on.
    #[track_caller]
    pub fn cut(&self) {
        self.write_out_some();
        run("xfs_io", &["-x", "-c", "shutdown", text(&self.lower)]);
    }

    /// Some of what is in the cache reaches the drive, in no order.
    fn write_out_some(&self) {
        let medium = OpenOptions::new().read(true).write(true).open(self.medium()).unwrap();
        let mut rng = rand::rng();
        for _ in 0..PIECES {
            let from = rng.random_range(0..BYTES);
            let bytes = NonZeroU64::new(rng.random_range(1..PIECE_BYTES));
            // Starts to write out the dirty pages of the range.
            rustix::fs::fadvise(&medium, from, bytes, rustix::fs::Advice::DontNeed).unwrap();
        }
    }

    /// Gives it power again, once nobody uses it any more. An error if the file system on it
    /// cannot be mounted.
    #[track_caller]
    pub fn restore(&self) -> Result<(), String> {
        self.unmount(&self.upper);
        self.unmount(&self.lower);
        self.mount_lower();
        self.mount_upper()
    }

    #[track_caller]
    fn unmount(&self, dir: &Path) {
        eventually("the file system is let go", BUSY, || {
            Command::new("umount").arg(dir).output().unwrap().status.success().then_some(())
        });
    }

    #[track_caller]
    fn mount_lower(&self) {
        run("mount", &["-o", "loop", text(&self.image), text(&self.lower)]);
    }

    fn mount_upper(&self) -> Result<(), String> {
        let options = match self.format {
            Format::Ext4 | Format::Xfs => "loop",
            Format::Ext4WithoutFlush => "loop,barrier=0",
        };
        tried("mount", &["-o", options, text(&self.medium()), text(&self.upper)])
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        for dir in [&self.upper, &self.lower] {
            // A test that failed may have users left; the mount goes with the last of them.
            if let Err(why) = tried("umount", &["-l", text(dir)]) {
                eprintln!("{why}");
            }
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn tried(program: &str, arguments: &[&str]) -> Result<(), String> {
    let why = match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    Err(format!("{program} {} failed: {why}", arguments.join(" ")))
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    if let Err(why) = tried(program, arguments) {
        panic!(
            "{why}\ncutting the power needs root, loop devices, and what tests/prepare.sh \
             installs; where there can be none, set {SKIP}=1"
        );
    }
}
