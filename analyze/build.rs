//! Registers tables and derived tables, and notices new findings and templates.

include!("../build-registry.rs");

fn main() -> std::io::Result<()> {
    for folder in ["findings", "root-causes", "../report-templates"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    register("pub", "tables", "TABLES", "TABLE", "crate::table::Table")?;
    register(
        "pub",
        "derived",
        "DERIVED",
        "TABLE",
        "crate::table::Derived",
    )
}
