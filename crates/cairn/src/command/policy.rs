//! `cairn policy`.

use super::session;
use crate::{
    arguments::{PolicyAction, PolicyCommand},
    output::{Output, Table, size},
};
use model::{ClusterMap, Policy, SmallObjects};
use serde::Serialize;

/// A policy as machines see it.
#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    policy: &'a Policy,
    default: bool,
}

pub async fn run(command: PolicyCommand, output: Output) -> anyhow::Result<()> {
    let client = session::open(&command.access, output).await?;
    match command.action {
        PolicyAction::List => {
            let map = client.cluster().map().await?;
            let default = |policy: &Policy| policy.name == map.default_policy;
            let views: Vec<_> =
                map.policies.iter().map(|p| View { policy: p, default: default(p) }).collect();
            output.list(&views, |views| table(views, &map))?;
        }
        PolicyAction::Set { policy, method, chunk_blocks, small_bytes, small_policy, default } => {
            let small = match (small_bytes, small_policy) {
                (Some(bytes), Some(policy)) => {
                    Some(SmallObjects { bytes: bytes.0, policy: policy.parse()? })
                }
                _ => None,
            };
            let (name, method) = (policy.parse()?, method.parse()?);
            let policy = Policy { name, method, chunk_blocks, small }.checked()?;
            client.cluster().set_policy(policy.clone(), default).await?;
            let default = client.cluster().map().await?.default_policy == policy.name;
            output.show(&View { policy: &policy, default }, |view| {
                let which = if view.default { "the default policy" } else { "policy" };
                format!("{which} {} is {} from now on", view.policy.name, view.policy.method)
            })?;
        }
    }
    Ok(())
}

fn table(views: &[View<'_>], map: &ClusterMap) -> String {
    let exist =
        map.volumes.iter().filter(|v| v.administrative != model::Administrative::Out).count();
    let mut table = Table::new(&["POLICY", "METHOD", ">CHUNK", "SMALL OBJECTS", "NOTE"]);
    for View { policy, default } in views {
        let chunk = u64::from(policy.chunk_blocks) * model::BLOCK_BYTES;
        let small = policy.small.as_ref();
        let small = small.map(|s| format!("up to {}: {}", size::human(s.bytes), s.policy));
        let mut notes = Vec::new();
        if *default {
            notes.push("default".to_owned());
        }
        let width = policy.method.width();
        if width > exist {
            notes.push(format!("needs {width} volumes, {exist} exist"));
        }
        table.row([
            policy.name.to_string(),
            policy.method.to_string(),
            size::human(chunk),
            small.unwrap_or_default(),
            notes.join("; "),
        ]);
    }
    table.render()
}
