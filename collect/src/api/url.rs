//! Where a service is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `http://127.0.0.1:8001/api/v1/nodes/node1/proxy`, `https://[::1]:10250`, `unix:/run/x.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    /// The host as it was written, with its port: for the `Host` header.
    pub(crate) authority: String,
    /// The host without its port: what a certificate is made out for.
    pub(crate) host: String,
    /// The port; 0 for a unix socket.
    pub(crate) port: u16,
    /// Where to connect to; nothing for a name, which is not resolved, and for a unix socket.
    pub(crate) address: Option<SocketAddr>,
    /// Path before all others, without a slash at its end; of a unix socket its place.
    pub(crate) path: String,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    /// HTTP over a unix socket.
    Unix,
}

impl Url {
    /// Reads one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(format!("`{}` is no URL", text.escape_debug()));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') {
                return Err("a unix socket is an absolute path: unix:/run/x.sock".to_owned());
            }
            return Ok(Self {
                scheme: Scheme::Unix,
                authority: "localhost".to_owned(),
                host: "localhost".to_owned(),
                port: 0,
                address: None,
                path: path.to_owned(),
            });
        }
        let (scheme, rest, port) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest, 80),
            Some(("https", rest)) => (Scheme::Https, rest, 443),
            _ => return Err("it has to begin with http://, https:// or unix:/".to_owned()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
        if authority.contains('@') || rest.contains(['?', '#']) {
            return Err("no user, query or fragment: scheme, address and path alone".to_owned());
        }
        let (host, port) = host_and_port(authority, port)?;
        let ip = match host {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host => host.parse().ok(),
        };
        Ok(Self {
            scheme,
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            address: ip.map(|ip| SocketAddr::new(ip, port)),
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// As [`Url::parse`], for a person: an address, not a name.
    pub(crate) fn parse_address(text: &str) -> Result<Self, String> {
        let url = Self::parse(text)?;
        if url.address.is_none() && url.scheme != Scheme::Unix {
            return Err(format!(
                "`{}` is a name, and collect resolves none: give its IP address",
                url.host
            ));
        }
        Ok(url)
    }
}

fn host_and_port(authority: &str, default: u16) -> Result<(&str, u16), String> {
    let no_port = |_| format!("`{authority}` has no valid port");
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a `[` without its `]`")?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, port.parse().map_err(no_port)?)),
            None if rest.is_empty() => Ok((host, default)),
            None => Err(format!("`{authority}` is no address")),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().map_err(no_port)?),
        None => (authority, default),
    };
    if host.is_empty() {
        return Err("it names no host".to_owned());
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let of = |text: &str| {
            let url = Url::parse(text).unwrap();
            (url.scheme, url.address.map(|a| a.to_string()), url.path)
        };
        let expected =
            |scheme, address: &str, path: &str| (scheme, Some(address.to_owned()), path.to_owned());
        assert_eq!(
            of("http://127.0.0.1:8001/api/v1/nodes/node1/proxy/"),
            expected(Scheme::Http, "127.0.0.1:8001", "/api/v1/nodes/node1/proxy")
        );
        assert_eq!(
            of("https://[::1]:10250"),
            expected(Scheme::Https, "[::1]:10250", "")
        );
        assert_eq!(
            of("https://10.0.0.1"),
            expected(Scheme::Https, "10.0.0.1:443", "")
        );
        assert_eq!(
            of("http://localhost:1"),
            expected(Scheme::Http, "127.0.0.1:1", "")
        );
        for socket in ["unix:/run/x.sock", "unix:///run/x.sock"] {
            assert_eq!(of(socket), (Scheme::Unix, None, "/run/x.sock".to_owned()));
        }
        let name = Url::parse("https://api.example:6443").unwrap();
        let seen = (name.address, &*name.host, name.port);
        assert_eq!(seen, (None, "api.example", 6443));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "127.0.0.1:10250",
            "ftp://127.0.0.1",
            "http://",
            "http://:1",
            "http://127.0.0.1:99999",
            "http://user:pass@127.0.0.1",
            "http://127.0.0.1/a?b",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/a\r\nX: y",
            "unix:run/x.sock",
            "http://[::1",
            "http://[::1]x",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
        assert!(Url::parse_address("https://api.example").is_err());
        assert!(Url::parse_address("unix:/x").is_ok());
    }
}
