//! The chunk server: volumes, the chunk format on disk, HTTP for bodies and gRPC for control.
