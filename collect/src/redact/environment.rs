//! Values of environment variables. Names stay; so do the values of variables that steer a runtime
//! and are known to be harmless: they explain memory limits and thread numbers.

use super::scan::Scan;
use super::token;
use super::value;

/// A unit's variables in systemd's form.
pub(super) const UNIT: &str = "environment=";

/// Variables whose values are kept (secrets within are still found).
const ALLOWED: &[&str] = &[
    "GOMAXPROCS",
    "GODEBUG",
    "GOGC",
    "GOMEMLIMIT",
    "GOTRACEBACK",
    "GOEXPERIMENT",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "JAVA_OPTS",
    "JAVA_OPTIONS",
    "JVM_OPTS",
    "CATALINA_OPTS",
    "ES_JAVA_OPTS",
    "KAFKA_OPTS",
    "KAFKA_HEAP_OPTS",
    "JAVA_HOME",
    "JAVA_VERSION",
    "MAX_HEAP_SIZE",
    "NODE_OPTIONS",
    "NODE_ENV",
    "NODE_VERSION",
    "UV_THREADPOOL_SIZE",
    "MALLOC_ARENA_MAX",
    "MALLOC_CONF",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "GLIBC_TUNABLES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TOKIO_WORKER_THREADS",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "PYTHONUNBUFFERED",
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "PYTHON_VERSION",
    "WEB_CONCURRENCY",
    "RAILS_MAX_THREADS",
    "RUBY_GC_HEAP_GROWTH_FACTOR",
    "DOTNET_GCHeapHardLimit",
    "DOTNET_gcServer",
    "COMPlus_gcServer",
    "DOTNET_PROCESSOR_COUNT",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NCCL_DEBUG",
    "PATH",
    "HOME",
    "PWD",
    "OLDPWD",
    "SHELL",
    "SHLVL",
    "TERM",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "EDITOR",
    "PAGER",
    "HOSTNAME",
    "HOST",
    "_",
    "container",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "SYSTEMD_EXEC_PID",
    "MAINPID",
    "MANAGERPID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_ID",
    "XDG_SESSION_TYPE",
    "XDG_SESSION_CLASS",
    "DBUS_SESSION_BUS_ADDRESS",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "NODE_NAME",
    "POD_NAME",
    "POD_NAMESPACE",
    "POD_IP",
    "HOST_IP",
    "POD_UID",
    "NAMESPACE",
    "DEBIAN_FRONTEND",
    "TINI_VERSION",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "KUBECONFIG",
    "NOMAD_CPU_LIMIT",
    "TASKSET",
    "BOOT_IMAGE",
    "init",
    "COLUMNS",
    "LINES",
];
/// Beginnings and endings of such names: service variables that Kubernetes sets.
const ALLOWED_PREFIXES: &[&str] = &["LC_"];
const ALLOWED_SUFFIXES: &[&str] = &[
    "_SERVICE_HOST",
    "_SERVICE_PORT",
    "_PORT_NUMBER",
    "_TCP_ADDR",
    "_TCP_PROTO",
    "_TCP_PORT",
];

/// Whether a variable's value is kept.
pub(super) fn is_allowed(name: &[u8]) -> bool {
    ALLOWED.iter().any(|allowed| name == allowed.as_bytes())
        || ALLOWED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix.as_bytes()))
        || ALLOWED_SUFFIXES
            .iter()
            .any(|suffix| name.ends_with(suffix.as_bytes()))
}

/// A process's environment: entries separated by NUL. An entry without `=` is the rest of
/// something that was written over: it can be the end of a value.
pub(super) fn search(scan: &mut Scan) {
    search_entries(scan, 0, scan.text.len(), 0);
}

/// Entries in `from..to`, separated by `separator`.
pub(super) fn search_entries(scan: &mut Scan, from: usize, to: usize, separator: u8) {
    let mut start = from;
    for entry in scan.slice(from, to).split(|&b| b == separator) {
        let end = start + entry.len();
        variable(scan, start, end);
        start = end + 1;
    }
}

fn variable(scan: &mut Scan, start: usize, end: usize) {
    let entry = scan.slice(start, end);
    let sign = memchr::memchr(b'=', entry);
    let (name, from) = match sign {
        Some(sign) => (scan.slice(start, start + sign), start + sign + 1),
        None => (&[] as &[u8], start),
    };
    if !is_allowed(name) {
        let kind = token::kind_of(scan.slice(from, end)).unwrap_or("env");
        scan.found_elsewhere(from, end, kind);
    }
}

/// `Environment=` was seen in a unit: `Environment="A=x y" B=z`.
pub(super) fn search_unit(scan: &mut Scan, start: usize, at: usize) {
    if start < scan.units_until {
        return;
    }
    if !scan.begins_line(start) && !matches!(scan.before(start), b' ' | b'=') {
        return;
    }
    let line_end = scan.line_end_within(at, 1 << 16);
    scan.units_until = line_end;
    let mut place = at;
    while place < line_end {
        place = scan.skip_blanks(place);
        let word = value::read(scan.text, place);
        // Quotes may stand around the value alone: NAME="a b".
        let end = word.end.min(line_end);
        let Some(sign) = memchr::memchr(b'=', scan.slice(word.start, end)) else {
            break;
        };
        let name = scan.slice(word.start, word.start + sign);
        let mut inner = (word.start + sign + 1, end);
        if inner.0 == inner.1 && matches!(scan.at(inner.0), b'"' | b'\'') {
            let quoted = value::read(scan.text, inner.0);
            inner = (quoted.start, quoted.end.min(line_end));
        }
        if !is_allowed(name) && !value::is_harmless(scan.slice(inner.0, inner.1)) {
            let kind = token::kind_of(scan.slice(inner.0, inner.1)).unwrap_or("env");
            scan.found_elsewhere(inner.0, inner.1, kind);
        }
        place = inner.1.max(place) + 1;
    }
}
