//! Who used the CPU.

use crate::report::chart::{self, Unit};
use crate::report::flames;
use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Loaded;

/// The chapter.
pub(super) fn section(loaded: &Loaded) -> Section {
    let tables = &loaded.tables;
    let mut blocks = vec![
        OVER_TIME.block(tables),
        flames::named(loaded, "cpu", "What every CPU was doing"),
    ];
    blocks.extend([FUNCTIONS.block(tables), MODULES.block(tables)]);
    let mut profiles = loaded.node.profiles.iter();
    if let Some(blocked) = profiles.find(|profile| profile.name == "blocked") {
        blocks.push(flames::block(blocked, "Where threads were blocked"));
    }
    blocks.extend([
        PROCESSES.block(tables),
        PER_CPU.block(tables),
        INTERRUPTS.block(tables),
    ]);
    Section {
        id: "cpu",
        title: "CPU",
        blocks,
    }
}

const OVER_TIME: chart::Spec = chart::Spec {
    title: "CPU over the window",
    table: "window_cpu",
    sql: "SELECT ts_us, 'user' AS name, user_ratio AS value FROM window_cpu UNION ALL SELECT ts_us, 'kernel' AS name, system_ratio AS value FROM window_cpu UNION ALL SELECT ts_us, 'waiting for I/O' AS name, iowait_ratio AS value FROM window_cpu UNION ALL SELECT ts_us, 'stolen' AS name, steal_ratio AS value FROM window_cpu ORDER BY ts_us",
    unit: Unit::Ratio,
    limit: 6,
};

const FUNCTIONS: Spec = Spec {
    title: "Functions that used most",
    needs: &["hot_function"],
    sql: "SELECT function, module, kind, self_ratio, total_ratio, process, process_ratio, pod, unit FROM hot_function WHERE profile = 'cpu' ORDER BY self_weight DESC, total_weight DESC, function, module",
    columns: &[
        shown("function", "function", Show::Text),
        shown("self_ratio", "itself", Show::Bar),
        shown("total_ratio", "with all it calls", Show::Percent),
        shown("kind", "kind", Show::Text),
        shown("module", "module", Show::Text),
        shown("process", "mostly in", Show::Text),
        shown("process_ratio", "of it there", Show::Percent),
        shown("pod", "pod", Show::Text),
        shown("unit", "unit", Show::Text),
    ],
    limit: 40,
    anchor: None,
};

const MODULES: Spec = Spec {
    title: "Binaries and kernel modules that used most, and how far their stacks can be trusted",
    needs: &["profile_module"],
    sql: "SELECT module, self_ratio, broken_ratio, unnamed_ratio, why FROM profile_module WHERE profile = 'cpu' ORDER BY self_weight DESC, broken_count DESC, module",
    columns: &[
        shown("module", "module", Show::Text),
        shown("self_ratio", "CPU", Show::Bar),
        shown("broken_ratio", "stacks that end in it", Show::Percent),
        shown("unnamed_ratio", "functions without a name", Show::Percent),
        shown("why", "why names are missing", Show::Text),
    ],
    limit: 25,
    anchor: None,
};

const PROCESSES: Spec = Spec {
    title: "Processes that used most",
    needs: &["process"],
    sql: "SELECT comm, pid, cpu_ratio, user_ratio, system_ratio, run_delay_us, unit, container_id, command_line FROM process WHERE cpu_ratio > 0 ORDER BY cpu_ratio DESC NULLS LAST",
    columns: &[
        shown("comm", "process", Show::Text),
        shown("pid", "pid", Show::Text),
        shown("cpu_ratio", "CPU", Show::Bar),
        shown("user_ratio", "user", Show::Percent),
        shown("system_ratio", "kernel", Show::Percent),
        shown("run_delay_us", "waited for a CPU", Show::Duration),
        shown("unit", "unit", Show::Text),
        shown("container_id", "container", Show::Text),
        shown("command_line", "command line", Show::Text),
    ],
    limit: 25,
    anchor: None,
};

const PER_CPU: Spec = Spec {
    title: "Per CPU",
    needs: &["cpu"],
    sql: "SELECT * FROM cpu",
    columns: &[
        shown("cpu", "CPU", Show::Text),
        shown("busy_ratio", "busy", Show::Bar),
        shown("user_ratio", "user", Show::Percent),
        shown("nice_ratio", "nice", Show::Percent),
        shown("system_ratio", "kernel", Show::Percent),
        shown("iowait_ratio", "I/O wait", Show::Percent),
        shown("irq_ratio", "irq", Show::Percent),
        shown("softirq_ratio", "softirq", Show::Percent),
        shown("steal_ratio", "stolen", Show::Percent),
    ],
    limit: 129,
    anchor: None,
};

const INTERRUPTS: Spec = Spec {
    title: "Interrupts that came most",
    needs: &["interrupt"],
    sql: "SELECT kind, irq, name, delta, max_cpu, max_cpu_delta, window_us FROM interrupt WHERE delta > 0 ORDER BY delta DESC NULLS LAST",
    columns: &[
        shown("kind", "kind", Show::Text),
        shown("irq", "number", Show::Text),
        shown("name", "device", Show::Text),
        shown("delta", "in the window", Show::Count),
        shown("max_cpu", "mostly on CPU", Show::Text),
        shown("max_cpu_delta", "of these", Show::Count),
    ],
    limit: 12,
    anchor: None,
};
