//! What goes into the store and comes out of it: `cairn object put` and `cairn object get`.

use crate::config::Span;
use clap::Args;
use std::{ffi::OsString, path::PathBuf};

/// `cairn object put`.
#[derive(Debug, Args)]
#[command(
    override_usage = "cairn object put [OPTIONS] <CONTAINER> <OBJECT> <FILE>\n       \
                      cairn object put -r [OPTIONS] <CONTAINER> <DIR>",
    after_help = "\
Examples:
  cairn object put photos 2026/cat.jpg ./cat.jpg --mime-type image/jpeg --property place=Paris
  tar c . | cairn object put backups today.tar - --policy THREECOPIES
  date | cairn object put logs today - --append
  cairn object put -r photos ./pictures
  cairn object put -r backups /etc --prefix host1/etc --jobs 16

With -r every file below the directory becomes an object named after its path from there, with
'/' between the names. What is in the container already is not sent again: a file whose size and
time (kept as the property mtime) are the object's, or else whose size and BLAKE3 are. So a run
that was interrupted goes on when it is repeated. Symbolic links, empty directories and what is
no file are skipped and told; a file that changes while it is read is not stored. Objects without
a file stay."
)]
pub struct PutArgs {
    /// The container
    pub container: OsString,
    /// The object; with -r the directory
    #[arg(value_name = "OBJECT|DIR")]
    pub object: OsString,
    /// The file; - is standard input
    #[arg(required_unless_present = "recursive", conflicts_with = "recursive")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub tree: TreeArgs,
    /// Add to the end of the object, if there is one; its version and properties stay
    #[arg(long, conflicts_with_all = ["recursive", "if_absent", "etag"])]
    pub append: bool,
    /// The id of the content, 32 hexadecimal digits; it must be new in the container
    #[arg(long, value_name = "ID", conflicts_with = "recursive")]
    pub content_id: Option<String>,
    /// With -r: store what symbolic links lead to
    #[arg(long, help_heading = TREES)]
    pub follow_links: bool,
    /// How to keep it, instead of the container's policy
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Store it only if its content has this hash (BLAKE3, or MD5 with --md5), in hexadecimal
    #[arg(long, value_name = "HASH", conflicts_with = "recursive")]
    pub etag: Option<String>,
    /// The media type
    #[arg(long, value_name = "TYPE")]
    pub mime_type: Option<String>,
    /// A property, KEY=VALUE; may be repeated
    #[arg(long = "property", short = 'p', value_name = "KEY=VALUE")]
    pub properties: Vec<OsString>,
    /// Only if no object has the name
    #[arg(long, conflicts_with = "recursive")]
    pub if_absent: bool,
    /// Compute an MD5 of the content too, and make it the entity tag
    #[arg(long)]
    pub md5: bool,
    /// Fail if the container does not exist, instead of creating it
    #[arg(long)]
    pub no_autocreate: bool,
    /// Give up, and leave no object, if it is not stored within this time
    #[arg(long, value_name = "TIME", conflicts_with = "recursive")]
    pub deadline: Option<Span>,
    /// Say how long each stage took
    #[arg(long, conflicts_with = "recursive")]
    pub perfdata: bool,
}

/// `cairn object get`.
#[derive(Debug, Args)]
#[command(
    override_usage = "cairn object get [OPTIONS] <CONTAINER> <OBJECT> [FILE]\n       \
                      cairn object get -r [OPTIONS] <CONTAINER> <DIR>",
    after_help = "\
A file appears under its name, in place of a file or symbolic link there, once all of it has arrived
and has been verified.

Examples:
  cairn object get photos 2026/cat.jpg ./cat.jpg
  cairn object get backups today.tar - | tar x
  cairn object get photos 2026/cat.jpg - --range 0-1023
  cairn object save -r photos ./pictures
  cairn object save -r backups ./etc --prefix host1/etc

With -r every object becomes a file below the directory, which is created. Files that are there
with the object's size and time, or else with its size and BLAKE3, are not fetched again. Names
that lead out of the directory, or that would be a file and a directory, are refused and told.
Unfinished files are in DIR/.cairn-partial, which the next run clears. Files without an object
stay."
)]
pub struct GetArgs {
    /// The container
    pub container: OsString,
    /// The object; with -r the directory
    #[arg(value_name = "OBJECT|DIR")]
    pub object: OsString,
    /// The file; - is standard output, which is also the default unless that is a terminal
    #[arg(conflicts_with = "recursive")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub tree: TreeArgs,
    /// This version instead of the latest
    #[arg(
        long = "version",
        id = "object_version",
        value_name = "VERSION",
        conflicts_with = "recursive"
    )]
    pub version: Option<u64>,
    /// Only these bytes: FIRST-LAST, FIRST- or -COUNT (the last so many); several are put one
    /// behind the other
    #[arg(
        long = "range",
        value_name = "FIRST-LAST",
        allow_hyphen_values = true,
        conflicts_with = "recursive"
    )]
    pub ranges: Vec<Range>,
    /// Say how long each stage took
    #[arg(long, conflicts_with = "recursive")]
    pub perfdata: bool,
}

/// The heading of what whole trees take.
const TREES: &str = "Whole trees";

/// What `put -r` and `get -r` share. That the others go with `-r` alone is checked later: the
/// grammar would take the conflict of `-r` with a file for an excuse.
#[derive(Debug, Args)]
pub struct TreeArgs {
    /// All files below a directory
    #[arg(long, short, help_heading = TREES)]
    pub recursive: bool,
    /// With -r: the objects of this directory of names, which the paths go below
    #[arg(long, value_name = "NAME", help_heading = TREES)]
    pub prefix: Option<OsString>,
    /// With -r: how many files are transferred at the same time [default: 8]
    #[arg(long, value_name = "NUMBER", help_heading = TREES,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// With -r: compare contents by their hash whatever the times say
    #[arg(long, help_heading = TREES)]
    pub checksum: bool,
}

impl TreeArgs {
    /// An option that is for whole trees, without `-r`.
    pub fn misplaced(&self) -> Option<&'static str> {
        let given = [
            (self.prefix.is_some(), "--prefix"),
            (self.jobs.is_some(), "--jobs"),
            (self.checksum, "--checksum"),
        ];
        let given = given.iter().find(|(given, _)| *given && !self.recursive);
        given.map(|(_, option)| *option)
    }
}

/// A range of bytes as HTTP writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// From a first byte to a last one, or to the end.
    From(u64, Option<u64>),
    /// The last so many bytes.
    Last(u64),
}

impl std::str::FromStr for Range {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("{text:?} is not a range: write 0-99, 100- or -50");
        let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<u64>().map_err(|_| fail()),
            false => Err(fail()),
        };
        match text.split_once('-').ok_or_else(fail)? {
            ("", count) => Ok(Self::Last(number(count)?)),
            (first, "") => Ok(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last { Err(fail()) } else { Ok(Self::From(first, Some(last))) }
            }
        }
    }
}
