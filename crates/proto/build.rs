//! Compiles the protocol files without a system `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    let files = ["types", "metadata", "directory", "peer", "users", "volumes"]
        .map(|name| format!("{root}/cairn/v1/{name}.proto"));
    println!("cargo::rerun-if-changed={root}");
    let descriptors = protox::compile(&files, [root])?;
    tonic_prost_build::configure()
        .codec_path("crate::Codec")
        // Bodies of raft messages and snapshots are passed on, not copied.
        .bytes(".cairn.v1.RaftMessage.payload")
        .bytes(".cairn.v1.SnapshotPart.data")
        // Keys and tokens are never printed.
        .skip_debug([
            ".cairn.v1.LoginRequest",
            ".cairn.v1.LoginResponse",
            ".cairn.v1.PutUserRequest",
        ])
        .compile_fds(descriptors)?;
    Ok(())
}
