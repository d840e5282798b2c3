//! Writes small files of `perf.data`.

use super::attribute::sample;

/// What samples of [`File`] hold, which is what `collect` asks for.
pub(crate) const SAMPLE_TYPE: u64 = sample::IP
    | sample::TID
    | sample::TIME
    | sample::CPU
    | sample::PERIOD
    | sample::CALLCHAIN
    | sample::CGROUP;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const FREQUENCY: u64 = 1 << 10;

/// `misc` of switches.
pub(crate) const OUT: u16 = 1 << 13;
pub(crate) const OUT_PREEMPTED: u16 = 3 << 13;
pub(crate) const IN: u16 = 0;
pub(crate) const KERNEL: u64 = -128_i64 as u64;
pub(crate) const USER: u64 = -512_i64 as u64;

/// A file of one event, `cpu-clock` at 99 Hz.
#[derive(Default)]
pub(crate) struct File {
    records: Vec<u8>,
}

impl File {
    pub(crate) fn record(&mut self, kind: u32, misc: u16, body: &[u8]) -> &mut Self {
        self.records.extend(kind.to_le_bytes());
        self.records.extend(misc.to_le_bytes());
        self.records.extend((8 + body.len() as u16).to_le_bytes());
        self.records.extend(body);
        self
    }

    /// A record with its stamp: pid and tid, time, CPU.
    fn stamped(
        &mut self,
        kind: u32,
        misc: u16,
        mut body: Vec<u8>,
        task: [u32; 2],
        time: u64,
    ) -> &mut Self {
        body.extend(task.map(u32::to_le_bytes).concat());
        body.extend(time.to_le_bytes());
        body.extend([1, 0].map(u32::to_le_bytes).concat());
        self.record(kind, misc, &body)
    }

    pub(crate) fn sample(&mut self, task: [u32; 2], time: u64, chain: &[u64]) -> &mut Self {
        let mut body = chain.get(1).map_or(0, |ip| *ip).to_le_bytes().to_vec();
        body.extend(task.map(u32::to_le_bytes).concat());
        body.extend(time.to_le_bytes());
        body.extend([1, 0].map(u32::to_le_bytes).concat());
        body.extend(10_101_010_u64.to_le_bytes());
        body.extend((chain.len() as u64).to_le_bytes());
        body.extend(chain.iter().flat_map(|address| address.to_le_bytes()));
        body.extend(7_u64.to_le_bytes());
        self.record(9, 2, &body)
    }

    pub(crate) fn comm(&mut self, task: [u32; 2], time: u64, name: &str, exec: bool) -> &mut Self {
        let mut body = task.map(u32::to_le_bytes).concat();
        body.extend(text(name));
        let misc = if exec { 1 << 13 } else { 0 };
        self.stamped(3, misc, body, task, time)
    }

    pub(crate) fn fork(&mut self, child: [u32; 2], parent: [u32; 2], time: u64) -> &mut Self {
        let ids = [child[0], parent[0], child[1], parent[1]];
        let mut body = ids.map(u32::to_le_bytes).concat();
        body.extend(time.to_le_bytes());
        self.stamped(7, 0, body, child, time)
    }

    /// `MMAP2` of a file at `start..start + length`.
    pub(crate) fn map(
        &mut self,
        pid: u32,
        time: u64,
        (start, length, offset): (u64, u64, u64),
        path: &str,
        build_id: Option<[u8; 20]>,
    ) -> &mut Self {
        let mut body = [pid, pid].map(u32::to_le_bytes).concat();
        body.extend([start, length, offset].map(u64::to_le_bytes).concat());
        let mut misc = 2;
        match build_id {
            Some(id) => {
                misc |= 1 << 14;
                body.extend([20, 0, 0, 0]);
                body.extend(id);
            }
            None => body.extend([0; 24]),
        }
        body.extend([5, 2].map(u32::to_le_bytes).concat());
        body.extend(text(path));
        self.stamped(10, misc, body, [pid, pid], time)
    }

    /// `SWITCH_CPU_WIDE`: a thread leaves its CPU, because it has to or not, or comes back.
    pub(crate) fn switch(&mut self, task: [u32; 2], time: u64, misc: u16) -> &mut Self {
        self.stamped(15, misc, vec![0; 8], task, time)
    }

    pub(crate) fn exit(&mut self, task: [u32; 2], time: u64) -> &mut Self {
        let ids = [task[0], 1, task[1], 1];
        let mut body = ids.map(u32::to_le_bytes).concat();
        body.extend(time.to_le_bytes());
        self.stamped(4, 0, body, task, time)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = b"PERFILE2".to_vec();
        let sections = [104, 144, 104, 144, 248, self.records.len() as u64];
        let no_more = [0, 0, 0, 0, 0, 0];
        for word in sections.into_iter().chain(no_more) {
            file.extend(word.to_le_bytes());
        }
        file.extend(attribute());
        file.extend([0; 16]);
        file.extend(&self.records);
        file
    }
}

fn attribute() -> Vec<u8> {
    let mut bytes = [1_u32, 128].map(u32::to_le_bytes).concat();
    let flags = SAMPLE_ID_ALL | FREQUENCY;
    let words = [0, 99, SAMPLE_TYPE, 0, flags];
    bytes.extend(words.map(u64::to_le_bytes).concat());
    bytes.resize(128, 0);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize((bytes.len() + 1).next_multiple_of(8), 0);
    bytes
}
