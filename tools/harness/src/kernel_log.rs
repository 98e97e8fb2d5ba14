// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Finds reports of the kernel's checkers, of crashes and of stalls in a kernel log. The log of a
//! good run has none.

/// Strings that occur only in such reports.
const ALARMS: &[&str] = &[
    "BUG:",
    "kernel BUG at",
    "BUG kmalloc",
    "Bad page",
    "WARNING:",
    "[ cut here ]",
    "Call Trace:",
    "Call trace:",
    "KASAN:",
    "KCSAN:",
    "UBSAN:",
    "ODEBUG:",
    "Oops",
    "general protection fault",
    "Kernel panic",
    "panicked at",
    "possible circular locking",
    "possible recursive locking",
    "possible irq lock inversion",
    "inconsistent lock state",
    "bad unlock balance",
    "held lock freed",
    "DEBUG_LOCKS_WARN_ON",
    "suspicious RCU usage",
    "sleeping function called",
    "scheduling while atomic",
    "unreferenced object",
    "new suspected memory leaks",
    "blocked for more than",
    "soft lockup",
    "hard LOCKUP",
    "rcu_preempt detected",
    "self-detected stall",
    "detected stalls",
    "refcount_t:",
    "list_add corruption",
    "list_del corruption",
    "double free",
    "use-after-free",
    "stack-protector:",
    "printk messages dropped",
    "unable to handle",
    // On arm64.
    "Unable to handle",
    "Internal error:",
];

/// Known reports about bugs of the kernel's own code, which no driver can fix: the alarm, strings
/// that the following lines contain in this order, and the end of the report.
const KNOWN_REPORTS: &[(&str, &[&str], &str)] = &[
    // PCIe hot-plug drops its lock while it unbinds a driver and takes it again in the other order.
    (
        "possible circular locking",
        &[
            "pciehp/",
            "&ctrl->reset_lock",
            "already holding lock",
            "pci_rescan_remove_lock",
        ],
        END_OF_TRACE,
    ),
    // A kernel without memory for the stack of a new process logs this. Some tests provoke it.
    (
        "Call Trace:",
        &["warn_alloc+", "dup_task_struct+"],
        END_OF_TRACE,
    ),
    // VMAs are looked up without a lock; a second look-up under the lock follows.
    (
        "BUG: KCSAN: data-race in mas_walk / mas_wr_node_store",
        &[],
        END_OF_RACE,
    ),
    // devtmpfs gives the node of a removed device back to root while another process has it open.
    (
        "BUG: KCSAN: data-race in __x64_sys_ioctl / setattr_copy",
        &[],
        END_OF_RACE,
    ),
    // The flag is a plain variable; SRCU makes unplugging wait for readers that miss the change.
    (
        "BUG: KCSAN: data-race in drm_dev_enter / drm_dev_unplug",
        &[],
        END_OF_RACE,
    ),
];
/// Maximum number of lines from the alarm to those strings.
const KNOWN_REPORT_LINES: usize = 20;
/// End of a report with a call trace.
const END_OF_TRACE: &str = "</TASK>";
/// End of a data race report.
const END_OF_RACE: &str = "==================================================================";

/// First and last line of a panic that a test triggers on purpose.
const PANIC: &str = "Kernel panic - not syncing: sysrq triggered crash";
const END_OF_PANIC: &str = "---[ end Kernel panic - not syncing: sysrq triggered crash";
/// Alarms that belong to this panic.
const PANIC_ALARMS: &[&str] = &[PANIC, END_OF_PANIC, "Call Trace:", "Call trace:"];

/// The last line of a kernel that halts.
const HALTED: &str = "reboot: System halted";

/// Number of lines quoted after the first alarm.
const QUOTED_LINES: usize = 30;

/// Returns the first alarm in a console log with the lines that follow it, or `None`.
pub fn alarm(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    let mut first = 0;
    loop {
        first += lines[first..].iter().position(|line| is_alarm(line))?;
        match known_report(&lines[first..]) {
            Some(length) => first += length,
            None => break,
        }
    }
    let end = lines.len().min(first + QUOTED_LINES);
    Some(lines[first..end].join("\n"))
}

/// Returns true if the kernel ended with the panic that a test triggers on purpose.
pub fn has_panicked(log: &str) -> bool {
    log.contains(END_OF_PANIC)
}

