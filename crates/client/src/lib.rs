//! The client library: accounts, containers and objects over erasure-coded chunks.
