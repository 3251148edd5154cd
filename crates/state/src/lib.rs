//! The metadata state machine: records, commands, listings.
