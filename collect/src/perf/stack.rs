//! Copies of user stacks in samples (`--call-graph dwarf`): which registers they take, and how they
//! are taken out of a record again.
//!
//! A stack holds whatever the program computes with, secrets too. It lives from the ring buffer to
//! the unwinder and nowhere else: what is kept of a sample is the record that the kernel would have
//! written without it.

use serde::{Deserialize, Serialize};

use super::record::{CONTEXT_MAX, CONTEXT_USER, Layout, u32_at, u64_at};

/// `perf_event_x86_regs` (`asm/perf_regs.h`): BP, SP, IP, which is all that unwinding takes.
#[cfg(target_arch = "x86_64")]
pub(crate) const REGISTERS: u64 = 1 << 6 | 1 << 7 | 1 << 8;
/// `perf_event_arm_regs` (`asm/perf_regs.h`): X29, LR, SP, PC.
#[cfg(target_arch = "aarch64")]
pub(crate) const REGISTERS: u64 = 1 << 29 | 1 << 30 | 1 << 31 | 1 << 32;
/// No stacks are copied on other machines.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) const REGISTERS: u64 = 0;

/// Header, ip, pid and tid, time, CPU, period; the length of the chain, then the chain. The event
/// that stacks are asked for with always has the period.
const CHAIN_AT: usize = 56;
/// `PERF_SAMPLE_REGS_ABI_64`.
const WORD_SIZE_64: u64 = 2;

/// How much of a stack is copied. Deep ones of Java, C++ and Python take more than 8 KiB, but the
/// buffers of many CPUs have to hold them.
pub(crate) fn stack_bytes(frequency: u64, cpus: usize) -> u32 {
    if REGISTERS == 0 {
        0
    } else if frequency <= 250 && cpus <= 64 {
        16 << 10
    } else {
        8 << 10
    }
}

/// Registers of a thread when it was in user space last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registers {
    pub(crate) ip: u64,
    pub(crate) sp: u64,
    /// Frame pointer, if the code has one.
    pub(crate) fp: u64,
    /// Link register, where the machine has one.
    pub(crate) lr: u64,
}

/// The copy of a stack.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stack<'a> {
    /// Nothing of a program of another word size.
    pub(crate) registers: Option<Registers>,
    /// What lies behind the stack pointer.
    pub(crate) bytes: &'a [u8],
}

/// Takes a sample apart: the record without its stack into `record`, and the stack, which samples of
/// kernel threads do not have. Nothing of a torn one.
pub(crate) fn split<'a>(
    bytes: &'a [u8],
    layout: Layout,
    record: &mut Vec<u8>,
) -> Option<Option<Stack<'a>>> {
    let count = usize::try_from(u64_at(bytes, CHAIN_AT - 8)?).ok()?;
    let chain_ends = count.checked_mul(8)?.checked_add(CHAIN_AT)?;
    let word_size = u64_at(bytes, chain_ends)?;
    let mut at = chain_ends + 8;
    let mut registers = None;
    if word_size != 0 {
        let words = REGISTERS.count_ones() as usize * 8;
        let values = bytes.get(at..at.checked_add(words)?)?;
        registers = (word_size == WORD_SIZE_64).then(|| in_order(values));
        at += words;
    }
    let size = usize::try_from(u64_at(bytes, at)?).ok()?;
    at += 8;
    let mut stack = None;
    if size > 0 {
        let room = bytes.get(at..at.checked_add(size)?)?;
        at += size;
        let copied = usize::try_from(u64_at(bytes, at)?).ok()?;
        at += 8;
        stack = Some(Stack {
            registers,
            bytes: room.get(..copied)?,
        });
    }
    let behind = if layout.has_cgroup {
        bytes.get(at..at.checked_add(8)?)?
    } else {
        &[]
    };
    record.clear();
    record.extend_from_slice(bytes.get(..chain_ends)?);
    record.extend_from_slice(behind);
    set_length(record)?;
    Some(stack.filter(|stack| !stack.bytes.is_empty() && word_size != 0))
}

