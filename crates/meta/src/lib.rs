//! Metadata servers: partitions as Raft groups, their services and workers.
