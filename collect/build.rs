//! Registers sources.

include!("../build-registry.rs");

fn main() -> std::io::Result<()> {
    register("sources", "SOURCES", "SOURCE", "crate::source::Source")
}
