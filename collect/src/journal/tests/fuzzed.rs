//! What `fuzz/` has found: files that once failed, and those that reach every part of the reader.

use std::path::Path;

use super::*;

#[test]
fn it_is_taken() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut count = 0;
    for kind in ["regressions", "corpus"] {
        // No regressions is no folder.
        let Ok(files) = fuzz.join(kind).join("journal").read_dir() else {
            continue;
        };
        for path in files.map(|file| file.unwrap().path()) {
            println!("{}", path.display());
            let file = File::open(&path).unwrap();
            let harvest = harvest(vec![("file".to_owned(), file)], budget(), |_| true);
            assert!(harvest.export.len() <= budget().bytes);
            count += 1;
        }
    }
    assert!(count > 0);
}
