// Shared by the build scripts of `collect` and `analyze`: every file of a folder becomes a module
// and an element of a list, so that adding a source or a table touches one file.

use std::fmt::Write as _;
use std::path::Path;

#[allow(clippy::disallowed_methods)] // it runs where the crate is built, not on a node
/// Writes `$OUT_DIR/<folder>.rs`: a module per file of `src/<folder>`, and `list`, a slice of
/// references to the `item` of each, sorted by file name, both of this `visibility`.
fn register(
    visibility: &str,
    folder: &str,
    list: &str,
    item: &str,
    kind: &str,
) -> std::io::Result<()> {
    let root = std::env::var("CARGO_MANIFEST_DIR").map_err(std::io::Error::other)?;
    let output = std::env::var("OUT_DIR").map_err(std::io::Error::other)?;
    let files = Path::new(&root).join("src").join(folder);
    println!("cargo:rerun-if-changed={}", files.display());
    let mut names: Vec<String> = std::fs::read_dir(&files)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    let mut code = String::new();
    for name in &names {
        let path = files.join(format!("{name}.rs"));
        let _ = writeln!(
            code,
            "#[path = \"{}\"] {visibility} mod {name};",
            path.display()
        );
    }
    let _ = writeln!(
        code,
        "/// Every file of this folder.\n{visibility} static {list}: &[&{kind}] = &["
    );
    for name in &names {
        let _ = writeln!(code, "    &{name}::{item},");
    }
    code.push_str("];\n");
    std::fs::write(Path::new(&output).join(format!("{folder}.rs")), code)
}
