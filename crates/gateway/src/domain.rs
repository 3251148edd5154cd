//! Accounts and containers as names of hosts: `container.AUTH-account.example.com/object`. No I/O.

use crate::{
    path::{Prefix, escape},
    refusal::Refusal,
};

/// The path that a request to a host means, if the host is below one of these domains and names
/// an account there. Its names are those of the domain name system: they cannot have everything
/// that Swift's can, and an account is written with a hyphen or an underscore.
///
/// # Errors
/// 400 for a host that names more than a container of an account.
pub fn remapped(domains: &[String], host: &str, path: &str) -> Result<Option<String>, Refusal> {
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    let below = |domain: &String| {
        let end = host.len().checked_sub(domain.len())?;
        let (front, own) = (host.get(..end)?, host.get(end..)?);
        own.eq_ignore_ascii_case(domain).then(|| front.strip_suffix('.'))?
    };
    let Some(front) = domains.iter().find_map(below).filter(|front| !front.is_empty()) else {
        return Ok(None);
    };
    let (container, account) = match front.split('.').collect::<Vec<_>>().as_slice() {
        [account] => (None, *account),
        [container, account] => (Some(*container), *account),
        _ => return Err(Refusal::bad("Bad domain in host header")),
    };
    let owner = |prefix: Prefix| {
        let word = prefix.as_str().trim_end_matches('_');
        let (front, rest) = (account.get(..word.len())?, account.get(word.len()..)?);
        let rest = rest.strip_prefix(['-', '_']).filter(|_| front.eq_ignore_ascii_case(word))?;
        Some(format!("{}{rest}", prefix.as_str()))
    };
    let Some(account) = [Prefix::Auth, Prefix::Service].into_iter().find_map(owner) else {
        return Ok(None);
    };
    let rest = path.strip_prefix('/').unwrap_or(path);
    let mut remapped = format!("/v1/{}/", escape(&account));
    if let Some(container) = container {
        remapped.push_str(&escape(container));
        remapped.push('/');
    }
    remapped.push_str(rest);
    Ok(Some(remapped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_name_accounts_and_containers() {
        let domains = ["example.net".to_owned(), "s.example.com".to_owned()];
        let path = |host, path| remapped(&domains, host, path).map_err(|r| r.status.as_u16());
        let table = [
            ("AUTH_a.example.net", "/", Some("/v1/AUTH_a/")),
            ("auth-a.Example.net:8080", "/c/o", Some("/v1/AUTH_a/c/o")),
            ("c.AUTH-a.example.net", "/", Some("/v1/AUTH_a/c/")),
            ("c.AUTH-a.example.net", "/o%20/x", Some("/v1/AUTH_a/c/o%20/x")),
            ("c.AUTH-a.example.net", "//v1", Some("/v1/AUTH_a/c//v1")),
            ("c.SERVICE-a.s.example.com", "/o", Some("/v1/SERVICE_a/c/o")),
            ("example.net", "/v1/AUTH_a", None),
            ("c.other.example.net", "/", None),
            ("AUTHa.example.net", "/", None),
            ("AUTH_a.example.org", "/", None),
            ("AUTH_a.xexample.net", "/", None),
            ("", "/", None),
            (".example.net", "/", None),
        ];
        for (host, asked, expected) in table {
            assert_eq!(path(host, asked), Ok(expected.map(str::to_owned)), "{host} {asked}");
        }
        assert_eq!(path("x.c.AUTH_a.example.net", "/"), Err(400));
    }

    proptest! {
        #[test]
        fn no_host_does_harm(host in "[a-zA-Z.:_-]{0,20}(example.net)?(:[0-9x]{0,5})?|\\PC{0,40}", path in "/?\\PC{0,20}") {
            if let Ok(Some(remapped)) = remapped(&["example.net".to_owned()], &host, &path) {
                prop_assert!(remapped.starts_with("/v1/") && remapped.ends_with(path.trim_start_matches('/')));
            }
        }

        #[test]
        fn what_a_host_names_is_found(container in "[a-z0-9-]{1,12}", owner in "[a-z0-9-]{1,12}", object in "[a-z/]{0,9}") {
            let host = format!("{container}.AUTH-{owner}.example.net");
            let path = remapped(&["example.net".to_owned()], &host, &format!("/{object}")).unwrap();
            prop_assert_eq!(path, Some(format!("/v1/AUTH_{owner}/{container}/{object}")));
        }
    }
}
