//! Names of functions as people write them, and as `perf` does: C++ without parameters.
//!
//! They come from binaries of anybody. A mangled name of some bytes can stand for one of gigabytes,
//! so that what is written is bounded, not only what is read.

use std::fmt::Write;

use super::FrameKind;

/// Longest name, mangled or not, in bytes.
pub(super) const LONGEST: usize = 4096;

/// A text that takes no more than so many bytes.
struct Bounded {
    text: String,
}

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let room = LONGEST.saturating_sub(self.text.len());
        let fits = part.len() <= room;
        self.text.push_str(cut(part, room));
        if fits { Ok(()) } else { Err(std::fmt::Error) }
    }
}

/// The beginning of a text, in whole characters.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// The name as in the source: Rust and C++ demangled, the symbol's version taken off.
pub(super) fn demangle(name: &str) -> String {
    let name = cut(name, LONGEST);
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        let mut bounded = Bounded {
            text: String::new(),
        };
        // Without the hash behind it. What does not fit is cut.
        let _ = write!(bounded, "{rust:#}");
        return bounded.text;
    }
    if name.starts_with("_Z") || name.starts_with("__Z") {
        return cpp(name).unwrap_or_else(|| name.to_owned());
    }
    // `memcpy@@GLIBC_2.14`
    let version = name.find('@').filter(|at| *at > 0);
    name.get(..version.unwrap_or(name.len()))
        .unwrap_or(name)
        .to_owned()
}

/// Takes off what `perf` leaves of a Rust name: escapes such as `$u7b$`, and the hash.
pub(super) fn without_rust_escapes(name: &str) -> String {
    const ESCAPES: [(&str, &str); 14] = [
        ("$SP$", "@"),
        ("$BP$", "*"),
        ("$RF$", "&"),
        ("$LT$", "<"),
        ("$GT$", ">"),
        ("$LP$", "("),
        ("$RP$", ")"),
        ("$C$", ","),
        ("$u20$", " "),
        ("$u27$", "'"),
        ("$u5b$", "["),
        ("$u5d$", "]"),
        ("$u7b$", "{"),
        ("$u7d$", "}"),
    ];
    let Some((path, hash)) = name.rsplit_once("::h") else {
        return name.to_owned();
    };
    if hash.len() != 16 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return name.to_owned();
    }
    // A part that begins with an escape has an underscore in front.
    let mut plain = path.replace("::_$", "::$").replace("..", "::");
    for (escape, sign) in ESCAPES {
        plain = plain.replace(escape, sign);
    }
    plain
}

fn cpp(name: &str) -> Option<String> {
    // Which copy of a function it is (`.cold`) does not matter here.
    let mangled = name.split(['.', '@']).next()?;
    let options = cpp_demangle::DemangleOptions::new()
        .no_params()
        .no_return_type()
        .recursion_limit(128);
    let parse = cpp_demangle::ParseOptions::default().recursion_limit(128);
    let symbol = cpp_demangle::BorrowedSymbol::new_with_options(mangled.as_bytes(), &parse).ok()?;
    let mut bounded = Bounded {
        text: String::new(),
    };
    let written = symbol.structured_demangle(&mut bounded, &options);
    let is_cut = bounded.text.len() >= LONGEST - 4;
    (written.is_ok() || is_cut).then_some(bounded.text)
}

/// The kind of a named function of user space.
pub(super) fn kind_of(function: &str) -> FrameKind {
    let is_go = ["runtime.", "runtime/", "internal/runtime/"]
        .iter()
        .any(|begin| function.starts_with(begin));
    if is_go {
        FrameKind::GoRuntime
    } else {
        FrameKind::User
    }
}

/// Whether a function is one that nothing calls: a stack that ends in another one ends in the
/// middle.
pub(super) fn is_entry(function: &str, kind: FrameKind) -> bool {
    const ENTRIES: [&str; 18] = [
        "_start",
        "_start_c",
        "__start",
        "_dl_start",
        "_dl_start_user",
        "_dl_sysdep_start",
        "__libc_start_main",
        "__libc_start_call_main",
        "__libc_start_main_impl",
        "clone",
        "__clone",
        "clone3",
        "__clone3",
        "__clone_internal",
        "start_thread",
        "thread_start",
        "__restore_rt",
        "_rt0_amd64_linux",
    ];
    // The stack of a goroutine ends in `runtime.goexit`, those of the scheduler in several places.
    kind == FrameKind::GoRuntime || function.starts_with("_rt0_") || ENTRIES.contains(&function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_write_them() {
        let cases = [
            ("_ZN3foo3barE", "foo::bar"),
            (
                "_ZNSt6vectorIiSaIiEE9push_backEOi",
                "std::vector<int, std::allocator<int> >::push_back",
            ),
            ("_ZN4llvm3fooEv.cold", "llvm::foo"),
            (
                "_ZN4core3ptr85drop_in_place$LT$std..rt..lang_start$LT$$LP$$RP$$GT$..$u7b$$u7b$closure$u7d$$u7d$$GT$17h0123456789abcdefE",
                "core::ptr::drop_in_place<std::rt::lang_start<()>::{{closure}}>",
            ),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            ("main", "main"),
            ("runtime.mallocgc", "runtime.mallocgc"),
            ("net/http.(*conn).serve", "net/http.(*conn).serve"),
            ("_Zbroken", "_Zbroken"),
            ("tcp_sendmsg_locked.isra.0", "tcp_sendmsg_locked.isra.0"),
            ("", ""),
            ("@", "@"),
        ];
        for (mangled, expected) in cases {
            assert_eq!(demangle(mangled), expected);
        }
    }

    #[test]
    fn no_name_becomes_longer_than_the_limit() {
        // Each parameter repeats all before it: 2^n of them.
        let mut bomb = String::from("_Z1fSt4pairIiiE");
        for n in 0..30 {
            bomb += &format!(
                "St4pairIS{0}_S{0}_E",
                if n == 0 {
                    String::new()
                } else {
                    (n - 1).to_string()
                }
            );
        }
        let length = demangle(&bomb).len();
        assert!(length <= LONGEST, "{length}");
        let deep = format!("_Z{}", "N".repeat(100_000));
        assert!(demangle(&deep).len() <= LONGEST);
        let pointers = format!("_Z1f{}i", "P".repeat(4000));
        assert!(demangle(&pointers).len() <= LONGEST);
        assert_eq!(demangle(&"é".repeat(5000)).len(), LONGEST);
    }

    #[test]
    fn kinds_and_entries() {
        assert_eq!(kind_of("runtime.mallocgc"), FrameKind::GoRuntime);
        assert_eq!(
            kind_of("runtime/internal/atomic.Load"),
            FrameKind::GoRuntime
        );
        assert_eq!(kind_of("main.main"), FrameKind::User);
        assert!(is_entry("clone3", FrameKind::User));
        assert!(is_entry("runtime.goexit", FrameKind::GoRuntime));
        assert!(is_entry("_rt0_arm64_linux", FrameKind::User));
        assert!(!is_entry("main", FrameKind::User));
    }
}
