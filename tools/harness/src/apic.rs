// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Recognises a guest that hangs because QEMU has lost an interrupt of it.
//!
//! Software emulation sometimes takes an interrupt into service in a CPU's local APIC and then does not
//! run its handler. The handler never acknowledges the interrupt, so the CPU gets no interrupt of this
//! or a lower priority any more, not even that of its timer. Such a CPU stays in the idle loop for ever.
//! Linux never halts a CPU in an interrupt handler before it has acknowledged the interrupt.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::qmp::Qmp;
use crate::Result;

/// The interrupt flag in EFLAGS.
const EFLAGS_IF: u64 = 1 << 9;
/// Time between two looks at the CPUs, which must agree.
const PAUSE: Duration = Duration::from_secs(1);

/// Returns a CPU that has lost an interrupt, and the interrupt's vector.
pub fn lost_interrupt(qmp: &mut Qmp) -> Result<Option<(usize, String)>> {
    let before = waiting_cpus(qmp)?;
    sleep(PAUSE);
    let after = waiting_cpus(qmp)?;
    Ok(before.into_iter().find(|cpu| after.contains(cpu)))
}

/// Returns the CPUs that wait in a `hlt` instruction for an interrupt although one is in service, and its
/// vector.
fn waiting_cpus(qmp: &mut Qmp) -> Result<Vec<(usize, String)>> {
    let registers = monitor(qmp, "info registers -a")?;
    let mut waiting = Vec::new();
    for cpu in halted_cpus(&registers) {
        let lapic = monitor(qmp, &format!("info lapic {cpu}"))?;
        if let Some(vector) = in_service(&lapic) {
            waiting.push((cpu, vector));
        }
    }
    Ok(waiting)
}

/// Returns the registers of all CPUs and of their local APICs, for a person to read.
pub fn state(qmp: &mut Qmp) -> Result<String> {
    let mut state = monitor(qmp, "info registers -a")?;
    for cpu in 0..count_cpus(&state) {
        state += &monitor(qmp, &format!("info lapic {cpu}"))?;
    }
    Ok(state)
}

fn count_cpus(registers: &str) -> usize {
    registers.matches("CPU#").count()
}

fn monitor(qmp: &mut Qmp, command: &str) -> Result<String> {
    let answer = qmp.execute("human-monitor-command", json!({ "command-line": command }))?;
    Ok(answer.as_str().unwrap_or_default().into())
}

/// Returns the numbers of the CPUs that are halted with interrupts enabled, from `info registers -a`.
fn halted_cpus(registers: &str) -> Vec<usize> {
    let (mut cpus, mut current): (Vec<usize>, Option<usize>) = (Vec::new(), None);
    for line in registers.lines() {
        if let Some(number) = line.strip_prefix("CPU#") {
            current = number.trim().parse().ok();
        }
        let value = |name: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(name))
        };
        let Some(flags) = value("RFL=").and_then(|hex| u64::from_str_radix(hex, 16).ok()) else {
            continue;
        };
        if value("HLT=") == Some("1") && flags & EFLAGS_IF != 0 {
            cpus.extend(current);
        }
    }
    cpus
}

/// Returns the vector of the interrupt in service, from `info lapic`.
fn in_service(lapic: &str) -> Option<String> {
    let vectors = lapic.lines().find_map(|line| line.strip_prefix("ISR"))?;
    let vector = vectors.split_whitespace().next()?;
    vector.parse::<u8>().ok()?;
    Some(vector.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTERS: &str = "\r
CPU#0\r
RIP=ffffffff81662927 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\r
\r
CPU#1\r
RIP=ffffffff81662927 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r
";

    #[test]
    fn finds_cpus_that_wait_for_interrupts() {
        assert_eq!(halted_cpus(REGISTERS), [1]);
        assert_eq!(halted_cpus(&REGISTERS.replace("HLT=0", "HLT=1")), [0, 1]);
        // Halted for good, as a CPU is that has been taken offline.
        assert!(halted_cpus(&REGISTERS.replace("RFL=00000246", "RFL=00000046")).is_empty());
    }

    #[test]
    fn finds_an_interrupt_in_service() {
        let lapic = "ESR\t 0x00000000\r\nISR\t 236 \r\nIRR\t 236 \r\n";
        assert_eq!(in_service(lapic).as_deref(), Some("236"));
        assert_eq!(
            in_service(&lapic.replace("ISR\t 236", "ISR\t (none)")),
            None
        );
        assert_eq!(in_service("unknown command"), None);
    }
}
