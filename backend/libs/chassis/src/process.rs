//! What a process is: its program, its age, what it takes of the machine.
//!
//! Written as text and not by the recorder: these are read when they are asked for, and seconds of CPU are a counter of
//! fractions, which the recorder has not. Names are those that every Prometheus client uses, so that ready-made rules and
//! dashboards know them. What a system does not tell is left out.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// When the process started.
static STARTED: OnceLock<DateTime<Utc>> = OnceLock::new();
/// Control groups, as containers see them.
const GROUPS: &str = "/sys/fs/cgroup";

/// Remembers that the process has started, if it is the first that is heard of it.
pub(crate) fn started(now: DateTime<Utc>) {
    STARTED.get_or_init(|| now);
}

/// Adds what is known of this process; `now` is the time as Nova takes it.
pub(crate) fn write(text: &mut String, now: DateTime<Utc>) {
    let mut add = |name: &str, kind: &str, help: &str, labels: &str, value: f64| {
        // A string takes what is written to it.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{labels} {value}");
    };
    let version = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    add("nova_build_info", "gauge", "Always 1; the label tells the version that runs", &version, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "microseconds are exact until the year 2255")]
    let unix = |at: &DateTime<Utc>| at.timestamp_micros() as f64 / 1e6;
    add("nova_clock_seconds", "gauge", "The time by Nova's clock, in Unix time", "", unix(&now));
    let since = unix(STARTED.get_or_init(|| now));
    add("process_start_time_seconds", "gauge", "When the process started, in Unix time", "", since);
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = Duration::new(cpu.tv_sec.try_into().unwrap_or(0), cpu.tv_nsec.try_into().unwrap_or(0)).as_secs_f64();
    add("process_cpu_seconds_total", "counter", "CPU time that the process has used", "", cpu);
    let mut gauge = |name, help, value: Option<u64>| {
        #[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes")]
        if let Some(value) = value {
            add(name, "gauge", help, "", value as f64);
        }
    };
    let memory = memory();
    gauge(
        "process_resident_memory_bytes",
        "Memory of the process that is in RAM",
        memory.map(|(_, resident)| resident),
    );
    gauge("process_virtual_memory_bytes", "Address space of the process", memory.map(|(size, _)| size));
    gauge("process_open_fds", "Open file descriptors", entries("/proc/self/fd"));
    gauge("process_max_fds", "Most file descriptors that may be open", getrlimit(Resource::Nofile).current);
    gauge("process_threads", "Threads of the process", entries("/proc/self/task"));
    gauge(
        "nova_memory_limit_bytes",
        "Memory that the process may use: its control group's limit, else the machine's memory",
        memory_limit(Path::new(GROUPS)),
    );
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let runtime = runtime.metrics();
        let count = |n: usize| u64::try_from(n).ok();
        let workers = runtime.num_workers();
        gauge("nova_runtime_workers", "Threads that run tasks", count(workers));
        gauge("nova_runtime_tasks", "Tasks that are alive", count(runtime.num_alive_tasks()));
        gauge("nova_runtime_queued_tasks", "Tasks that wait in the global queue", count(runtime.global_queue_depth()));
        let busy: Duration = (0..workers).map(|worker| runtime.worker_total_busy_duration(worker)).sum();
        let help = "Time that the threads that run tasks were busy, all together";
        add("nova_runtime_busy_seconds_total", "counter", help, "", busy.as_secs_f64());
    }
}

/// Bytes of address space, and those in RAM.
fn memory() -> Option<(u64, u64)> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    let mut pages = statm.split(' ').map_while(|pages| pages.parse::<u64>().ok());
    Some((pages.next()? * page, pages.next()? * page))
}

fn entries(folder: &str) -> Option<u64> {
    u64::try_from(std::fs::read_dir(folder).ok()?.count()).ok()
}

/// The least of the machine's memory and the limits of the control groups from the process's own up to the root, version 2 or 1.
fn memory_limit(groups: &Path) -> Option<u64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limit_files(groups, &own)
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok())
        .chain(machine_memory())
        .min()
}

/// Where limits of memory may stand for a process whose `/proc/self/cgroup` is `own`.
fn limit_files(groups: &Path, own: &str) -> Vec<PathBuf> {
    let files = own.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => (groups.to_path_buf(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (groups.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let own = root.join(group.trim_start_matches('/'));
        let up = own.ancestors().take_while(|group| group.starts_with(&root)).map(|group| group.join(file));
        Some(up.collect::<Vec<_>>())
    });
    files.flatten().collect()
}

/// Asked of the kernel: where `/proc` shows processes alone (systemd's `ProcSubset=pid`), `/proc/meminfo` is not there.
#[cfg(target_os = "linux")]
fn machine_memory() -> Option<u64> {
    let info = rustix::system::sysinfo();
    // Its numbers are as wide as the kernel's long.
    let bytes = u128::from(info.totalram) * u128::from(info.mem_unit);
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)
}

#[cfg(not(target_os = "linux"))]
fn machine_memory() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_looked_for_from_the_own_group_up_to_the_root() {
        let v2 = limit_files(Path::new("/g"), "0::/kube/pod\n");
        assert_eq!(v2, ["/g/kube/pod/memory.max", "/g/kube/memory.max", "/g/memory.max"].map(PathBuf::from));
        let v1 = limit_files(Path::new("/g"), "5:cpu,cpuacct:/a\n4:memory:/a\n");
        assert_eq!(v1, ["/g/memory/a/memory.limit_in_bytes", "/g/memory/memory.limit_in_bytes"].map(PathBuf::from));
        assert_eq!(limit_files(Path::new("/g"), "nonsense"), Vec::<PathBuf>::new());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn without_a_control_group_the_machines_memory_is_the_limit() {
        let meminfo = std::fs::read_to_string("/proc/meminfo").expect("it is not hidden from tests");
        let total = meminfo
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))
            .expect("it is told");
        assert_eq!(memory_limit(Path::new("/no-control-groups")), Some(total.parse::<u64>().expect("a number") * 1024));
    }

    #[tokio::test]
    async fn a_process_tells_of_its_memory_descriptors_and_processor_time() {
        let mut text = String::new();
        write(&mut text, DateTime::from_timestamp(1_700_000_000, 500_000_000).expect("a time"));
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        };
        assert_eq!(value("nova_clock_seconds"), Some(1_700_000_000.5));
        assert!(value("process_cpu_seconds_total").is_some_and(|seconds| seconds > 0.0));
        assert!(value("process_start_time_seconds").is_some_and(|at| at > 1_600_000_000.0));
        assert!(value("nova_runtime_workers").is_some_and(|workers| workers >= 1.0));
        if cfg!(target_os = "linux") {
            let (resident, limit) = (value("process_resident_memory_bytes"), value("nova_memory_limit_bytes"));
            assert!(resident.is_some_and(|bytes| bytes > 100_000.0), "{text}");
            assert!(limit > resident, "{text}");
            assert!(value("process_open_fds").is_some_and(|open| open >= 3.0), "{text}");
            assert!(value("process_threads").is_some_and(|threads| threads >= 1.0), "{text}");
        }
    }
}
