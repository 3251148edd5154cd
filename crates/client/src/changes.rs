//! What the builders of requests share.

use model::Properties;
use proto::{convert::properties_to, v1};

/// Changes of properties: first cleared, then removed, then set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    pub(crate) clear: bool,
    pub(crate) remove: Vec<String>,
    pub(crate) set: Properties,
}

impl Changes {
    pub(crate) fn into_message(self) -> v1::PropertyChanges {
        v1::PropertyChanges { clear: self.clear, remove: self.remove, set: properties_to(self.set) }
    }
}

/// Makes a builder with a method `run(self)` awaitable.
macro_rules! awaitable {
    ($name:ident => $output:ty) => {
        impl std::future::IntoFuture for $name {
            type Output = Result<$output, $crate::Error>;
            type IntoFuture = futures::future::BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.run())
            }
        }
    };
}

/// The methods of a builder that changes properties, over its field `changes`.
macro_rules! changes_properties {
    ($name:ident) => {
        impl $name {
            /// Sets a property.
            pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                self.changes.set.insert(key.into(), value.into());
                self
            }

            /// Sets properties.
            pub fn set_all(mut self, properties: model::Properties) -> Self {
                self.changes.set.extend(properties);
                self
            }

            /// Removes a property; one that is absent is no error.
            pub fn remove(mut self, key: impl Into<String>) -> Self {
                self.changes.remove.push(key.into());
                self
            }

            /// Removes every property before the others are set.
            pub fn clear(mut self) -> Self {
                self.changes.clear = true;
                self
            }
        }
    };
}

/// The methods of a builder of new properties, over the field that holds them.
macro_rules! takes_properties {
    ($name:ident: $($field:ident).+) => {
        impl $name {
            /// Adds a property.
            pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                self.$($field).+.insert(key.into(), value.into());
                self
            }

            /// Adds properties.
            pub fn properties(mut self, properties: model::Properties) -> Self {
                self.$($field).+.extend(properties);
                self
            }
        }
    };
}

/// The methods of a builder of a listing, over its field `query`.
macro_rules! lists {
    ($name:ident) => {
        impl $name {
            /// Only names that start with this.
            pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
                self.query.prefix = prefix.into();
                self
            }

            /// Folds names that have this behind the prefix into one entry.
            pub fn delimiter(mut self, delimiter: impl Into<String>) -> Self {
                self.query.delimiter = delimiter.into();
                self
            }

            /// Only names after this one (before it in reverse), exclusive.
            pub fn marker(mut self, marker: impl Into<String>) -> Self {
                self.query.marker = marker.into();
                self
            }

            /// Only names before this one (after it in reverse), exclusive.
            pub fn end_marker(mut self, end_marker: impl Into<String>) -> Self {
                self.query.end_marker = end_marker.into();
                self
            }

            /// The last name first, and of each name the oldest version.
            pub fn reverse(mut self, reverse: bool) -> Self {
                self.query.reverse = reverse;
                self
            }

            /// Most entries of the page; the server may give fewer.
            pub fn limit(mut self, limit: u32) -> Self {
                self.query.limit = limit;
                self
            }

            /// Goes on where the page before ended: its [`Listing::next`](model::Listing).
            pub fn resume(mut self, next: (String, Option<model::Version>)) -> Self {
                (self.query.marker, self.query.marker_version) = next;
                self
            }
        }
    };
}

pub(crate) use {awaitable, changes_properties, lists, takes_properties};

/// Entries of a page unless the caller asks for another number.
pub(crate) const DEFAULT_LIMIT: u32 = 1000;
