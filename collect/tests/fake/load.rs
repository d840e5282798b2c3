//! Programs that burn CPU.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A hot function, and those that call it.
pub(crate) const BURN: &str = r"
#include <stdint.h>
__attribute__((noinline)) uint64_t leaf_hash(uint64_t x) {
  for (int i = 0; i < 5000; i++) x = x * 6364136223846793005ULL + 1442695040888963407ULL + (x >> 7);
  return x;
}
__attribute__((noinline)) uint64_t middle_step(uint64_t x) { return leaf_hash(x) + leaf_hash(x + 1) + 1; }
int main(void) { volatile uint64_t s = 1; for (;;) s = middle_step(s); }
";

/// A function written to memory at run time, and its perf map in the folder `/tmp` that it sees.
pub(crate) const GENERATE: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
  unsigned char loop[] = {0xb9, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xc9, 0x75, 0xfc, 0xeb, 0xf5};
  unsigned char *code = mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char path[64];
  memcpy(code, loop, sizeof loop);
  snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
  FILE *map = fopen(path, "w");
  if (!map) return 1;
  fprintf(map, "%lx %x GeneratedLoop::run(int, int)\n", (unsigned long)code, (int)sizeof loop);
  fclose(map);
  ((void (*)(void))code)();
}
"#;

/// The same, with a jitdump in the folder that it runs in: the code was loaded elsewhere, and moved.
pub(crate) const DUMP: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
  unsigned char loop[] = {0xb9, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xc9, 0x75, 0xfc, 0xeb, 0xf5};
  unsigned char *code = mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char path[64], name[] = "DumpedLoop::run(int, int)";
  memcpy(code, loop, sizeof loop);
  snprintf(path, sizeof path, "jit-%d.dump", getpid());
  int file = open(path, O_CREAT | O_TRUNC | O_RDWR, 0666);
  uint32_t pid = getpid(), head[6] = {0x4a695444, 1, 40, 62, 0, pid};
  uint64_t times[2] = {0, 0}, at = (uint64_t)code;
  uint32_t load[6] = {0, 56 + sizeof name + sizeof loop, 0, 0, pid, pid};
  uint64_t loaded[4] = {0x5000, 0x5000, sizeof loop, 7};
  uint32_t move[6] = {1, 64, 0, 0, pid, pid};
  uint64_t moved[5] = {at, 0x5000, at, sizeof loop, 7};
  struct { void *bytes; size_t size; } parts[] = {{head, sizeof head}, {times, sizeof times}, {load, sizeof load},
    {loaded, sizeof loaded}, {name, sizeof name}, {loop, sizeof loop}, {move, sizeof move}, {moved, sizeof moved}};
  for (int i = 0; i < 8; i++)
    if (write(file, parts[i].bytes, parts[i].size) < 0) return 1;
  if (mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED) return 1;
  close(file);
  unlink(path);
  ((void (*)(void))code)();
}
"#;

/// Waits for a clock and for a disk, and tells of each: from, until (`CLOCK_MONOTONIC`), and the CPU
/// time meanwhile; nanoseconds.
pub(crate) const WAIT: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
static long now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}
static void sleep_a_little(void) { nanosleep(&(struct timespec){0, 20000000}, 0); }
static void write_a_little(void) {
  static char block[4096];
  static int file = -1;
  if (file < 0) file = open("written", O_RDWR | O_CREAT, 0600);
  if (pwrite(file, block, sizeof block, 0) > 0) fsync(file);
}
int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  for (int i = 0;; i++) {
    long cpu = now(CLOCK_THREAD_CPUTIME_ID), from = now(CLOCK_MONOTONIC);
    i % 2 ? sleep_a_little() : write_a_little();
    long until = now(CLOCK_MONOTONIC);
    printf("%ld %ld %ld\n", from, until, now(CLOCK_THREAD_CPUTIME_ID) - cpu);
  }
}
"#;

/// A program that runs until this is dropped.
pub(crate) struct Load(Child);

impl Load {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(program: &Path) -> Load {
    Load(Command::new(program).stdout(Stdio::null()).spawn().unwrap())
}

/// Compiles a program of C.
pub(crate) fn compile(folder: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let (text, program) = (folder.join(format!("{name}.c")), folder.join(name));
    std::fs::write(&text, source).unwrap();
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O1", "-o"])
        .arg(&program)
        .arg(&text)
        .args(flags);
    assert!(compiler.status().unwrap().success());
    program
}