/// In the order of their bits.
fn in_order(values: &[u8]) -> Registers {
    let value = |place: usize| u64_at(values, place * 8).unwrap_or_default();
    if cfg!(target_arch = "aarch64") {
        Registers {
            fp: value(0),
            lr: value(1),
            sp: value(2),
            ip: value(3),
        }
    } else {
        Registers {
            fp: value(0),
            sp: value(1),
            ip: value(2),
            lr: 0,
        }
    }
}

/// Where in a record the user's part of the chain is: behind its mark, if it has one.
fn user_part(record: &[u8]) -> Option<std::ops::Range<usize>> {
    let count = usize::try_from(u64_at(record, CHAIN_AT - 8)?).ok()?;
    let ends = count.checked_mul(8)?.checked_add(CHAIN_AT)?;
    let words = record.get(CHAIN_AT..ends)?.chunks_exact(8);
    let is_user = |word: &[u8]| u64_at(word, 0) == Some(CONTEXT_USER);
    let mark = words.into_iter().position(is_user)?;
    Some(CHAIN_AT + (mark + 1) * 8..ends)
}

/// The user's part of the chain, innermost first: where it was, then where each caller goes on.
pub(crate) fn user_chain(record: &[u8]) -> Vec<u64> {
    let part = user_part(record).and_then(|part| record.get(part));
    let words = part.unwrap_or_default().chunks_exact(8);
    words
        .filter_map(|word| u64_at(word, 0))
        .take_while(|address| *address < CONTEXT_MAX)
        .collect()
}

/// Puts another chain into a record in place of the user's part.
pub(crate) fn set_user_chain(record: &mut Vec<u8>, chain: &[u64]) -> Option<()> {
    let words = |chain: &[u64]| chain.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let (at, new): (_, Vec<u8>) = if let Some(part) = user_part(record) {
        (part, words(chain))
    } else {
        let count = usize::try_from(u64_at(record, CHAIN_AT - 8)?).ok()?;
        let ends = count.checked_mul(8)?.checked_add(CHAIN_AT)?;
        record.get(..ends)?;
        (ends..ends, words(&[&[CONTEXT_USER], chain].concat()))
    };
    let count = (at.start - CHAIN_AT + new.len()) / 8;
    record.splice(at, new);
    let place = record.get_mut(CHAIN_AT - 8..CHAIN_AT)?;
    place.copy_from_slice(&(count as u64).to_ne_bytes());
    set_length(record)
}

/// Writes its own length into the header of a record.
fn set_length(record: &mut [u8]) -> Option<()> {
    let length = u16::try_from(record.len()).ok()?;
    let place = record.get_mut(6..8)?;
    place.copy_from_slice(&length.to_ne_bytes());
    Some(())
}

/// The process that a sample is of.
pub(crate) fn pid(record: &[u8]) -> Option<u32> {
    u32_at(record, 16)
}

#[cfg(test)]
mod tests {
    use super::super::record::{CONTEXT_KERNEL, Record, kind, parse};
    use super::*;

    const WHOLE: Layout = Layout {
        has_period: true,
        has_cgroup: true,
    };
    const SECRET: &[u8] = b"password=hunter2";

