//! Signals that end a capture early: the bundle is sealed as it stands.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;

/// The signals, by the number that `signal_hook` stores.
const SIGNALS: [(i32, &str); 3] = [
    (signal_hook::consts::SIGTERM, "SIGTERM"),
    (signal_hook::consts::SIGINT, "SIGINT"),
    (signal_hook::consts::SIGHUP, "SIGHUP"),
];

/// Remembers the last signal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    signal: Arc<AtomicUsize>,
}

impl Stop {
    /// Listens for the signals.
    pub(crate) fn listen() -> io::Result<Self> {
        let stop = Self::default();
        for (number, _) in SIGNALS {
            let value = number.unsigned_abs() as usize;
            signal_hook::flag::register_usize(number, Arc::clone(&stop.signal), value)?;
        }
        Ok(stop)
    }

    /// The signal that came, to be passed on.
    pub(crate) fn number(&self) -> Option<Signal> {
        let value = i32::try_from(self.signal.load(Ordering::Relaxed)).ok()?;
        Signal::from_named_raw(value)
    }

    /// Name of the signal that came, if one came.
    pub(crate) fn signal(&self) -> Option<&'static str> {
        let value = self.signal.load(Ordering::Relaxed);
        SIGNALS
            .iter()
            .find(|(number, _)| number.unsigned_abs() as usize == value)
            .map(|(_, name)| *name)
    }
}
