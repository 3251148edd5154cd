//! Where a key that somebody chose comes from.

use crate::{arguments::GivenKey, command::given, failure::usage};
use anyhow::Context;
use client::{UserKey, UserName};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    sync::Arc,
};

/// The longest line that is read: a key, and its end.
const MAX_LINE_BYTES: u64 = UserKey::MAX_BYTES as u64 + 2;

/// The key that was given, if one was.
pub async fn read(given: GivenKey, user: &UserName) -> anyhow::Result<Option<UserKey>> {
    let text = match given {
        GivenKey { key: Some(key), .. } => given::text(&key, "the key")?.to_owned(),
        GivenKey { key_file: Some(file), .. } => {
            tokio::task::spawn_blocking(move || read_file(&file)).await??
        }
        GivenKey { ask_key: true, .. } => ask(user).await?,
        _ => return Ok(None),
    };
    Ok(Some(text.parse()?))
}

fn read_file(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        return first_line(std::io::stdin().lock()).context("cannot read the key");
    }
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    first_line(BufReader::new(opened))
        .with_context(|| format!("cannot read the key in {}", file.display()))
}

/// The first line, without its end.
fn first_line(from: impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    from.take(MAX_LINE_BYTES).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

/// Asks on the terminal, twice.
async fn ask(user: &UserName) -> anyhow::Result<String> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = Arc::new(terminal.map_err(|_| {
        usage!("there is no terminal to ask on: give the key with --key-file FILE or -")
    })?);
    // Given back when this ends, be it by a signal.
    let _quiet = Quiet::begin(terminal.clone())?;
    let prompts = [format!("Key of {user}: "), "The same again: ".to_owned()];
    let [key, again] = tokio::task::spawn_blocking(move || -> std::io::Result<[String; 2]> {
        let mut lines = BufReader::new(&*terminal);
        let mut keys = [String::new(), String::new()];
        for (prompt, key) in prompts.iter().zip(&mut keys) {
            (&*terminal).write_all(prompt.as_bytes())?;
            *key = first_line(&mut lines)?;
            (&*terminal).write_all(b"\n")?;
        }
        Ok(keys)
    })
    .await?
    .context("cannot read the terminal")?;
    if key != again {
        return Err(usage!("the two keys differ; nothing was changed"));
    }
    Ok(key)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet {
    terminal: Arc<File>,
    before: Termios,
}

impl Quiet {
    fn begin(terminal: Arc<File>) -> anyhow::Result<Self> {
        let before = tcgetattr(&*terminal).context("cannot read the terminal's settings")?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&*terminal, OptionalActions::Flush, &quiet)
            .context("cannot stop the terminal from showing what is typed")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing is left to try if this fails.
        tcsetattr(&*self.terminal, OptionalActions::Flush, &self.before).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_line() {
        for (bytes, key) in
            [("secret\n", "secret"), ("a b \r\nmore\n", "a b "), ("x", "x"), ("", "")]
        {
            assert_eq!(first_line(bytes.as_bytes()).unwrap(), key);
        }
        assert!(first_line(&b"\xff\n"[..]).is_err());
        assert!(first_line(&[b'x'; 5000][..]).unwrap().parse::<UserKey>().is_err());
    }
}
