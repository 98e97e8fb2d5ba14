// SPDX-License-Identifier: GPL-2.0

//! Abstractions that the kernel crate lacks, in a form that upstream could adopt.
//!
//! Only this module contains `unsafe` code. The head of each file states what upstream offers today
//! (7.3), the shape it should have, why the code is sound on 7.3, and when to delete it. Of the
//! driver's other modules, the files use [`crate::units`] only: the others supply the driver's
//! policy through traits and closures.

pub(crate) mod debugfs;
pub(crate) mod dmem;
pub(crate) mod drm_driver;
pub(crate) mod dumb;
pub(crate) mod fault_costs;
mod fdinfo;
pub(crate) mod firmware_fb;
pub(crate) mod gem;
pub(crate) mod ioctl;
pub(crate) mod kms;
pub(crate) mod map_ahead;
pub(crate) mod pci;
pub(crate) mod pm;
pub(crate) mod process;
mod raw;
mod rcu_cell;
pub(crate) mod shared_bytes;
pub(crate) mod shmem;
pub(crate) mod shrinker;
pub(crate) mod tmpfs;
pub(crate) mod trace;
pub(crate) mod vma;
mod vtable;
pub(crate) mod wc_bar;
mod zero_io;
