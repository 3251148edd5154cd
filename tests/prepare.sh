# Sourced: installs the Debian packages that a build needs, where they are missing.

need() {
    local missing=()
    local package
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    echo "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

if ! command -v cargo >/dev/null; then
    echo "Cairn needs a Rust toolchain (https://rustup.rs)" >&2
    exit 1
fi

# A C compiler and linker: Rust links with it, and the hash is partly C and assembly.
need gcc libc6-dev

# The tests that cut the power mount file systems on loop devices and shut them down.
need mount e2fsprogs xfsprogs

# Those of TLS make certificates.
need openssl
