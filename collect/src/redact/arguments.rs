//! Secrets in command lines: what a flag's name tells, and the flags of well-known programs.

use super::assignment;
use super::scan::Scan;
use super::token;
use super::value;

/// Longest command line in a text that is looked at.
const LONGEST: usize = 4096;

/// How a flag takes its secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `-pSECRET` only: `-p` alone asks for it.
    Attached,
    /// `-p SECRET`, `-pSECRET`, `--flag=SECRET`.
    Any,
    /// As `Any`; the secret stands behind the first `:` (curl) or `%` (smbclient) or `,` (lftp).
    Behind(u8),
    /// `pass:SECRET` (openssl).
    Prefixed,
}

/// A program and its flags that take secrets.
struct Client {
    names: &'static [&'static str],
    flags: &'static [(&'static str, Form)],
}

#[rustfmt::skip]
const CLIENTS: &[Client] = &[
    Client { names: &["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlsh", "mysqlcheck", "mysqld", "mariadb", "mariadb-dump", "mariadb-admin", "xtrabackup", "mariabackup"], flags: &[("-p", Form::Attached)] },
    Client { names: &["redis-cli", "redis-benchmark", "valkey-cli", "keydb-cli"], flags: &[("-a", Form::Any), ("--pass", Form::Any)] },
    Client { names: &["sshpass"], flags: &[("-p", Form::Any)] },
    Client { names: &["curl"], flags: &[("-u", Form::Behind(b':')), ("--user", Form::Behind(b':')), ("-U", Form::Behind(b':')), ("--proxy-user", Form::Behind(b':')), ("--oauth2-bearer", Form::Any), ("--pass", Form::Any), ("-b", Form::Behind(b'=')), ("--cookie", Form::Behind(b'='))] },
    Client { names: &["http", "https", "xh"], flags: &[("-a", Form::Behind(b':')), ("--auth", Form::Behind(b':'))] },
    Client { names: &["mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport", "mongostat", "mongotop"], flags: &[("-p", Form::Any)] },
    Client { names: &["docker", "podman", "nerdctl", "helm", "skopeo", "buildah", "crane", "oras", "regctl"], flags: &[("-p", Form::Any), ("--creds", Form::Behind(b':')), ("--src-creds", Form::Behind(b':')), ("--dest-creds", Form::Behind(b':'))] },
    Client { names: &["crictl", "ctr"], flags: &[("--creds", Form::Behind(b':')), ("-u", Form::Behind(b':')), ("--user", Form::Behind(b':')), ("--auth", Form::Any)] },
    Client { names: &["etcdctl"], flags: &[("--user", Form::Behind(b':'))] },
    Client { names: &["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami", "ldappasswd"], flags: &[("-w", Form::Any), ("-s", Form::Any)] },
    Client { names: &["smbclient", "rpcclient", "smbget", "net"], flags: &[("-U", Form::Behind(b'%')), ("--user", Form::Behind(b'%'))] },
    Client { names: &["sqlcmd", "bcp", "isql"], flags: &[("-P", Form::Any)] },
    Client { names: &["rabbitmqadmin", "cqlsh", "nodetool", "clickhouse-client", "vertica", "vsql", "impala-shell"], flags: &[("-p", Form::Any), ("-w", Form::Any), ("-pw", Form::Any)] },
    Client { names: &["mosquitto_pub", "mosquitto_sub", "ipmitool"], flags: &[("-P", Form::Any)] },
    Client { names: &["snmpwalk", "snmpget", "snmpbulkwalk", "snmpset"], flags: &[("-A", Form::Any), ("-X", Form::Any), ("-c", Form::Any)] },
    Client { names: &["lftp", "ncftp"], flags: &[("-u", Form::Behind(b',')), ("-p", Form::Any)] },
    Client { names: &["zip", "unzip"], flags: &[("-P", Form::Any)] },
    Client { names: &["7z", "7za", "rar", "unrar"], flags: &[("-p", Form::Attached)] },
    Client { names: &["openssl"], flags: &[("-passin", Form::Prefixed), ("-passout", Form::Prefixed), ("-pass", Form::Prefixed), ("-k", Form::Any), ("-K", Form::Any)] },
    Client { names: &["az"], flags: &[("-p", Form::Any)] },
    Client { names: &["plink", "pscp"], flags: &[("-pw", Form::Any)] },
    Client { names: &["xfreerdp", "rdesktop"], flags: &[("/p:", Form::Attached), ("-p", Form::Any)] },
];

