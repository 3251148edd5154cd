//! The same to several things: what fails is told, and the rest goes on.

use crate::{
    failure::{Exit, Failure},
    output::Output,
};
use std::io;

/// What came of all of them.
pub struct Each {
    output: Output,
    several: bool,
    /// How those that failed would have ended the command.
    failed: Vec<Exit>,
}

impl Each {
    /// Of so many things.
    pub fn of(output: Output, number: usize) -> Self {
        Self { output, several: number > 1, failed: Vec::new() }
    }

    /// Takes in what came of one.
    ///
    /// # Errors
    /// What failed is the only one: it is told as the command's own failure.
    pub fn take(&mut self, done: anyhow::Result<()>) -> anyhow::Result<()> {
        match done {
            Err(error) if self.several => {
                let failure = Failure::from(error);
                self.output.failure(&failure);
                self.failed.push(failure.exit());
                Ok(())
            }
            done => done,
        }
    }

    /// How the command ends: as all that failed would have, if they agree.
    pub fn exit(self) -> Exit {
        match self.failed.split_first() {
            None => Exit::Ok,
            Some((first, rest)) if rest.iter().all(|exit| exit == first) => *first,
            Some(_) => Exit::Failure,
        }
    }
}

/// What came of one that was done and then told, or not done.
pub fn told(done: Result<io::Result<()>, client::Error>) -> anyhow::Result<()> {
    Ok(done??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Subject;

    #[test]
    fn several_failures_end_as_they_agree() {
        let not_found = || Err(model::Error::not_found(Subject::Object, "no").into());
        let output = Output { json: true };
        assert!(Each::of(output, 1).take(not_found()).is_err());
        let mut each = Each::of(output, 3);
        each.take(Ok(())).unwrap();
        assert_eq!(Each::of(output, 3).exit(), Exit::Ok);
        each.take(not_found()).unwrap();
        each.take(not_found()).unwrap();
        assert_eq!(each.exit(), Exit::NotFound);
        let mut each = Each::of(output, 2);
        each.take(not_found()).unwrap();
        each.take(Err(model::Error::unavailable("no").into())).unwrap();
        assert_eq!(each.exit(), Exit::Failure);
    }
}
