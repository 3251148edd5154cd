//! Contents written to and read from real chunk servers, without metadata servers: the
//! placement is made by hand.

mod cluster;
mod metadata;
mod read;
mod write;
