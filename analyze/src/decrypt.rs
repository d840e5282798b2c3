//! Reads encrypted bundles (age-encryption.org/v1).
//!
//! A capture that was killed leaves an encrypted file without its last chunk; what is before can be
//! read like any other cut bundle.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use age::stream::StreamReader;
use age::{Decryptor, Identity, IdentityFile};
use anyhow::{Context, bail};
use freezeframe_bundle::{Limits, Reader};

/// What an age file begins with.
const MAGIC: &[u8] = b"age-encryption.org/";

/// Whether an age file follows; takes nothing.
pub fn is_encrypted(stream: &mut impl BufRead) -> anyhow::Result<bool> {
    let beginning = stream.fill_buf().context("cannot read the bundle")?;
    Ok(beginning.starts_with(MAGIC))
}

/// Opens an encrypted bundle; `name` stands for it in messages.
pub fn open(stream: impl BufRead, name: &Path, identities: &[PathBuf]) -> anyhow::Result<Reader> {
    if identities.is_empty() {
        bail!(
            "`{}` is encrypted: name your key by --identity FILE",
            name.display()
        );
    }
    let keys = keys(identities)?;
    let decryptor = Decryptor::new_buffered(stream)
        .with_context(|| format!("`{}` is no readable age file", name.display()))?;
    let plain = decryptor
        .decrypt(keys.iter().map(|key| &**key as &dyn Identity))
        .with_context(|| format!("cannot decrypt `{}` with these identities", name.display()))?;
    Ok(Reader::from_stream(
        UntilCut { plain },
        name,
        Limits::default(),
    )?)
}

fn keys(files: &[PathBuf]) -> anyhow::Result<Vec<Box<dyn Identity>>> {
    let mut keys = Vec::new();
    for file in files {
        let read = IdentityFile::from_file(file.to_string_lossy().into_owned());
        let found = read
            .with_context(|| format!("cannot read identities from `{}`", file.display()))?
            .into_identities()
            .with_context(|| format!("`{}` holds no usable identity", file.display()))?;
        keys.extend(found);
    }
    Ok(keys)
}

/// Ends where the file was cut or altered: what is behind cannot be read, what is before can.
struct UntilCut<R: Read> {
    plain: StreamReader<R>,
}

impl<R: Read> Read for UntilCut<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.plain.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            result => result,
        }
    }
}
