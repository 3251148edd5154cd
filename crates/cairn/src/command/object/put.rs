//! `cairn object put`.

use super::{Place, perfdata, perfdata::Perfdata, source};
use crate::{
    arguments::PutArgs,
    command::given,
    failure::usage,
    output::{printable, size},
};
use client::{Stored, Timings};
use model::{PolicyName, Precondition};
use serde::Serialize;
use tokio::time::Instant;

/// What was stored, as machines see it.
#[derive(Serialize)]
struct Done<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    /// Null after an append: the hash of the whole is not known then.
    etag: Option<String>,
    #[serde(flatten)]
    stored: &'a Stored,
    #[serde(skip_serializing_if = "Option::is_none")]
    perfdata: Option<Perfdata>,
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

    let (client, account) = (&place.client, &place.account);
    let put = match args.append {
        true => client.append_object(account, &container, &object, source),
        false => client.put_object(account, &container, &object, source),
    };
    let mut put = put.properties(properties).autocreate(!args.no_autocreate).md5(args.md5);
    if let Some(policy) = policy {
        put = put.policy(policy);
    }
    if let Some(etag) = args.etag {
        put = put.expect_etag(etag);
    }
    if let Some(mime_type) = mime_type {
        put = put.mime_type(mime_type);
    }
    if let Some(id) = &args.content_id {
        put = put.content(given::content_id(id)?);
    }
    if args.if_absent {
        put = put.precondition(Precondition::Absent);
    }
    if let Some(deadline) = args.deadline {
        put = put.deadline(Instant::now() + deadline.0);
    }
    let timings = args.perfdata.then(Timings::default);
    if let Some(timings) = &timings {
        put = put.timings(timings);
    }
    let stored = put.await?;
    for failure in &stored.failures {
        place.output.note(&format!("note: {failure}"));
    }
    let done = Done {
        account: place.account.as_str(),
        container: container.as_str(),
        object: object.as_str(),
        etag: (stored.total == stored.size).then(|| stored.etag()),
        stored: &stored,
        perfdata: perfdata::of(timings.as_ref()),
    };
    Ok(place.output.show(&done, Done::text)?)
}

impl Done<'_> {
    fn text(&self) -> String {
        let Stored { version, size, total, policy, tolerance, dropped, .. } = self.stored;
        let losses = match tolerance {
            0 => "no loss".to_owned(),
            1 => "1 loss".to_owned(),
            n => format!("{n} losses"),
        };
        // An empty content has no chunks to lose.
        let losses = if *size == 0 { String::new() } else { format!(", survives {losses}") };
        let (object, container) = (printable(self.object), printable(self.container));
        let (bytes, whole) = (size::human(*size), size::human(*total));
        let mut text = match &self.etag {
            Some(etag) => format!(
                "stored {object} in {container}: {bytes}, policy {policy}{losses}\n  \
                 etag {etag}, version {version}\n"
            ),
            None => format!(
                "added {bytes} to {object} in {container}: {whole} now, policy {policy}{losses}\n  \
                 version {version}\n"
            ),
        };
        if *dropped > 0 {
            let chunks = size::count(u64::from(*dropped), "chunk");
            text.push_str(&format!("  missing: {chunks}, to be rebuilt\n"));
        }
        if let Some(measured) = &self.perfdata {
            text.push_str(&perfdata::text(measured));
        }
        text
    }
}
