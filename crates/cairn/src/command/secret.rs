//! `cairn secret`.

use crate::{
    arguments::{SecretAction, SecretCommand},
    output::Output,
};
use serde::Serialize;
use std::path::Path;
use transport::Secret;

/// A file that was written.
#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
}

pub fn run(command: SecretCommand, output: Output) -> anyhow::Result<()> {
    match command.action {
        SecretAction::New { file } => {
            Secret::new(rand::random()).write(&file)?;
            output.show(&Written { file: &file }, |w| {
                format!("wrote the secret {}; copy it to every daemon's machine", w.file.display())
            })?;
        }
    }
    Ok(())
}