/// Triggers in running text: names that are no common words.
pub(super) const NAMES: &[&str] = &[
    "mysql",
    "mariadb",
    "xtrabackup",
    "redis-cli",
    "valkey-cli",
    "redis-benchmark",
    "sshpass",
    "curl",
    "mongo",
    "docker",
    "podman",
    "nerdctl",
    "helm ",
    "skopeo",
    "buildah",
    "crictl",
    "ctr ",
    "etcdctl",
    "ldap",
    "smbclient",
    "sqlcmd",
    "rabbitmqadmin",
    "cqlsh",
    "nodetool",
    "mosquitto_",
    "ipmitool",
    "snmp",
    "lftp",
    "unzip",
    "openssl",
    "plink",
    "xfreerdp",
];

/// A program's name was seen at `start` in running text.
pub(super) fn search(scan: &mut Scan, start: usize) {
    if start < scan.commands_until {
        return;
    }
    let before = scan.before(start);
    if !(before.is_ascii_whitespace() || b"/\"'`(;|&=\0[>".contains(&before)) {
        return;
    }
    let end = scan.line_end_within(start, LONGEST);
    let line = scan.slice(start, end);
    // The name ends here, and a flag follows somewhere.
    let name_length = line
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || b"-_".contains(b))
        .count();
    let Some(client) = client_named(scan.slice(start, start + name_length)) else {
        return;
    };
    if !matches!(
        scan.at(start + name_length),
        b' ' | b'"' | b'\'' | b'\t' | b','
    ) || memchr::memmem::find(line, b" -").is_none()
        && !line.windows(2).any(|w| matches!(w, b"\"-" | b"'-"))
    {
        return;
    }
    scan.commands_until = end;
    // ["curl", "-u", "me:SECRET"]
    let is_list = matches!(before, b'"' | b'\'') && scan.at(start + name_length) == before;
    let words = words(scan, start + name_length + usize::from(is_list), end);
    flags(scan, client, &words);
}

fn client_named(name: &[u8]) -> Option<&'static Client> {
    CLIENTS
        .iter()
        .find(|client| client.names.iter().any(|n| name == n.as_bytes()))
}

/// Words of a command in running text: a shell's line or a list in JSON. Ends at `|`, `;`, `&&`.
fn words(scan: &Scan, from: usize, to: usize) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut place = from;
    while place < to {
        let rest = scan.slice(place, to);
        let gap = rest
            .iter()
            .take_while(|b| b.is_ascii_whitespace() || b",[]".contains(b))
            .count();
        place += gap;
        if place >= to || matches!(scan.at(place), b'|' | b';' | b')') {
            break;
        }
        let word = value::read(scan.text, place);
        let mut end = word.end.min(to);
        if !word.quoted {
            let rest = scan.slice(place, to);
            let run = rest
                .iter()
                .position(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'`' | 0))
                .unwrap_or(rest.len());
            end = place + run;
            // -p'SECRET' goes on in the quotes.
            if run > 0 && matches!(scan.at(end), b'"' | b'\'') {
                let inside = value::read(scan.text, end);
                words.push((place, end));
                words.push((inside.start, inside.end.min(to)));
                place = inside.end.max(end) + 1;
                continue;
            }
        }
        words.push((word.start.min(end), end));
        place = end.max(place) + 1;
    }
    words
}

