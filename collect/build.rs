//! Registers sources.

include!("../build-registry.rs");

fn main() -> std::io::Result<()> {
    register(
        "pub(crate)",
        "sources",
        "SOURCES",
        "SOURCE",
        "crate::source::Source",
    )
}
