//! Objects. As in `data`, names are taken as the shell gives them.

use super::data::{Change, InAccount, ListArgs, Removal};
use super::transfer::{GetArgs, PutArgs};
use crate::config::{Bytes, Span};
use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;

/// `cairn object`.
#[derive(Debug, Args)]
pub struct ObjectCommand {
    #[command(flatten)]
    pub place: InAccount,
    /// OBJECT is the id of a content, as `cairn object show` prints it: that version is meant
    #[arg(long, global = true, help_heading = super::STORE)]
    pub content: bool,
    #[command(subcommand)]
    pub action: ObjectAction,
}

/// What can be done with objects.
#[derive(Debug, Subcommand)]
pub enum ObjectAction {
    /// Store a file, or standard input, as an object; with -r the files of a directory
    Put(PutArgs),
    /// Fetch an object into a file or to standard output; with -r objects into a directory
    #[command(visible_alias = "save")]
    Get(GetArgs),
    /// Show what is known of an object, and its properties
    #[command(after_help = "Example: cairn object show photos 2026/cat.jpg --json")]
    Show(ObjectArgs),
    /// Say whether an object is there; with exit code 5 if it is not
    #[command(after_help = "\
Examples:
  cairn object head photos 2026/cat.jpg
  cairn object head photos 2026/cat.jpg --trust-level complete && echo no chunk is missing")]
    Head {
        #[command(flatten)]
        object: ObjectArgs,
        /// What must be there: its metadata (0), of each metachunk as many chunks as a read needs
        /// (1), or every chunk (2)
        #[arg(long, value_name = "LEVEL", default_value = "metadata")]
        trust_level: TrustLevel,
    },
    /// List the objects of a container
    #[command(after_help = "\
Examples:
  cairn object list photos --prefix 2026/ --delimiter /
  cairn object list photos --versions --json
  cairn object list photos --versions --limit 100 --marker cat.jpg --version-marker 1767225600000000

The last goes on where a page ended: behind that version of that name, its older ones first.")]
    List {
        /// The container
        container: OsString,
        #[command(flatten)]
        list: ListArgs,
        /// Every version and delete marker, newest first
        #[arg(long)]
        versions: bool,
        /// With --versions and --marker: also the versions of that name that are older than this
        #[arg(long, value_name = "VERSION", requires_all = ["versions", "marker"])]
        version_marker: Option<u64>,
        /// Only the delete markers of objects that are deleted, but whose versions are kept
        #[arg(long)]
        deleted: bool,
        /// With the properties of each
        #[arg(long)]
        properties: bool,
    },
    /// Show where the chunks of an object are
    #[command(after_help = "Example: cairn object locate photos 2026/cat.jpg --check")]
    Locate {
        #[command(flatten)]
        object: ObjectArgs,
        /// Ask every chunk server whether the chunk is there
        #[arg(long)]
        check: bool,
        /// The same, and show what each chunk says of itself
        #[arg(long)]
        chunk_info: bool,
    },
    /// Verify every chunk of an object, and make those anew that are missing or damaged
    #[command(after_help = "Example: cairn object repair photos 2026/cat.jpg")]
    Repair {
        #[command(flatten)]
        object: ObjectArgs,
        /// How long to wait until it is whole
        #[arg(long, value_name = "TIME", default_value = "10m")]
        wait: Span,
        /// Do not wait
        #[arg(long, conflicts_with = "wait")]
        no_wait: bool,
    },
    /// Delete objects
    #[command(after_help = "\
Where versions are kept a delete marker takes the object's place: --versions lists what it hides.
With --version, or by the id of its content, a version is gone for good.

Examples:
  cairn object delete photos 2026/cat.jpg 2026/dog.jpg
  cairn object delete photos 2026/cat.jpg --version 1767225600000000")]
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
    /// Cut an object to its first bytes
    #[command(after_help = "Example: cairn object truncate logs today 10MiB")]
    Truncate {
        #[command(flatten)]
        object: ObjectArgs,
        /// Bytes that stay; at most as many as there are
        size: Bytes,
    },
    /// Make an object with the content of another, which takes no space of its own
    Link(LinkArgs),
    /// Drop the contents of objects, and keep what is known of them
    #[command(after_help = "\
A drained object is still listed and shown, with its size and properties; its bytes are gone.

Example: cairn object drain archive 2019.tar 2020.tar")]
    Drain(SeveralArgs),
    /// Note objects as just changed
    #[command(after_help = "Example: cairn object touch photos 2026/cat.jpg")]
    Touch(SeveralArgs),
    /// Remove the older versions of an object
    #[command(after_help = "Example: cairn object purge photos 2026/cat.jpg --keep 3")]
    Purge {
        /// The container
        container: OsString,
        /// The object
        object: OsString,
        /// Versions that stay, the newest [default: what the container's versioning says]
        #[arg(long, value_name = "NUMBER")]
        keep: Option<u32>,
    },
    /// Set properties of an object
    #[command(after_help = "Example: cairn object set photos 2026/cat.jpg --property place=Paris")]
    Set {
        #[command(flatten)]
        object: ObjectArgs,
        #[command(flatten)]
        change: Change,
    },
    /// Remove properties of an object
    #[command(after_help = "Example: cairn object unset photos 2026/cat.jpg --property place")]
    Unset {
        #[command(flatten)]
        object: ObjectArgs,
        #[command(flatten)]
        unset: Removal,
    },
}