/// Finds the secrets of a client's flags.
fn flags(scan: &mut Scan, client: &Client, words: &[(usize, usize)]) {
    let mut next_is = None;
    for &(start, end) in words {
        let word = scan.slice(start, end);
        if let Some(form) = next_is.take()
            && !word.starts_with(b"-")
        {
            note(scan, start, end, form);
            continue;
        }
        for (flag, form) in client.flags {
            let Some(rest) = word.strip_prefix(flag.as_bytes()) else {
                continue;
            };
            let from = end - rest.len();
            if rest.is_empty() {
                // -p'SECRET' without a blank is cut in two words as well.
                let attached = *form == Form::Attached
                    && matches!(scan.at(end), b'"' | b'\'')
                    && scan.before(end) != b'"'
                    && scan.at(start.wrapping_sub(1)) == b' ';
                next_is = (*form != Form::Attached || attached).then_some(*form);
                break;
            }
            if flag.starts_with("--") {
                if rest.starts_with(b"=") {
                    note(scan, from + 1, end, *form);
                    break;
                }
            } else if *form == Form::Attached || (flag.len() == 2 && !rest.starts_with(b"-")) {
                note(scan, from, end, *form);
                break;
            }
        }
    }
}

fn note(scan: &mut Scan, start: usize, end: usize, form: Form) {
    let text = scan.slice(start, end);
    let (from, least) = match form {
        Form::Behind(sign) => match memchr::memchr(sign, text) {
            Some(place) => (start + place + 1, 1),
            None => return,
        },
        Form::Prefixed => match text.strip_prefix(b"pass:") {
            Some(_) => (start + 5, 1),
            None => return,
        },
        Form::Attached | Form::Any => (start, 2),
    };
    let secret = scan.slice(from, end);
    if secret.len() < least || value::is_harmless(secret) || is_port(secret) {
        return;
    }
    let kind = token::kind_of(secret).unwrap_or("argument");
    scan.found_elsewhere(from, end, kind);
}

/// `docker run -p 8080:80` publishes a port.
fn is_port(word: &[u8]) -> bool {
    word.iter()
        .all(|b| b.is_ascii_digit() || b":./tcpud-".contains(b))
        && word.contains(&b':')
}

/// Whether a word leads elsewhere: `> file`, `| program`.
pub(super) fn is_redirection(word: &[u8]) -> bool {
    word.is_empty()
        || matches!(
            word,
            b"|" | b">" | b"<" | b"&&" | b"||" | b";" | b"&" | b"2>&1" | b"="
        )
}

/// A process's command line: arguments separated by NUL.
pub(super) fn search_command_line(scan: &mut Scan) {
    let mut words = Vec::new();
    let mut start = 0;
    for argument in scan.text.split(|&b| b == 0) {
        words.push((start, start + argument.len()));
        start += argument.len() + 1;
    }
    let mut next_is: Option<&'static str> = None;
    for &(start, end) in &words {
        let word = scan.slice(start, end);
        if let Some(kind) = next_is.take()
            && !word.starts_with(b"-")
        {
            note_named(scan, start, end, kind);
            continue;
        }
        let sign = memchr::memchr(b'=', word);
        let name = scan.slice(start, start + sign.unwrap_or(word.len()));
        if name.len() > 64 || !name.iter().all(|&b| super::scan::is_name(b)) {
            continue;
        }
        let Some(kind) = assignment::kind_of_name(name) else {
            continue;
        };
        match sign {
            Some(sign) => note_named(scan, start + sign + 1, end, kind),
            None if name.starts_with(b"-") => next_is = Some(kind),
            None => {}
        }
    }
    for (place, &(start, end)) in words.iter().enumerate() {
        let word = scan.slice(start, end);
        let name = word.rsplit(|&b| b == b'/').next().unwrap_or_default();
        if let (Some(client), Some(rest)) = (client_named(name), words.get(place + 1..)) {
            flags(scan, client, rest);
            break;
        }
    }
}

fn note_named(scan: &mut Scan, start: usize, end: usize, kind: &'static str) {
    let secret = scan.slice(start, end);
    let plain = kind != "password" && (value::is_object_name(secret) || secret.len() < 4);
    if !value::is_harmless(secret) && !plain {
        let kind = token::kind_of(secret).unwrap_or(kind);
        scan.found_elsewhere(start, end, kind);
    }
}
