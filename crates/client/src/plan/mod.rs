//! What to do next, as pure state machines: events and the time in, commands out.

pub(crate) mod write;
