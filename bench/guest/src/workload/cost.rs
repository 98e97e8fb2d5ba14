// SPDX-License-Identifier: GPL-2.0 OR MIT

//! All workloads whose cost is measured in guest instructions.

use std::io;

use super::{display, full, lifecycle, processes, shadow, touch};
use crate::method::Device;
use crate::row::Outcome;
use crate::Result;

/// Measures a workload on a device.
type Measure = Box<dyn Fn(&Device) -> io::Result<Outcome>>;

/// A workload.
pub struct Workload {
    /// Its name in the results.
    pub name: String,
    measure: Measure,
}

impl Workload {
    pub(super) fn new(
        name: String,
        measure: impl Fn(&Device) -> io::Result<Outcome> + 'static,
    ) -> Self {
        Self {
            name,
            measure: Box::new(measure),
        }
    }

    /// Measures the workload. If it does not fit into the device, the result is missing, which is
    /// no error.
    pub fn run(&self, device: &Device) -> Result<Outcome> {
        match (self.measure)(device) {
            Err(error) if does_not_fit(&error) => Ok(Outcome::Missing("does not fit".into())),
            other => Ok(other?),
        }
    }
}

/// Returns all workloads.
pub fn all() -> Vec<Workload> {
    let mut all = touch::workloads();
    all.extend(lifecycle::workloads());
    all.extend(processes::workloads());
    all.extend(display::workloads());
    all.extend(full::workloads());
    all.extend(shadow::workloads());
    all
}

/// qxl returns ENOMEM when VRAM is full.
fn does_not_fit(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSPC) | Some(libc::ENOMEM)
    )
}
