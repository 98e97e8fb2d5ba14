// SPDX-License-Identifier: GPL-2.0

//! The pipe: programs the device, in as few register accesses as possible.
//!
//! Each access of a register exits to the hypervisor. So the driver keeps the values that it has
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
    /// `None` if not known.
    scanout: Option<Scanout>,
    /// `None` if not known.
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
    /// At each write a VGA checks whether the picture is inside VRAM. If it is not, the VGA sets
    /// the Y offset to 0, and the X offset as well if that is not enough. The new X offset with the
    /// old Y offset may be such a picture. The new Y offset differs from the old one then, so it is
    /// written next.
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
        // With another VIRT_WIDTH, the same offsets are another address.
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

    /// Ends [`Self::switch_off`]. [`Self::show`] has programmed the picture before.
    pub(crate) fn switch_on(&self) {
        if self.kind != Kind::Bochs {
            self.regs.set_picture(true);
        }
    }

    /// Blanks the screen. `bochs-display` cannot do that: it is disabled, and QEMU's window keeps
    /// the last picture.
    ///
    /// Forgets what the registers hold, so that switching the display off and on programs all of
    /// them, whatever has happened to the device.
    pub(crate) fn switch_off(&self) {
        let mut programmed = self.programmed.lock();
        match self.kind {
            Kind::Vga { .. } => self.regs.set_picture(false),
            Kind::Bochs => self.regs.disable(),
        }
        *programmed = Programmed::UNKNOWN;
    }

    /// Disables the display, as it is after a reset, for the next driver or the next kernel.
    pub(crate) fn disable(&self) {
        self.switch_off();
        let _programmed = self.programmed.lock();
        self.regs.disable();
    }

    /// Forgets what the registers hold, because the device was reset.
    pub(crate) fn forget(&self) {
        *self.programmed.lock() = Programmed::UNKNOWN;
    }

    /// Reads the EDID from byte `offset` on into `buf`.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the EDID is shorter.
    pub(crate) fn read_edid(&self, offset: usize, buf: &mut [u8]) -> Result {
        self.regs.read_edid(offset, buf)
    }
}

/// VRAM does not hold a picture of this driver any more.
impl Drop for Pipe<'_> {
    fn drop(&mut self) {
        self.disable();
    }
}
