//! `cairn object put`.

use super::{Place, source};
use crate::{
    arguments::PutArgs,
    command::given,
    failure::usage,
    output::{printable, size},
};
use client::Stored;
use model::{PolicyName, Precondition};
use serde::Serialize;

/// What was stored, as machines see it.
#[derive(Serialize)]
struct Done<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    etag: String,
    #[serde(flatten)]
    stored: &'a Stored,
}

pub async fn run(place: &Place, args: PutArgs) -> anyhow::Result<()> {
    let container = given::container(&args.container)?;
    let object = given::object(&args.object)?;
    let properties = given::properties(&args.properties)?;
    let policy: Option<PolicyName> = args.policy.map(|p| p.parse()).transpose()?;
    let mime_type = args.mime_type.map(|m| given::mime_type(&m)).transpose()?;
    // The grammar lets nothing else through.
    let file = args.file.ok_or_else(|| usage!("a file is missing"))?;
    let source = source::open(&file, place.output).await?;

    let mut put = place
        .client
        .put_object(&place.account, &container, &object, source)
        .properties(properties)
        .autocreate(!args.no_autocreate)
        .md5(args.md5);
    if let Some(policy) = policy {
        put = put.policy(policy);
    }
    if let Some(etag) = args.etag {
        put = put.expect_etag(etag);
    }
    if let Some(mime_type) = mime_type {
        put = put.mime_type(mime_type);
    }
    if args.if_absent {
        put = put.precondition(Precondition::Absent);
    }
    let stored = put.await?;
    for failure in &stored.failures {
        place.output.note(&format!("note: {failure}"));
    }
    let done = Done {
        account: place.account.as_str(),
        container: container.as_str(),
        object: object.as_str(),
        etag: stored.etag(),
        stored: &stored,
    };
    Ok(place.output.show(&done, Done::text)?)
}

impl Done<'_> {
    fn text(&self) -> String {
        let Stored { version, size, policy, tolerance, dropped, .. } = self.stored;
        let losses = match tolerance {
            0 => "no loss".to_owned(),
            1 => "1 loss".to_owned(),
            n => format!("{n} losses"),
        };
        // An empty content has no chunks to lose.
        let losses = if *size == 0 { String::new() } else { format!(", survives {losses}") };
        let mut text = format!(
            "stored {} in {}: {}, policy {policy}{losses}\n  etag {}, version {version}\n",
            printable(self.object),
            printable(self.container),
            size::human(*size),
            self.etag,
        );
        if *dropped > 0 {
            let chunks = size::count(u64::from(*dropped), "chunk");
            text.push_str(&format!("  missing: {chunks}, to be rebuilt\n"));
        }
        text
    }
}
