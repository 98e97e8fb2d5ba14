// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Loads and unloads modules; the driver's parameters select its mode.

use std::ffi::{CStr, CString};
use std::thread;
use std::time::{Duration, Instant};

use crate::kcov::Kcov;
use crate::sys;

/// Time limit for other users of a module to release it.
const UNLOAD_LIMIT: Duration = Duration::from_secs(30);

/// A mode of the driver: its module parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Fault-around is enabled.
    pub fault_around: bool,
    /// Huge entries are enabled.
    pub huge: bool,
}

impl Mode {
    /// All modes, the driver's default first.
    pub const ALL: [Self; 4] = [
        Self::new(true, true),
        Self::new(false, false),
        Self::new(true, false),
        Self::new(false, true),
    ];

    const fn new(fault_around: bool, huge: bool) -> Self {
        Self { fault_around, huge }
    }
}

/// The driver's module.
pub struct Module {
    path: String,
    mode: Option<Mode>,
}

impl Module {
    /// Returns the module in the file `path`.
    pub fn new(path: &str) -> Self {
        Self {
            path: path.into(),
            mode: None,
        }
    }

    /// Returns true if the module is loaded in this mode.
    pub fn is_in(&self, mode: Mode) -> bool {
        self.mode == Some(mode)
    }

    /// Loads the module in this mode and returns the coverage of its initialisation.
    pub fn load(&mut self, mode: Mode) -> Result<Vec<usize>, String> {
        let path = &self.path;
        let failed = |error| format!("{path} cannot be loaded: {}", sys::error_name(error));
        self.mode = None;
        unload(c"barium").map_err(|error| format!("unloading: {}", sys::error_name(error)))?;
        let kcov = match Kcov::is_there() {
            true => Some(Kcov::new().map_err(|e| format!("KCOV: {e}"))?),
            false => None,
        };
        let file = sys::open(path, libc::O_RDONLY | libc::O_CLOEXEC).map_err(failed)?;
        let flag = |is: bool| if is { 'Y' } else { 'N' };
        let parameters = format!(
            "render_node=1 fault_around={} huge={}",
            flag(mode.fault_around),
            flag(mode.huge)
        );
        let parameters = CString::new(parameters).expect("no zero in it");
        let child = match sys::fork().map_err(failed)? {
            0 => {
                if let Some(kcov) = &kcov {
                    kcov.enable();
                }
                let load = [sys::fd(file), parameters.as_ptr() as usize, 0];
                sys::exit(sys::call(libc::SYS_finit_module, &load).err().unwrap_or(0))
            }
            child => child,
        };
        let ended = sys::wait(child, 0).map_err(failed)?;
        let _ = sys::call(libc::SYS_close, &[sys::fd(file)]);
        match ended {
            (_, 0) => self.mode = Some(mode),
            (_, status) => return Err(failed(libc::WEXITSTATUS(status))),
        }
        let mut addresses = Vec::new();
        if let Some(kcov) = kcov {
            kcov.take(|address| addresses.push(address));
        }
        Ok(addresses)
    }
}

/// Unloads the module `name` if it is loaded.
pub fn unload(name: &CStr) -> Result<(), i32> {
    let start = Instant::now();
    loop {
        match sys::call(libc::SYS_delete_module, &[name.as_ptr() as usize, 0]) {
            Ok(_) | Err(libc::ENOENT) => return Ok(()),
            Err(libc::EAGAIN | libc::EBUSY) if start.elapsed() < UNLOAD_LIMIT => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(error),
        }
    }
}
