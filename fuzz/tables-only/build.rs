//! Registers tables and derived tables as `analyze/build.rs` does.

include!("../../build-registry.rs");

fn main() -> std::io::Result<()> {
    register("pub", "tables", "TABLES", "TABLE", "crate::table::Table")?;
    register(
        "pub",
        "derived",
        "DERIVED",
        "TABLE",
        "crate::table::Derived",
    )
}
