//! What each call needs of its caller: the one table. A call that is not in it is refused to
//! everybody, and a test holds it to the files in `proto/`.

use model::Right;

/// Every method of every service.
const TABLE: &[(&str, &[(&str, Right)])] = &[
    (
        "Users",
        &[
            ("Login", Right::Anyone),
            ("PutUser", Right::Cluster),
            ("ShowUser", Right::Cluster),
            ("ListUsers", Right::Cluster),
            ("DeleteUser", Right::Cluster),
        ],
    ),
    (
        "Metadata",
        &[
            ("CreateAccount", Right::Accounts),
            ("ShowAccount", Right::Read),
            ("UpdateAccount", Right::Manage),
            ("DeleteAccount", Right::Accounts),
            ("ListAccounts", Right::Accounts),
            ("ListContainers", Right::Read),
            ("RefreshAccount", Right::Accounts),
            ("FlushAccount", Right::Accounts),
            ("CreateContainer", Right::Write),
            ("ShowContainer", Right::Read),
            ("UpdateContainer", Right::Write),
            ("DeleteContainer", Right::Write),
            ("ListObjects", Right::Read),
            ("PurgeContainer", Right::Write),
            ("FlushContainer", Right::Write),
            ("RefreshContainer", Right::Write),
            ("SetFrozen", Right::Write),
            ("Prepare", Right::Write),
            ("StagePage", Right::Write),
            ("Commit", Right::Write),
            ("Abort", Right::Write),
            ("ShowObject", Right::Read),
            ("Locate", Right::Read),
            ("ResolveContent", Right::Read),
            ("TruncateObject", Right::Write),
            ("DrainObject", Right::Write),
            ("DeleteObject", Right::Write),
            ("DeleteObjects", Right::Write),
            ("UpdateObject", Right::Write),
            ("CreateSnapshot", Right::Write),
            ("ListSnapshot", Right::Write),
            ("ImportVersion", Right::Write),
            ("DropImported", Right::Write),
            ("PublishSnapshot", Right::Write),
            ("DiscardSnapshot", Right::Write),
            ("ReportDamage", Right::Read),
            ("CheckChunks", Right::Write),
        ],
    ),
    (
        "Directory",
        &[
            ("GetMap", Right::Known),
            ("RegisterVolume", Right::Daemon),
            ("Heartbeat", Right::Daemon),
            ("SetVolume", Right::Cluster),
            ("SetPolicy", Right::Cluster),
            ("GetStatus", Right::Cluster),
        ],
    ),
    (
        "Peer",
        &[
            ("Identify", Right::Daemon),
            ("Admit", Right::Daemon),
            ("AppendEntries", Right::Daemon),
            ("Vote", Right::Daemon),
            ("InstallSnapshot", Right::Daemon),
            ("UpdateAccount", Right::Daemon),
        ],
    ),
    (
        "Volumes",
        &[
            ("ListVolumes", Right::Daemon),
            ("DeleteChunks", Right::Daemon),
            ("VerifyChunk", Right::Daemon),
            ("ListChunks", Right::Daemon),
            ("RebuildChunk", Right::Daemon),
        ],
    ),
];

/// What a call needs, by its path `/cairn.v1.Service/Method`; nothing if it is not in the table.
pub fn right_of(path: &str) -> Option<Right> {
    let (service, method) = path.strip_prefix("/cairn.v1.")?.split_once('/')?;
    let (_, methods) = TABLE.iter().find(|(name, _)| *name == service)?;
    methods.iter().find(|(name, _)| *name == method).map(|(_, right)| *right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The methods that the files in `proto/` define, as paths.
    fn defined() -> Vec<String> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/cairn/v1");
        let mut methods = Vec::new();
        for file in std::fs::read_dir(directory).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let mut service = "";
            let words: Vec<_> = text.split(|c: char| c.is_whitespace() || c == '(').collect();
            for pair in words.windows(2) {
                match pair {
                    ["service", name] => service = name,
                    ["rpc", name] => methods.push(format!("/cairn.v1.{service}/{name}")),
                    _ => {}
                }
            }
        }
        methods.sort();
        methods
    }

    #[test]
    fn every_method_has_a_right_and_every_right_a_method() {
        let listed = TABLE.iter().flat_map(|(service, methods)| {
            methods.iter().map(move |(method, _)| format!("/cairn.v1.{service}/{method}"))
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort();
        let defined = defined();
        assert!(defined.len() > 30, "the files are found");
        assert_eq!(defined, listed, "every method of proto/ has one entry in the table of rights");
        assert!(listed.iter().all(|path| right_of(path).is_some()));
    }

    #[test]
    fn what_is_unknown_has_no_right() {
        for path in ["", "/", "/cairn.v1.Metadata", "/cairn.v1.Metadata/", "/x/Login", "Login"] {
            assert_eq!(right_of(path), None, "{path}");
        }
    }

    #[test]
    fn what_matters_most_is_where_it_should_be() {
        assert_eq!(right_of("/cairn.v1.Peer/Vote"), Some(Right::Daemon));
        assert_eq!(right_of("/cairn.v1.Volumes/DeleteChunks"), Some(Right::Daemon));
        assert_eq!(right_of("/cairn.v1.Users/Login"), Some(Right::Anyone));
        assert_eq!(right_of("/cairn.v1.Metadata/Locate"), Some(Right::Read));
    }
}
