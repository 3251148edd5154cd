//! How far a transfer is: a bar on a terminal, a plain line now and then elsewhere.

use super::{Output, size};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// How often a plain line is written: short transfers end before the first.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of one transfer.
pub struct Progress {
    bar: ProgressBar,
    /// Where there is no terminal: the name of the transfer and when the last line was written.
    plain: Option<(String, Instant)>,
}

impl Progress {
    /// A transfer of `total` bytes, or of an unknown number. Machines see nothing of it.
    pub fn new(output: Output, name: &str, total: Option<u64>) -> Self {
        let terminal = io::stderr().is_terminal();
        if output.json || !terminal {
            let plain = (!output.json).then(|| (super::printable(name), Instant::now()));
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
            return Self { bar, plain };
        }
        let template = match total {
            Some(_) => {
                "{msg} {wide_bar} {binary_bytes:>10} of {binary_total_bytes} \
                        {binary_bytes_per_sec:>12} {eta:>4}"
            }
            None => "{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}",
        };
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(super::printable(name));
        Self { bar, plain: None }
    }

    /// So many bytes more.
    pub fn advance(&mut self, bytes: u64) {
        self.bar.inc(bytes);
        if let Some((name, last)) = &mut self.plain
            && last.elapsed() >= LINE_EVERY
        {
            *last = Instant::now();
            let done = size::human(self.bar.position());
            let of = self.bar.length().map(|l| format!(" of {}", size::human(l)));
            let _ = writeln!(io::stderr(), "{name}: {done}{}", of.unwrap_or_default());
        }
    }

    /// Takes the bar away; what came of the transfer is said elsewhere.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
