//! The gRPC services and their messages.
