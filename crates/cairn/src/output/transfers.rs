//! How far many transfers at once are: one bar on a terminal, a plain line now and then
//! elsewhere.

use super::{Output, size};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The progress of all of them together. Cheap to clone.
#[derive(Clone)]
pub struct Transfers {
    bar: ProgressBar,
    output: Output,
    terminal: bool,
    files: Arc<Files>,
}

#[derive(Default)]
struct Files {
    found: AtomicU64,
    done: AtomicU64,
}

/// One transfer. Dropped before its end, it counts as not to be done.
pub struct Transfer {
    of: Transfers,
    left: u64,
}

impl Transfers {
    /// None yet. Machines see nothing of it.
    pub fn new(output: Output) -> Self {
        let terminal = io::stderr().is_terminal() && !output.json;
        let target = match terminal {
            true => ProgressDrawTarget::stderr_with_hz(5),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = "{msg} {wide_bar} {binary_bytes:>10} of {binary_total_bytes} \
                        {binary_bytes_per_sec:>12} {eta:>4}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, output, terminal, files: Arc::default() }
    }

    /// One more is to be done, of so many bytes.
    pub fn begin(&self, bytes: u64) -> Transfer {
        self.files.found.fetch_add(1, Ordering::Relaxed);
        self.bar.inc_length(bytes);
        self.count();
        Transfer { of: self.clone(), left: bytes }
    }

    fn count(&self) {
        if self.terminal {
            self.bar.set_message(self.text());
        }
    }

    fn text(&self) -> String {
        let done = self.files.done.load(Ordering::Relaxed);
        format!("{done} of {} files", self.files.found.load(Ordering::Relaxed))
    }

    /// Says how far it is, where no bar shows it.
    pub fn line(&self) {
        if !self.terminal {
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
            let bytes = format!("{} of {}", size::human(done), size::human(all));
            self.output.note(&format!("{}, {bytes}", self.text()));
        }
    }

    /// Says something to people, above the bar.
    pub fn say(&self, text: &str) {
        if !self.output.json {
            // Who does not listen to notes misses nothing.
            let _ = self.bar.suspend(|| writeln!(io::stderr(), "{text}"));
        }
    }

    /// Takes the bar away; what came of the transfers is said elsewhere.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Transfer {
    /// So many bytes more.
    pub fn advance(&mut self, bytes: u64) {
        // A file that grows while it is read is not counted beyond what it was.
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.of.bar.inc(bytes);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.of.bar.dec_length(self.left);
        self.of.files.done.fetch_add(1, Ordering::Relaxed);
        self.of.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_is_no_longer_to_be_done() {
        let all = Transfers::new(Output { json: true });
        let (mut first, mut second) = (all.begin(100), all.begin(50));
        assert_eq!((all.text(), all.bar.length()), ("0 of 2 files".to_owned(), Some(150)));
        first.advance(100);
        second.advance(20);
        drop((first, second));
        assert_eq!(all.text(), "2 of 2 files");
        assert_eq!((all.bar.position(), all.bar.length()), (120, Some(120)));
    }
}
