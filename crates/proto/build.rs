//! Compiles the protocol files without a system `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    let files = ["types", "metadata", "directory", "peer", "volumes"]
        .map(|name| format!("{root}/cairn/v1/{name}.proto"));
    println!("cargo::rerun-if-changed={root}");
    let descriptors = protox::compile(&files, [root])?;
    tonic_prost_build::configure()
        // Bodies of raft messages and snapshots are passed on, not copied.
        .bytes(".cairn.v1.RaftMessage.payload")
        .bytes(".cairn.v1.SnapshotPart.data")
        .compile_fds(descriptors)?;
    Ok(())
}