/// Returns true if the kernel has halted.
pub fn has_halted(log: &str) -> bool {
    log.contains(HALTED)
}

/// Like [`alarm`], for a kernel that a test makes panic: that panic does not count as an alarm.
pub fn alarm_except_panic(log: &str) -> Option<String> {
    let (before, panic) = log.split_at(log.find(PANIC).unwrap_or(log.len()));
    let others: Vec<&str> = panic
        .lines()
        .filter(|line| !PANIC_ALARMS.iter().any(|part| line.contains(part)))
        .collect();
    // Cuts the log at the panic's message.
    alarm(before).or_else(|| alarm(&others.join("\n")))
}

/// Returns the kernel's message in a console line without its time stamp, or `None` for a program's
/// output.
pub fn message(line: &str) -> Option<&str> {
    let line = line.trim_end_matches('\r');
    // A program's output without a newline may precede the kernel's time stamp.
    let start = line.find('[')?;
    let (stamp, rest) = line[start + 1..].split_once(']')?;
    let is_time = stamp.contains('.')
        && stamp
            .chars()
            .all(|c| c.is_ascii_digit() || " .".contains(c));
    is_time.then(|| rest.strip_prefix(' ').unwrap_or(rest))
}

/// If `lines` begin with a known report about the kernel's own code, returns its length in lines.
fn known_report(lines: &[&str]) -> Option<usize> {
    KNOWN_REPORTS.iter().find_map(|(alarm, holds, end)| {
        let mut head = lines.iter().take(KNOWN_REPORT_LINES);
        let known = lines[0].contains(alarm)
            && holds
                .iter()
                .all(|part| head.any(|line| line.contains(part)));
        let end = lines.iter().position(|line| line.contains(end))?;
        known.then_some(end + 1)
    })
}

