// SPDX-License-Identifier: GPL-2.0

//! Hibernation: VRAM loses its content while the machine is off, system memory is restored from the
//! image. So the allocated parts of VRAM are copied to system memory before the image is made, and
//! back when it has been restored.

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

/// The allocated parts of VRAM, and memory for their content.
struct Copy {
    /// Offset and length in bytes.
    parts: KVec<(VramOffset, usize)>,
    /// The content of the parts, one after the other. These are ordinary pages, which are a part of
    /// the hibernation image.
    memory: VVec<u8>,
    /// The bytes of VRAM that were available when the memory was allocated.
    available: u64,
    /// Whether `memory` holds the content.
    is_filled: bool,
}

/// Keeps a copy of VRAM's content across hibernation.
pub(crate) struct VramBackup(Pin<KBox<Mutex<Option<Copy>>>>);

impl VramBackup {
    /// Creates a backup that holds nothing. Errors: `ENOMEM`.
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
        *self.0.lock() = Some(Copy {
            parts,
            memory,
            available,
            is_filled: false,
        });
        Ok(())
    }

    /// Saves the content of VRAM if [`Self::prepare`] has been called.
    ///
    /// # Errors
    ///
    /// `EBUSY` if VRAM has been allocated since: there is no place for that.
    pub(crate) fn save(&self, manager: &VramManager, bar: &VramBar<'_>) -> Result {
        let mut guard = self.0.lock();
        let slot = &mut *guard;
        let Some(copy) = slot.as_mut() else {
            return Ok(());
        };
        if manager.available() < copy.available {
            return Err(EBUSY);
        }
        let mut rest = copy.memory.as_mut_slice();
        for &(offset, len) in &copy.parts {
            let (part, behind) = rest.split_at_mut_checked(len).ok_or(EINVAL)?;
            bar.read(offset, part)?;
            rest = behind;
        }
        copy.is_filled = true;
        Ok(())
    }

    /// Restores the content of VRAM if [`Self::save`] has saved it.
    pub(crate) fn restore(&self, bar: &VramBar<'_>) -> Result {
        let guard = self.0.lock();
        let Some(copy) = guard.as_ref().filter(|copy| copy.is_filled) else {
            return Ok(());
        };
        let mut rest = copy.memory.as_slice();
        for &(offset, len) in &copy.parts {
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
