//! Where the chunks of a metachunk go.