fn is_alarm(line: &str) -> bool {
    let Some(message) = message(line) else {
        return line.starts_with("** ") && line.contains("printk messages dropped");
    };
    let start = message.trim_start();
    let is_test_result = ["ok ", "not ok ", "# ", "KTAP ", "1.."]
        .iter()
        .any(|p| start.starts_with(p));
    !is_test_result && ALARMS.iter().any(|alarm| message.contains(alarm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_kind_of_report() {
        for line in [
            "[   12.345678] BUG: KASAN: slab-use-after-free in foo+0x1/0x2",
            "[    1.000000] WARNING: CPU: 0 PID: 1 at mm/memory.c:1 foo+0x1/0x2",
            "[    1.000000] WARNING: possible circular locking dependency detected",
            "[    1.000000] UBSAN: array-index-out-of-bounds in drivers/x.c:1:2",
            "[    1.000000] kernel BUG at mm/memory.c:2345!",
            "[    1.000000] Oops: general protection fault, probably for non-canonical address",
            "[  123.456789] INFO: task foo:12 blocked for more than 120 seconds.",
            "[    1.000000] refcount_t: underflow; use-after-free.",
            "[    1.000000] list_del corruption. prev->next should be x",
            "[    1.000000] rcu: INFO: rcu_preempt self-detected stall on CPU",
            "[    1.000000] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "[    1.000000] rust_kernel: panicked at drivers/gpu/drm/barium/mmap.rs:1:2:",
            "[    1.000000] ODEBUG: free active (active state 0) object: x",
            "[    1.000000] BUG: sleeping function called from invalid context at x.c:1",
            "[    1.000000] ------------[ cut here ]------------",
            "[    1.000000] Unable to handle kernel NULL pointer dereference at virtual address 0",
            "[    1.000000] Internal error: Oops: 0000000096000004 [#1]  SMP",
            "[    1.000000] Call trace:",
            "** 12 printk messages dropped **",
            "login: [    1.000000] BUG: spinlock bad magic on CPU#0, sh/1",
        ] {
            assert!(alarm(line).is_some(), "not found: {line}");
        }
    }

    #[test]
    fn is_quiet_about_the_rest() {
        for line in [
            "[    0.000000] Linux version 7.3.4",
            "[    5.000000]     ok 3 BUG: is what this test is called",
            "[    5.000000]     # a_test: WARNING: expected",
            "WARNING: a program says this",
            "[    2.000000] barium: loading out-of-tree module taints kernel.",
            "[    2.000000] barium_selfchec[120]: segfault at 0 ip 1 sp 2 error 6 in x[1,2+3]",
        ] {
            assert_eq!(alarm(line), None, "found: {line}");
        }
    }

    /// Start and end of lockdep's report about pciehp.
    const PCIEHP: &str = "\
[    1.000000] WARNING: possible circular locking dependency detected
[    1.000000] irq/24-pciehp/39 is trying to acquire lock:
[    1.000000] ffff888000dd92d8 (&ctrl->reset_lock){.+.+}-{4:4}, at: pciehp_unconfigure_device+0x1/0x2
[    1.000000] but task is already holding lock:
[    1.000000] ffffffff8302f6e0 (pci_rescan_remove_lock){+.+.}-{4:4}, at: pciehp_unconfigure_device+0x1/0x2
[    1.000000] which lock already depends on the new lock.
[    1.000000] Call Trace:
[    1.000000]  <TASK>
[    1.000000]  </TASK>
";

    #[test]
    fn leaves_the_kernels_own_alone() {
        assert_eq!(alarm(PCIEHP), None);
        let after = format!("{PCIEHP}[    2.000000] BUG: x\n");
        assert_eq!(alarm(&after).unwrap(), "[    2.000000] BUG: x");
        let ours = PCIEHP.replace("irq/24-pciehp/39", "barium_mmap/39");
        assert!(alarm(&ours).is_some());
        let ours = PCIEHP.replace("pci_rescan_remove_lock", "&dev->object_name_lock");
        assert!(alarm(&ours).is_some());
    }

    #[test]
    fn knows_the_kernels_own_races() {
        let race = "\
[    1.000000] ==================================================================
[    1.000000] BUG: KCSAN: data-race in mas_walk / mas_wr_node_store
[    1.000000] write to 0xffff888003e93c00 of 8 bytes by task 1 on cpu 1:
[    1.000000] ==================================================================
";
        assert_eq!(alarm(race), None);
        let ours = race.replace("mas_walk", "barium_look_around");
        assert!(alarm(&ours).is_some());
        let after = format!("{race}[    2.000000] BUG: x\n");
        assert_eq!(alarm(&after).unwrap(), "[    2.000000] BUG: x");
    }

    #[test]
    fn lets_a_fork_fail() {
        let log = "\
[    1.000000] Call Trace:
[    1.000000]  warn_alloc+0x10d/0x120
[    1.000000]  __vmalloc_node_noprof+0xc2/0x100
[    1.000000]  dup_task_struct+0x236/0x870
[    1.000000]  </TASK>
";
        assert_eq!(alarm(log), None);
        assert!(alarm(&log.replace("dup_task_struct", "barium_create")).is_some());
        // As many stack frames between the two as the original report has.
        let frame = "[    1.000000]  __vmalloc_node_noprof+0xc2/0x100\n";
        assert_eq!(alarm(&log.replace(frame, &frame.repeat(13))), None);
    }

    #[test]
    fn leaves_an_ordered_panic_alone() {
        let log = "[    1.000000] sysrq: Trigger a crash\n\
             [    1.000000] Kernel panic - not syncing: sysrq triggered crash\n\
             [    1.000000] Call Trace:\n[    1.000000]  panic+0x1/0x2\n";
        let end =
            "[    1.100000] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\n";
        let whole = format!("{log}{end}");
        assert!(!has_panicked(log));
        assert!(has_panicked(&whole));
        assert!(alarm(&whole).is_some());
        assert_eq!(alarm_except_panic(&whole), None);
        let on_arm64 = whole.replace("Call Trace:", "Call trace:");
        assert_eq!(alarm_except_panic(&on_arm64), None);
        let warning = "[    1.050000] WARNING: drivers/x.c:1\n";
        for log in [
            format!("{warning}{log}{end}"),
            format!("{log}{warning}{end}"),
        ] {
            assert!(alarm_except_panic(&log).is_some());
        }
    }

    #[test]
    fn quotes_what_follows() {
        let log = "[    1.000000] fine\n[    2.000000] BUG: x\n[    3.000000] RIP: y\n";
        assert_eq!(
            alarm(log).unwrap(),
            "[    2.000000] BUG: x\n[    3.000000] RIP: y"
        );
    }
}
