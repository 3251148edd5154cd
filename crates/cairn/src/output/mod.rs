//! All that the command line says: documents and tables on standard output, errors and notes
//! on standard error. Nothing else in the crate prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod progress;
pub mod size;
mod table;
pub mod time;
mod transfers;

pub use progress::Progress;
pub use table::{Table, printable};
pub use transfers::{Transfer, Transfers};

use crate::failure::Failure;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Documents for machines: each on one line. Listings are one document per entry.
    pub json: bool,
}

impl Output {
    /// Shows one result: a document for machines, or what `human` makes of it.
    pub fn show<T: Serialize>(self, value: &T, human: impl FnOnce(&T) -> String) -> io::Result<()> {
        let mut text = if self.json { document(value)? } else { human(value) };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        write(io::stdout().lock(), text.as_bytes())
    }

    /// Shows a listing: a document per entry, or what `human` makes of all of them.
    pub fn list<T: Serialize>(
        self,
        entries: &[T],
        human: impl FnOnce(&[T]) -> String,
    ) -> io::Result<()> {
        let text = match self.json {
            true => entries.iter().map(document).collect::<io::Result<String>>()?,
            false => human(entries),
        };
        write(io::stdout().lock(), text.as_bytes())
    }

    /// Shows machines the result of a command whose standard output carries contents.
    pub fn show_aside(self, value: &impl Serialize) -> io::Result<()> {
        write(io::stderr().lock(), document(value)?.as_bytes())
    }

    /// Says something to people; machines are not told.
    pub fn note(self, text: &str) {
        if !self.json {
            // Who does not listen to notes misses nothing.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Reports a failure on standard error.
    pub fn failure(self, failure: &Failure) {
        #[derive(Serialize)]
        struct Report<'a> {
            error: &'a Failure,
        }
        let text = match self.json {
            true => document(&Report { error: failure }).unwrap_or_default(),
            false => format!("error: {}\n", failure.message),
        };
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Writes text that is not ours to shape (help, completions).
pub fn raw(bytes: &[u8]) -> io::Result<()> {
    write(io::stdout().lock(), bytes)
}

/// Whether somebody looks at standard output.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether somebody looks at standard error.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

fn document(value: &impl Serialize) -> io::Result<String> {
    let mut text = serde_json::to_string(value).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

fn write(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        // A reader that has seen enough (`head`) is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
