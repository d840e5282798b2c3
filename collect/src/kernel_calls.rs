//! System calls that no library offers without unsafe code: `adjtimex`, the `ethtool` ioctl, `bpf`.
//!
//! None of them changes anything. Only workers make them.

#![expect(
    unsafe_code,
    reason = "no library offers adjtimex, ethtool and bpf without it"
)]

use std::ffi::c_char;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use freezeframe_bundle::netlink::{u32_at, u64_at};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use serde::Serialize;

/// What the kernel knows of its clock's discipline (`adjtimex(2)`).
#[derive(Debug, Serialize)]
pub(crate) struct ClockDiscipline {
    /// What `adjtimex` returned: `TIME_OK` 0 to `TIME_ERROR` 5.
    pub(crate) state: i32,
    /// Bits `STA_*`.
    pub(crate) status: i32,
    /// In microseconds, or nanoseconds where `STA_NANO` is set.
    pub(crate) offset: i64,
    /// In parts per million, scaled by 2^16.
    pub(crate) frequency: i64,
    pub(crate) maximum_error_us: i64,
    pub(crate) estimated_error_us: i64,
    pub(crate) tick_us: i64,
    pub(crate) tai_offset_seconds: i32,
}

/// Asks for the discipline of the clock without setting it.
pub(crate) fn clock_discipline() -> io::Result<ClockDiscipline> {
    // SAFETY: `timex` is a structure of integers, for which all zeros are valid. `modes` 0 is among
    // them: nothing is set.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex` that lives through the call and is ours alone.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(ClockDiscipline {
        state,
        status: timex.status,
        offset: timex.offset,
        frequency: timex.freq,
        maximum_error_us: timex.maxerror,
        estimated_error_us: timex.esterror,
        tick_us: timex.tick,
        tai_offset_seconds: timex.tai,
    })
}

/// `ETHTOOL_GSTRINGS`, `ETHTOOL_GSTATS`, `ETHTOOL_GSSET_INFO` of `linux/ethtool.h`.
const GET_STRINGS: u32 = 0x1b;
const GET_STATISTICS: u32 = 0x1d;
const GET_COUNTS: u32 = 0x37;
/// `ETH_SS_STATS`: the set of strings that names the statistics.
const STATISTICS: u32 = 1;
/// `ETH_GSTRING_LEN`.
const NAME_BYTES: usize = 32;
/// Statistics of a device that are asked for; the largest adapters have some ten thousand.
const ACCEPTED: usize = 20_000;
/// Room for so many times what the driver announced. It copies what it has at that moment, whatever
/// room there is: queues that are added between two calls must not write past the end.
const ROOM: usize = 8;

