// SPDX-License-Identifier: GPL-2.0

//! The name of the current process, for messages about its actions, and a rate limit for these.
//!
//! - Upstream today: `Task` has no name, and the kernel crate has no rate-limited messages.
//! - The shape it should have: `Task::comm()`, and `dev_notice_ratelimited!`.
//! - Why this is sound on 7.3: the functions of helpers.c copy the name of the current task, and
//!   use a static rate limit with a lock of its own.
//! - Delete when upstream has both.
//!
//! C headers: [`include/linux/sched.h`](srctree/include/linux/sched.h),
//! [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use kernel::{
    current,
    fmt,
    str::CStr, //
};

/// `TASK_COMM_LEN` of `include/linux/sched.h`.
const NAME_LEN: usize = 16;

// Defined in helpers.c.
extern "C" {
    fn barium_current_comm(name: *mut [u8; NAME_LEN]);
    fn barium_may_log() -> bool;
}

/// Returns true if the driver may log a message that a process can provoke, and false if it has
/// logged 10 of them in the last 5 s.
pub(crate) fn may_log() -> bool {
    // SAFETY: `barium_may_log()` has no preconditions.
    unsafe { barium_may_log() }
}

/// The name and the id of a process. Written as `name[id]`.
pub(crate) struct Process {
    name: [u8; NAME_LEN],
    pid: i32,
}

/// Returns the current process.
pub(crate) fn current_process() -> Process {
    let mut name = [0; NAME_LEN];
    // SAFETY: `name` is valid for writes of `TASK_COMM_LEN` bytes.
    unsafe { barium_current_comm(&raw mut name) };
    Process {
        name,
        pid: current!().tgid(),
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = CStr::from_bytes_until_nul(&self.name).unwrap_or(c"?");
        // A program chooses its own name, in which other bytes could end the line of the log.
        for byte in name.to_bytes() {
            let shown = match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '?',
            };
            write!(f, "{shown}")?;
        }
        write!(f, "[{}]", self.pid)
    }
}
