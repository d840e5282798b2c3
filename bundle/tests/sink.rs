//! A sink that fails costs what was not finished before.

mod common;

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use freezeframe_bundle::{Item, Outcome, Reader, Writer};

/// Takes so many bytes, then fails as a broken disk does.
struct Broken {
    left: usize,
    taken: Rc<RefCell<Vec<u8>>>,
}

impl Write for Broken {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            const EIO: i32 = 5;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let count = buffer.len().min(self.left);
        self.left -= count;
        self.taken.borrow_mut().extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes ten batches; how many ended without an error.
fn write(sink: Broken) -> io::Result<usize> {
    let mut writer = Writer::new(sink, "node1-x", &common::capture())?;
    for batch in 0..10 {
        for number in 0..3 {
            let path = format!("root/proc/{batch}{number}/stat");
            let written = writer.entry(
                common::record(&path, Outcome::Complete),
                b"1 (init) S 0 1 1",
            );
            if written
                .and_then(|()| {
                    if number == 2 {
                        writer.end_batch()
                    } else {
                        Ok(())
                    }
                })
                .is_err()
            {
                return Ok(batch);
            }
        }
    }
    Ok(10)
}

#[test]
fn batches_before_an_error_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar.zst.partial");
    for left in (0..6000).step_by(7) {
        let taken = Rc::new(RefCell::new(Vec::new()));
        let sink = Broken {
            left,
            taken: taken.clone(),
        };
        let Ok(batches) = write(sink) else { continue };
        std::fs::write(&path, &*taken.borrow()).unwrap();
        let mut entries = 0;
        let reader = Reader::open(&path).unwrap();
        let contents =
            reader.read(&mut |item| entries += usize::from(matches!(item, Item::Entry(_))));
        assert!(contents.capture.is_some(), "{left} bytes");
        assert!(
            entries > batches * 3,
            "{left} bytes: {entries} of {batches} batches"
        );
    }
}