/// Statistics that the driver of a network device keeps, with the driver's names.
pub(crate) fn device_statistics(device: &[u8]) -> io::Result<Vec<(String, u64)>> {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // `struct ethtool_sset_info`: command, reserved, mask of sets; one count for the only set.
    let mut counts = vec![0u64; 4];
    set_words(&mut counts, &[GET_COUNTS, 0, 1 << STATISTICS, 0]);
    ethtool(&socket, device, &mut counts)?;
    let counts = bytes_of(&counts);
    // The kernel clears the mask where there is no such set.
    let has_set = u64_at(&counts, 8).is_some_and(|mask| mask != 0);
    let announced = u32_at(&counts, 16).filter(|_| has_set).unwrap_or(0) as usize;
    if announced == 0 || announced > ACCEPTED {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    // `struct ethtool_gstrings`: command, set, length, and names that begin after twelve bytes.
    let mut names = vec![0u64; 2 + announced * ROOM * NAME_BYTES / 8];
    set_words(&mut names, &[GET_STRINGS, STATISTICS, announced as u32]);
    ethtool(&socket, device, &mut names)?;
    // `struct ethtool_stats`: command, number, and numbers of 64 bits.
    let mut values = vec![0u64; 1 + announced * ROOM];
    set_words(&mut values, &[GET_STATISTICS, announced as u32]);
    ethtool(&socket, device, &mut values)?;
    let strings = bytes_of(&names);
    let length = u32_at(&strings, 8).unwrap_or(0) as usize;
    let answered = values.first().map_or(0, |head| (head >> 32) as usize);
    if length != answered {
        return Err(io::Error::other("names and numbers are not as many"));
    }
    let strings = strings.get(12..).unwrap_or_default();
    let strings = strings.chunks_exact(NAME_BYTES).map(text);
    Ok(strings
        .zip(values.into_iter().skip(1))
        .take(length)
        .collect())
}

/// Has the driver of a device fill `request`, whose first word is the command.
fn ethtool(socket: &OwnedFd, device: &[u8], request: &mut [u64]) -> io::Result<()> {
    // SAFETY: `ifreq` is a structure of integers and a union of integers and a pointer, for which
    // all zeros are valid.
    let mut interface: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays 0: it ends the name.
    let room = interface.ifr_name.len() - 1;
    if device.is_empty() || device.len() > room {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in interface.ifr_name.iter_mut().zip(device) {
        *to = *from as c_char;
    }
    interface.ifr_ifru.ifru_data = request.as_mut_ptr().cast();
    let pointer = &raw mut interface;
    // SAFETY: both structures live through the call and are ours alone. The kernel writes the
    // structure of the command to `ifru_data`, as long as the number of statistics the driver has:
    // `device_statistics` gives it room for `ROOM` times what the driver announced just before.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, pointer) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A loaded BPF program (`struct bpf_prog_info` of `linux/bpf.h`).
#[derive(Debug, Serialize)]
pub(crate) struct BpfProgram {
    pub(crate) id: u32,
    /// `BPF_PROG_TYPE_*`.
    pub(crate) kind: u32,
    pub(crate) name: String,
    /// Since boot, in microseconds.
    pub(crate) loaded_us: Option<u64>,
    /// Zero unless `kernel.bpf_stats_enabled` is on; None before Linux 5.1.
    pub(crate) run_time_ns: Option<u64>,
    pub(crate) run_count: Option<u64>,
}

/// `BPF_PROG_GET_NEXT_ID`, `BPF_PROG_GET_FD_BY_ID`, `BPF_OBJ_GET_INFO_BY_FD`.
const NEXT_PROGRAM: i64 = 11;
const OPEN_PROGRAM: i64 = 13;
const PROGRAM_INFO: i64 = 15;
/// Words of `struct bpf_prog_info` up to `run_cnt`. The fields that point somewhere stay 0, so that
/// the kernel writes nowhere else.
const INFO_WORDS: usize = 26;

/// The id of the program after this one; None after the last.
pub(crate) fn next_bpf_program(after: u32) -> io::Result<Option<u32>> {
    let mut request = [after, 0, 0];
    match bpf(NEXT_PROGRAM, &mut request) {
        Ok(_) => Ok(Some(request[1])),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is known of a program.
pub(crate) fn bpf_program(id: u32) -> io::Result<BpfProgram> {
    let handle = bpf(OPEN_PROGRAM, &mut [id, 0, 0])?;
    // SAFETY: the kernel just made this descriptor for us, and nobody else knows of it.
    let handle = unsafe { OwnedFd::from_raw_fd(handle) };
    let mut info = [0u64; INFO_WORDS];
    let length = size_of::<[u64; INFO_WORDS]>() as u32;
    let mut request = [0u32; 4];
    request[0] = handle.as_raw_fd().cast_unsigned();
    request[1] = length;
    let pointer = (&raw mut info).expose_provenance() as u64;
    request[2] = pointer as u32;
    request[3] = (pointer >> 32) as u32;
    bpf(PROGRAM_INFO, &mut request)?;
    // Read anew: the compiler does not see that the kernel wrote through the number.
    // SAFETY: it is our own array of integers.
    let info = unsafe { std::ptr::read_volatile(&raw const info) };
    let known = request[1] as usize;
    let info = bytes_of(&info);
    let info = info.get(..known.min(info.len())).unwrap_or_default();
    Ok(BpfProgram {
        id,
        kind: u32_at(info, 0).unwrap_or(0),
        name: text(info.get(64..80).unwrap_or_default()),
        loaded_us: u64_at(info, 40).map(|ns| ns / 1000),
        run_time_ns: u64_at(info, 192),
        run_count: u64_at(info, 200),
    })
}

/// The call itself, for commands whose structure is `request` and which write nowhere else than
/// there and where it points.
fn bpf(command: i64, request: &mut [u32]) -> io::Result<i32> {
    let bytes = size_of_val(request);
    // SAFETY: the kernel reads and writes at most `bytes` bytes at the pointer, which is to a slice
    // that is ours alone. Of the three commands used only `BPF_OBJ_GET_INFO_BY_FD` has a pointer
    // inside, to an array as long as it says.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, request.as_mut_ptr(), bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result as i32)
}

/// Puts words of 32 bits at the beginning.
fn set_words(buffer: &mut [u64], words: &[u32]) {
    for (to, pair) in buffer.iter_mut().zip(words.chunks(2)) {
        let word = |place: usize| u64::from(pair.get(place).copied().unwrap_or(0));
        *to = word(0) | word(1) << 32;
    }
}

fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A text that a zero ends, if it is not as long as its field.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_its_discipline() {
        let clock = clock_discipline().unwrap();
        assert!((0..=5).contains(&clock.state));
        assert!(clock.tick_us > 0);
    }

    #[test]
    fn devices_without_statistics_are_errors() {
        assert!(device_statistics(b"").is_err());
        assert!(device_statistics(b"lo").is_err());
        assert!(device_statistics(b"a name that is too long").is_err());
        assert!(device_statistics(b"no\0ne").is_err());
    }

    #[test]
    fn programs_have_rising_ids_or_the_kernel_refuses() {
        let mut last = 0;
        while let Ok(Some(id)) = next_bpf_program(last) {
            assert!(id > last);
            last = id;
            if let Ok(program) = bpf_program(id) {
                assert_eq!(program.id, id);
                assert!(program.loaded_us.is_some());
            }
        }
    }

    #[test]
    fn words_are_laid_out_in_order() {
        let mut buffer = [0; 3];
        set_words(&mut buffer, &[1, 2, 3]);
        assert_eq!(
            bytes_of(&buffer)[..12],
            [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]
        );
        assert_eq!(text(b"abc\0d"), "abc");
    }
}
