// SPDX-License-Identifier: GPL-2.0

//! The pipe: programs the device with as few register accesses as possible.
//!
//! Each register access exits to the hypervisor. So the driver stores the values that it has
//! programmed, and writes only registers whose value changes: a flip between two pictures of the
//! same size takes one or two writes.

use super::limits::Scanout;
use crate::dispi::{
    ByteOrder,
    Kind,
    Properties,
    Registers, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// The values that the registers hold.
struct Programmed {
    /// The values for the picture; `None` if unknown.
    scanout: Option<Scanout>,
    /// The value of the byte order register; `None` if unknown.
    byte_order: Option<ByteOrder>,
}

impl Programmed {
    /// The registers may hold anything.
    const UNKNOWN: Self = Self {
        scanout: None,
        byte_order: None,
    };
}

/// The registers and the values that they hold.
pub(crate) struct Pipe<'bound> {
    regs: Registers<'bound>,
    kind: Kind,
    has_byte_order: bool,
    programmed: Pin<KBox<Mutex<Programmed>>>,
}

impl<'bound> Pipe<'bound> {
    /// Creates a pipe. Does not access the device.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(regs: Registers<'bound>, properties: &Properties) -> Result<Self> {
        let programmed = KBox::pin_init(new_mutex!(Programmed::UNKNOWN), GFP_KERNEL)?;
        Ok(Self {
            regs,
            kind: properties.kind,
            has_byte_order: properties.has_byte_order,
            programmed,
        })
    }

    /// Programs the device to show `new`.
    ///
    /// On each write, a VGA checks whether the picture ends inside VRAM. If it does not, the VGA
    /// sets the Y offset to 0, and also the X offset if the picture still ends outside. The new X
    /// offset with the old Y offset can trigger this, but it changes the Y offset only: with a Y
    /// offset of 0, the picture ends no later than the new picture, which ends inside VRAM. If the
    /// old Y offset were equal to the new one, the VGA would see the new picture. So they differ,
    /// and this function writes the new Y offset next.
    pub(crate) fn show(&self, new: Scanout) {
        let mut programmed = self.programmed.lock();
        if self.has_byte_order && programmed.byte_order != Some(new.byte_order) {
            self.regs.set_byte_order(new.byte_order);
            programmed.byte_order = Some(new.byte_order);
        }
        let same_mode = |old: &Scanout| {
            (old.width, old.height, old.bits_per_pixel)
                == (new.width, new.height, new.bits_per_pixel)
        };
        let old = programmed.scanout.filter(same_mode);
        if old.is_none() {
            self.regs.enable(new.width, new.height, new.bits_per_pixel);
        }
        // With a different VIRT_WIDTH, the same offsets give a different address.
        let old = old.filter(|old| old.virt_width == new.virt_width);
        if old.is_none() {
            self.regs.set_virt_width(new.virt_width);
        }
        if old.is_none_or(|old| old.x_offset != new.x_offset) {
            self.regs.set_x_offset(new.x_offset);
        }
        if old.is_none_or(|old| old.y_offset != new.y_offset) {
            self.regs.set_y_offset(new.y_offset);
        }
        programmed.scanout = Some(new);
    }

    /// Unblanks the screen after [`Self::switch_off`]. Call [`Self::show`] first.
    pub(crate) fn switch_on(&self) {
        if self.kind != Kind::Bochs {
            self.regs.set_picture(true);
        }
    }

    /// Blanks the screen. `bochs-display` cannot blank it: this function disables the device, and
    /// QEMU's window keeps the last picture.
    ///
    /// Marks all register values as unknown. So switching the display off and on writes all
    /// registers, whatever values the device had.
    pub(crate) fn switch_off(&self) {
        let mut programmed = self.programmed.lock();
        match self.kind {
            Kind::Vga { .. } => self.regs.set_picture(false),
            Kind::Bochs => self.regs.disable(),
        }
        *programmed = Programmed::UNKNOWN;
    }

    /// Disables the display, as a reset does, for the next driver or the next kernel.
    pub(crate) fn disable(&self) {
        self.switch_off();
        let _programmed = self.programmed.lock();
        self.regs.disable();
    }

    /// Marks all register values as unknown. Must be called after a reset of the device.
    pub(crate) fn forget(&self) {
        *self.programmed.lock() = Programmed::UNKNOWN;
    }

    /// Fills `buf` with bytes of the EDID, starting at byte `offset` of the EDID.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the EDID ends before `offset + buf.len()` bytes.
    pub(crate) fn read_edid(&self, offset: usize, buf: &mut [u8]) -> Result {
        self.regs.read_edid(offset, buf)
    }
}

/// Disables the display, because the driver no longer owns the VRAM that the display shows.
impl Drop for Pipe<'_> {
    fn drop(&mut self) {
        self.disable();
    }
}