    /// A sample as the kernel writes it, with 64 bytes of room for a stack.
    fn sample(chain: &[u64], word_size: u64, copied: u64) -> Vec<u8> {
        let mut bytes = kind::SAMPLE.to_ne_bytes().to_vec();
        bytes.extend([2, 0, 0, 0]);
        bytes.extend(7_u64.to_ne_bytes());
        bytes.extend([7_u32, 8].map(u32::to_ne_bytes).concat());
        bytes.extend([5_u64, 1, 99].map(u64::to_ne_bytes).concat());
        bytes.extend((chain.len() as u64).to_ne_bytes());
        bytes.extend(chain.iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(word_size.to_ne_bytes());
        if word_size == 0 {
            bytes.extend(0_u64.to_ne_bytes());
        } else {
            let registers = 1..=u64::from(REGISTERS.count_ones());
            bytes.extend(registers.flat_map(u64::to_ne_bytes));
            bytes.extend(64_u64.to_ne_bytes());
            bytes.extend(SECRET.repeat(4));
            bytes.extend(copied.to_ne_bytes());
        }
        bytes.extend(42_u64.to_ne_bytes());
        let length = bytes.len() as u16;
        bytes[6..8].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_record_loses_its_stack_and_nothing_else() {
        let chain = [CONTEXT_KERNEL, 0xffff_0010, CONTEXT_USER, 0x10, 0x20];
        let bytes = sample(&chain, WORD_SIZE_64, 48);
        let mut record = Vec::new();
        let stack = split(&bytes, WHOLE, &mut record).unwrap().unwrap();
        assert_eq!(stack.bytes.len(), 48);
        let registers = stack.registers.unwrap();
        assert_eq!(registers.fp, 1);
        assert_eq!(registers.ip, u64::from(REGISTERS.count_ones()));
        assert!(!record.windows(4).any(|window| window == b"hunt"));
        let Some(Record::Sample(sample)) = parse(&record, WHOLE) else {
            panic!("no sample");
        };
        assert_eq!((sample.pid, sample.cgroup), (7, Some(42)));
        assert_eq!(sample.hits().count(), 3);
        assert_eq!(user_chain(&record), [0x10, 0x20]);
        assert_eq!(pid(&record), Some(7));
        set_user_chain(&mut record, &[0x10, 0x31, 0x41, 0x51]).unwrap();
        let Some(Record::Sample(sample)) = parse(&record, WHOLE) else {
            panic!("no sample");
        };
        let hits: Vec<u64> = sample.hits().map(|hit| hit.address).collect();
        assert_eq!(hits, [0xffff_0010, 0x10, 0x30, 0x40, 0x50]);
        assert_eq!(sample.cgroup, Some(42));
        assert_eq!(record.len(), usize::from(u16_of(&record)));
    }

    fn u16_of(record: &[u8]) -> u16 {
        u16::from_ne_bytes([record[6], record[7]])
    }

    #[test]
    fn a_chain_without_a_user_part_gets_one() {
        let bytes = sample(&[CONTEXT_KERNEL, 0xffff_0010], WORD_SIZE_64, 64);
        let mut record = Vec::new();
        split(&bytes, WHOLE, &mut record).unwrap();
        assert_eq!(user_chain(&record), Vec::<u64>::new());
        set_user_chain(&mut record, &[0x10, 0x21]).unwrap();
        assert_eq!(user_chain(&record), [0x10, 0x21]);
        assert!(set_user_chain(&mut record, &vec![1; 9000]).is_none());
    }

    #[test]
    fn not_every_sample_has_a_stack() {
        let mut record = Vec::new();
        let kernel = sample(&[CONTEXT_KERNEL, 0xffff_0010], 0, 0);
        assert_eq!(split(&kernel, WHOLE, &mut record), Some(None));
        assert!(matches!(parse(&record, WHOLE), Some(Record::Sample(_))));
        let unreadable = sample(&[CONTEXT_USER, 0x10], WORD_SIZE_64, 0);
        assert_eq!(split(&unreadable, WHOLE, &mut record), Some(None));
        let narrow = sample(&[CONTEXT_USER, 0x10], 1, 64);
        let stack = split(&narrow, WHOLE, &mut record).unwrap().unwrap();
        assert_eq!(stack.registers, None);
    }

    #[test]
    fn a_torn_sample_is_none() {
        let whole = sample(&[CONTEXT_USER, 0x10], WORD_SIZE_64, 48);
        let mut record = Vec::new();
        for length in 0..whole.len() {
            let _ = split(&whole[..length], WHOLE, &mut record);
            assert!(split(&whole[..length], WHOLE, &mut record).is_none());
        }
        for wild in [65, u64::MAX] {
            let torn = sample(&[CONTEXT_USER, 0x10], WORD_SIZE_64, wild);
            assert_eq!(split(&torn, WHOLE, &mut record), None);
        }
        let mut torn = whole.clone();
        torn[48..56].copy_from_slice(&u64::MAX.to_ne_bytes());
        assert_eq!(split(&torn, WHOLE, &mut record), None);
    }
}
