//! Users.

use crate::v1;
use model::{Error, Role, User};

/// A role from a message; nothing where it is left open.
pub fn role_from(role: v1::Role) -> Option<Role> {
    Some(match role {
        v1::Role::Unspecified => return None,
        v1::Role::Operator => Role::Operator,
        v1::Role::Reseller => Role::Reseller,
        v1::Role::Admin => Role::Admin,
        v1::Role::Writer => Role::Writer,
        v1::Role::Reader => Role::Reader,
        v1::Role::Member => Role::Member,
        v1::Role::Service => Role::Service,
    })
}

/// A role for a message.
pub fn role_to(role: Option<Role>) -> v1::Role {
    match role {
        None => v1::Role::Unspecified,
        Some(Role::Operator) => v1::Role::Operator,
        Some(Role::Reseller) => v1::Role::Reseller,
        Some(Role::Admin) => v1::Role::Admin,
        Some(Role::Writer) => v1::Role::Writer,
        Some(Role::Reader) => v1::Role::Reader,
        Some(Role::Member) => v1::Role::Member,
        Some(Role::Service) => v1::Role::Service,
    }
}

impl TryFrom<v1::User> for User {
    type Error = Error;
    fn try_from(m: v1::User) -> Result<Self, Error> {
        let role = role_from(m.role()).ok_or_else(|| super::missing("role"))?;
        Ok(Self {
            name: m.name.parse()?,
            role,
            revision: m.revision,
            created: m.created,
            changed: m.changed,
        })
    }
}

impl From<User> for v1::User {
    fn from(user: User) -> Self {
        Self {
            name: user.name.to_string(),
            role: role_to(Some(user.role)).into(),
            created: user.created,
            changed: user.changed,
            revision: user.revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_survive_the_wire() {
        for role in Role::ALL {
            let user =
                User {
                    name: "acme:é".parse().unwrap(), role, revision: 1, created: 2, changed: 3
                };
            assert_eq!(User::try_from(v1::User::from(user.clone())).unwrap(), user);
        }
        assert!(User::try_from(v1::User { name: "u".into(), ..Default::default() }).is_err());
        assert_eq!(role_from(role_to(None)), None);
    }
}
