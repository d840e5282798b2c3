//! A gRPC answer, put together from headers, data and trailers.

use super::h2::Failure;

/// A gRPC answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// `grpc-status`; 0 is success.
    pub(crate) status: u32,
    /// `grpc-message`.
    pub(crate) message: String,
    /// The message, as much as the limit allows.
    pub(crate) body: Vec<u8>,
    /// Whole length of a message that was longer than the limit.
    pub(crate) of_bytes: Option<u64>,
}

/// What the headers and trailers say.
#[derive(Default)]
pub(super) struct Head {
    http_status: Option<String>,
    status: Option<u32>,
    message: String,
}

impl Head {
    pub(super) fn note(&mut self, name: &str, value: &str) {
        match name {
            ":status" => self.http_status = Some(value.to_owned()),
            // What is no number is an error all the same: 2 is "unknown".
            "grpc-status" => self.status = Some(value.parse().unwrap_or(2)),
            "grpc-message" => self.message = percent_decoded(value),
            _ => {}
        }
    }

    /// `grpc-status`.
    fn status(&self) -> Result<u32, Failure> {
        match (self.status, &self.http_status) {
            (Some(status), _) => Ok(status),
            (None, Some(status)) if status != "200" => {
                Err(Failure::Broken(format!("HTTP status {status}, no gRPC")))
            }
            _ => Err("the answer has no status".into()),
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%');
        let byte = digits.and_then(|two| {
            let two = std::str::from_utf8(two).ok()?;
            u8::from_str_radix(two, 16).ok()
        });
        bytes.push(byte.unwrap_or(*first));
        rest = behind
            .get(if byte.is_some() { 2.. } else { 0.. })
            .unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A message with its prefix: whether it is compressed, and its length.
pub(super) struct Message {
    bytes: Vec<u8>,
    limit: usize,
    /// Its whole length, once it is longer than the limit.
    pub(super) of_bytes: Option<u64>,
}

impl Message {
    const PREFIX: usize = 5;

    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
            of_bytes: None,
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes.extend_from_slice(bytes);
        let Some([is_compressed, length @ ..]) = self.bytes.first_chunk::<{ Self::PREFIX }>()
        else {
            return Ok(());
        };
        if *is_compressed != 0 {
            return Err("a compressed message, which was not asked for".into());
        }
        let length = u32::from_be_bytes(*length);
        if self.bytes.len() >= self.limit + Self::PREFIX && length as usize > self.limit {
            self.of_bytes = Some(length.into());
        }
        Ok(())
    }

    /// A message of which no more is wanted.
    pub(super) fn cut(mut self) -> Answer {
        self.bytes.truncate(self.limit + Self::PREFIX);
        self.bytes.drain(..Self::PREFIX);
        Answer {
            body: self.bytes,
            of_bytes: self.of_bytes,
            ..Answer::default()
        }
    }

    /// What came until the trailers. Only a success has a message.
    pub(super) fn answer(mut self, head: Head) -> Result<Answer, Failure> {
        let status = head.status()?;
        let mut body = Vec::new();
        if status == 0 {
            let prefix = self.bytes.first_chunk::<{ Self::PREFIX }>();
            let Some([_, length @ ..]) = prefix else {
                return Err("the answer has no message".into());
            };
            if self.bytes.len() - Self::PREFIX != u32::from_be_bytes(*length) as usize {
                return Err("the message ends before it should".into());
            }
            self.bytes.drain(..Self::PREFIX);
            body = self.bytes;
        }
        Ok(Answer {
            status,
            message: head.message,
            body,
            of_bytes: None,
        })
    }
}
