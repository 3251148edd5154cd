//! Objects. As in `data`, names are taken as the shell gives them.

use super::data::{Change, InAccount, ListArgs, Removal};
use clap::{Args, Subcommand};
use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

/// `cairn object`.
#[derive(Debug, Args)]
pub struct ObjectCommand {
    #[command(flatten)]
    pub place: InAccount,
    #[command(subcommand)]
    pub action: ObjectAction,
}

/// What can be done with objects.
#[derive(Debug, Subcommand)]
pub enum ObjectAction {
    /// Store a file, or standard input, as an object
    Put(PutArgs),
    /// Fetch an object into a file or to standard output
    #[command(visible_alias = "save")]
    Get(GetArgs),
    /// Show what is known of an object, and its properties
    Show(ObjectArgs),
    /// List the objects of a container
    #[command(after_help = "\
Examples:
  cairn object list photos --prefix 2026/ --delimiter /
  cairn object list photos --versions --json")]
    List {
        /// The container
        container: OsString,
        #[command(flatten)]
        list: ListArgs,
        /// Every version and delete marker, newest first
        #[arg(long)]
        versions: bool,
    },
    /// Show where the chunks of an object are
    Locate {
        #[command(flatten)]
        object: ObjectArgs,
        /// Ask every chunk server whether the chunk is there
        #[arg(long)]
        check: bool,
    },
    /// Delete objects
    Delete {
        /// The container
        container: OsString,
        /// The objects
        #[arg(value_name = "OBJECT", required = true)]
        objects: Vec<OsString>,
        /// Delete this version for good
        #[arg(long = "version", id = "object_version", value_name = "VERSION")]
        version: Option<u64>,
    },
    /// Set properties of an object
    Set {
        #[command(flatten)]
        object: ObjectArgs,
        #[command(flatten)]
        change: Change,
    },
    /// Remove properties of an object
    Unset {
        #[command(flatten)]
        object: ObjectArgs,
        #[command(flatten)]
        unset: Removal,
    },
}

impl ObjectAction {
    /// The container it is about.
    pub fn container(&self) -> &OsStr {
        match self {
            Self::Put(args) => &args.container,
            Self::Get(args) => &args.container,
            Self::List { container, .. } | Self::Delete { container, .. } => container,
            Self::Show(object)
            | Self::Locate { object, .. }
            | Self::Set { object, .. }
            | Self::Unset { object, .. } => &object.container,
        }
    }
}

/// One object, or a version of it.
#[derive(Debug, Args)]
pub struct ObjectArgs {
    /// The container
    pub container: OsString,
    /// The object
    pub object: OsString,
    /// This version instead of the latest
    #[arg(long = "version", id = "object_version", value_name = "VERSION")]
    pub version: Option<u64>,
}

/// `cairn object put`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cairn object put photos 2026/cat.jpg ./cat.jpg --mime-type image/jpeg --property place=Paris
  tar c . | cairn object put backups today.tar - --policy EC63")]
pub struct PutArgs {
    /// The container
    pub container: OsString,
    /// The object
    pub object: OsString,
    /// The file; - is standard input
    pub file: PathBuf,
    /// How to keep it, instead of the container's policy
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Store it only if its content has this hash (BLAKE3, or MD5 with --md5), in hexadecimal
    #[arg(long, value_name = "HASH")]
    pub etag: Option<String>,
    /// The media type
    #[arg(long, value_name = "TYPE")]
    pub mime_type: Option<String>,
    /// A property, KEY=VALUE; may be repeated
    #[arg(long = "property", short = 'p', value_name = "KEY=VALUE")]
    pub properties: Vec<OsString>,
    /// Only if no object has the name
    #[arg(long)]
    pub if_absent: bool,
    /// Compute an MD5 of the content too, and make it the entity tag
    #[arg(long)]
    pub md5: bool,
    /// Fail if the container does not exist, instead of creating it
    #[arg(long)]
    pub no_autocreate: bool,
}

/// `cairn object get`.
#[derive(Debug, Args)]
#[command(after_help = "\
The file appears under its name once all of it has arrived and has been verified.

Examples:
  cairn object get photos 2026/cat.jpg ./cat.jpg
  cairn object get backups today.tar - | tar x
  cairn object get photos 2026/cat.jpg - --range 0-1023")]
pub struct GetArgs {
    /// The container
    pub container: OsString,
    /// The object
    pub object: OsString,
    /// The file; - is standard output, which is also the default unless that is a terminal
    pub file: Option<PathBuf>,
    /// This version instead of the latest
    #[arg(long = "version", id = "object_version", value_name = "VERSION")]
    pub version: Option<u64>,
    /// Only these bytes: FIRST-LAST, FIRST- or -COUNT (the last so many); several are put one
    /// behind the other
    #[arg(long = "range", value_name = "FIRST-LAST", allow_hyphen_values = true)]
    pub ranges: Vec<Range>,
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