impl ObjectAction {
    /// An option of it that is for whole trees, without `-r`.
    pub fn misplaced(&self) -> Option<&'static str> {
        match self {
            Self::Put(args) if args.follow_links && !args.tree.recursive => Some("--follow-links"),
            Self::Put(args) => args.tree.misplaced(),
            Self::Get(args) => args.tree.misplaced(),
            _ => None,
        }
    }

    /// The object it is about and the version of it, if it is about one that exists.
    pub fn object_mut(&mut self) -> Option<(&mut OsString, &mut Option<u64>)> {
        match self {
            Self::Get(args) if !args.tree.recursive => Some((&mut args.object, &mut args.version)),
            Self::Link(args) => Some((&mut args.object, &mut args.version)),
            Self::Delete { objects, version, .. }
            | Self::Drain(SeveralArgs { objects, version, .. })
            | Self::Touch(SeveralArgs { objects, version, .. }) => match &mut objects[..] {
                [object] => Some((object, version)),
                _ => None,
            },
            Self::Show(object)
            | Self::Truncate { object, .. }
            | Self::Head { object, .. }
            | Self::Locate { object, .. }
            | Self::Repair { object, .. }
            | Self::Set { object, .. }
            | Self::Unset { object, .. } => Some((&mut object.object, &mut object.version)),
            _ => None,
        }
    }

    /// The container it is about.
    pub fn container_mut(&mut self) -> &mut OsString {
        match self {
            Self::Put(args) => &mut args.container,
            Self::Get(args) => &mut args.container,
            Self::List { container, .. }
            | Self::Delete { container, .. }
            | Self::Purge { container, .. } => container,
            Self::Link(args) => &mut args.container,
            Self::Drain(args) | Self::Touch(args) => &mut args.container,
            Self::Show(object)
            | Self::Truncate { object, .. }
            | Self::Head { object, .. }
            | Self::Locate { object, .. }
            | Self::Repair { object, .. }
            | Self::Set { object, .. }
            | Self::Unset { object, .. } => &mut object.container,
        }
    }
}

/// How sure it must be that an object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrustLevel {
    // As for the formats of logs: remarks would stretch the help.
    #[value(alias = "0")]
    Metadata,
    #[value(alias = "1")]
    Readable,
    #[value(alias = "2")]
    Complete,
}

/// Several objects of a container.
#[derive(Debug, Args)]
pub struct SeveralArgs {
    /// The container
    pub container: OsString,
    /// The objects
    #[arg(value_name = "OBJECT", required = true)]
    pub objects: Vec<OsString>,
    /// This version instead of the latest, of one object
    #[arg(long = "version", id = "object_version", value_name = "VERSION")]
    pub version: Option<u64>,
}

/// `cairn object link`.
#[derive(Debug, Args)]
#[command(after_help = "\
The link is an object like any other: it stays when the other is deleted or changed. With --cid both
containers are ids.

Examples:
  cairn object link photos 2026/cat.jpg best cat.jpg
  cairn object link photos cat.jpg photos cat.jpg --to-account friends --replace -p from=ada")]
pub struct LinkArgs {
    /// The container of the object that is there
    pub container: OsString,
    /// The object that is there
    pub object: OsString,
    /// The container of the new one
    pub to_container: OsString,
    /// The new one
    pub to_object: OsString,
    /// The account of the new one [default: the same]
    #[arg(long, value_name = "ACCOUNT")]
    pub to_account: Option<OsString>,
    /// This version instead of the latest
    #[arg(long = "version", id = "object_version", value_name = "VERSION")]
    pub version: Option<u64>,
    /// Give it the properties named here instead of the other's
    #[arg(long)]
    pub replace: bool,
    /// With --replace: a property, KEY=VALUE; may be repeated
    #[arg(long = "property", short = 'p', value_name = "KEY=VALUE", requires = "replace")]
    pub properties: Vec<OsString>,
    /// The id of the new content, 32 hexadecimal digits; it must be new in its container
    #[arg(long, value_name = "ID")]
    pub content_id: Option<String>,
    /// Only if no object has the name
    #[arg(long)]
    pub if_absent: bool,
    /// Fail if the container of the new one does not exist, instead of creating it
    #[arg(long)]
    pub no_autocreate: bool,
    /// Give up, and leave no object, if it is not done within this time
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<Span>,
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
