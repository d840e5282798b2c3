//! Where the bundle goes: a file that is complete or called `*.partial`, or standard output.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::OFlags;

/// The sink of a bundle.
pub(crate) enum Output {
    /// Standard output.
    Stdout(io::Stdout),
    /// A file under its temporary name.
    File {
        /// The open file.
        file: File,
        /// Its name until it is sealed.
        partial: PathBuf,
        /// Its name afterwards.
        path: PathBuf,
    },
}

impl Output {
    /// Creates the output: `-` is standard output, a folder gets `<name>.tar.zst` in it, anything
    /// else is the file's name. Nothing that exists is overwritten or followed.
    pub(crate) fn create(wanted: Option<&Path>, name: &str) -> anyhow::Result<Self> {
        if wanted == Some(Path::new("-")) {
            return Ok(Self::Stdout(io::stdout()));
        }
        let file_name = format!("{name}.tar.zst");
        let path = match wanted {
            None => PathBuf::from(file_name),
            Some(folder) if folder.is_dir() => folder.join(file_name),
            Some(path) => path.to_owned(),
        };
        if path.symlink_metadata().is_ok() {
            anyhow::bail!(
                "`{}` exists already: choose another name by --output",
                path.display()
            );
        }
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&partial)
            .with_context(|| {
                let shown = partial.display();
                format!(
                    "cannot create `{shown}`: choose a folder that can be written to by --output"
                )
            })?;
        Ok(Self::File {
            file,
            partial,
            path,
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the folder of the bundle, not of the node"
    )]
    /// Makes the bundle durable and gives it its name; returns the name, or nothing for standard
    /// output.
    pub(crate) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Stdout(mut stdout) => {
                stdout.flush().context("cannot write to standard output")?;
                Ok(None)
            }
            Self::File {
                file,
                partial,
                path,
            } => {
                file.sync_all()
                    .with_context(|| format!("cannot make `{}` durable", partial.display()))?;
                std::fs::rename(&partial, &path).with_context(|| {
                    format!(
                        "cannot rename `{}` to `{}`",
                        partial.display(),
                        path.display()
                    )
                })?;
                // The name is durable only with its folder; the bundle is whole either way.
                let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
                if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
                    let _ = folder.sync_all();
                }
                Ok(Some(path))
            }
        }
    }

    /// The name it has now, for messages.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Stdout(_) => "standard output".to_owned(),
            Self::File { partial, .. } => partial.display().to_string(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(buffer),
            Self::File { file, .. } => file.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File { file, .. } => file.flush(),
        }
    }
}
