// SPDX-License-Identifier: GPL-2.0

//! Saves VRAM across hibernation.
//!
//! VRAM loses its contents while the machine is off; the kernel restores system memory from the
//! hibernation image. So the driver copies the parts of VRAM that are still allocated to system
//! memory before the kernel creates the image, and copies them back after the kernel has restored
//! it. Before that, it has moved all objects out of VRAM that can be moved ([`crate::driver`]). The
//! rest consists of pictures that are shown, objects that the kernel maps, and objects for which
//! there is no system memory.

use super::{
    VramBar,
    VramManager,
    VramOffset, //
};
use kernel::{
    alloc::flags::__GFP_NOWARN,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// The allocated parts of VRAM, and memory for their contents.
struct Contents {
    /// The offset and the length of each part, in bytes.
    parts: KVVec<(VramOffset, usize)>,
    /// The contents of the parts, one after the other. The hibernation image includes these pages,
    /// as they are ordinary memory.
    memory: VVec<u8>,
    /// The number of bytes of VRAM that were available when the memory was allocated.
    available: u64,
    /// True if `memory` holds the contents.
    is_filled: bool,
}

/// The memory for a copy of the contents of VRAM; `None` except during hibernation.
pub(crate) struct VramBackup(Pin<KBox<Mutex<Option<Contents>>>>);

impl VramBackup {
    /// Creates an empty backup.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        KBox::pin_init(new_mutex!(None), GFP_KERNEL).map(Self)
    }

    /// Allocates memory for the allocated parts of VRAM.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn prepare(&self, manager: &VramManager) -> Result {
        let available = manager.available();
        let parts = manager.allocated()?;
        let len = parts.iter().map(|&(_, len)| len).sum();
        let memory = VVec::zeroed(len, GFP_KERNEL | __GFP_NOWARN)?;
        *self.0.lock() = Some(Contents {
            parts,
            memory,
            available,
            is_filled: false,
        });
        Ok(())
    }

    /// Saves the contents of VRAM if [`Self::prepare`] has allocated memory.
    ///
    /// # Errors
    ///
    /// `EBUSY` if more VRAM is in use than when [`Self::prepare`] allocated the memory.
    pub(crate) fn save(&self, manager: &VramManager, bar: &VramBar<'_>) -> Result {
        let mut guard = self.0.lock();
        let slot = &mut *guard;
        let Some(contents) = slot.as_mut() else {
            return Ok(());
        };
        if manager.available() < contents.available {
            return Err(EBUSY);
        }
        let mut rest = contents.memory.as_mut_slice();
        for &(offset, len) in &contents.parts {
            let (part, behind) = rest.split_at_mut_checked(len).ok_or(EINVAL)?;
            bar.read(offset, part)?;
            rest = behind;
        }
        contents.is_filled = true;
        Ok(())
    }

    /// Restores the contents of VRAM if [`Self::save`] has saved them.
    pub(crate) fn restore(&self, bar: &VramBar<'_>) -> Result {
        let guard = self.0.lock();
        let Some(contents) = guard.as_ref().filter(|contents| contents.is_filled) else {
            return Ok(());
        };
        let mut rest = contents.memory.as_slice();
        for &(offset, len) in &contents.parts {
            let (part, behind) = rest.split_at_checked(len).ok_or(EINVAL)?;
            bar.write(offset, part)?;
            rest = behind;
        }
        Ok(())
    }

    /// Frees the memory.
    pub(crate) fn discard(&self) {
        *self.0.lock() = None;
    }
}
