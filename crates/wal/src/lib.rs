//! The log shared by all partitions of a process, with group commit.
