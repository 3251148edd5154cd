#!/bin/sh
# Builds Cairn and starts it on this machine: one process, everything in ./cairn-data.
# Made for a bare Debian 12 with a Rust toolchain (https://rustup.rs); what else is missing is
# installed. Arguments go to `cairn server`. Stop it with Ctrl-C, start it again with the same
# command: the data stays.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

if [ -f "${HOME:-}/.cargo/env" ]; then
    . "$HOME/.cargo/env"
fi
if ! command -v cargo >/dev/null; then
    echo "error: there is no Rust toolchain; install one from https://rustup.rs" >&2
    exit 1
fi
# Some crates are linked with the C compiler's driver, and a few have C of their own.
if ! command -v cc >/dev/null; then
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "error: a C compiler is missing; as root: apt-get install build-essential" >&2
            exit 1
        fi
        as_root=sudo
    fi
    $as_root apt-get update
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes build-essential
fi

cargo build --release --locked --package cairn --manifest-path "$root/Cargo.toml"
target=${CARGO_TARGET_DIR:-$root/target}
echo "The command line is $target/release/cairn" >&2
exec "$target/release/cairn" server --data ./cairn-data "$@"
