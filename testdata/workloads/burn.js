// Run with --perf-basic-prof: the names of generated code are in /tmp/perf-PID.map.
function burnInScript(count) {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = (sum + i * i) % 1000003;
  return sum;
}
for (;;) burnInScript(1000000);
