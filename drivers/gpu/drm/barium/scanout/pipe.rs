// SPDX-License-Identifier: GPL-2.0

//! The screen: tells the device what to show, in as few register accesses as possible.
//!
//! Each access of a register leaves the guest. So what the device has been told is kept, and only
//! what differs is told again: a flip between two pictures of the same size takes two writes, or
//! one.

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

/// What the device has been told.
struct Programmed {
    /// What is shown; `None` if it is not known.
    scanout: Option<Scanout>,
    /// `None` if it is not known.
    byte_order: Option<ByteOrder>,
}

impl Programmed {
    const UNKNOWN: Self = Self {
        scanout: None,
        byte_order: None,
    };
}

/// The registers, and what they hold.
pub(crate) struct Pipe<'bound> {
    regs: Registers<'bound>,
    kind: Kind,
    has_byte_order: bool,
    programmed: Pin<KBox<Mutex<Programmed>>>,
}

impl<'bound> Pipe<'bound> {
    /// A screen that shows what it shows, until it is told something else. Errors: `ENOMEM`.
    pub(crate) fn new(regs: Registers<'bound>, properties: &Properties) -> Result<Self> {
        let programmed = KBox::pin_init(new_mutex!(Programmed::UNKNOWN), GFP_KERNEL)?;
        Ok(Self {
            regs,
            kind: properties.kind,
            has_byte_order: properties.has_byte_order,
            programmed,
        })
    }

    /// Shows `new`.
    ///
    /// With each write, a VGA sets the row to 0 if the picture would end behind VRAM now, and the
    /// column as well if it still would. A column and the row that was told before may be such a
    /// picture; then the row differs from the new one, and is told next.
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
        // Lines of another length have other places.
        let old = old.filter(|old| old.line == new.line);
        if old.is_none() {
            self.regs.set_virt_width(new.line);
        }
        if old.is_none_or(|old| old.column != new.column) {
            self.regs.set_x_offset(new.column);
        }
        if old.is_none_or(|old| old.row != new.row) {
            self.regs.set_y_offset(new.row);
        }
        programmed.scanout = Some(new);
    }

    /// Lets a picture be seen.
    pub(crate) fn switch_on(&self) {
        if self.kind != Kind::Bochs {
            self.regs.set_picture(true);
        }
    }

    /// Lets no picture be seen. `bochs-display` cannot do that: its window keeps the last one.
    ///
    /// Forgets what the device has been told: whatever has happened to it, switching the screen off
    /// and on again programs all of it.
    pub(crate) fn switch_off(&self) {
        let mut programmed = self.programmed.lock();
        match self.kind {
            Kind::Vga { .. } => self.regs.set_picture(false),
            Kind::Bochs => self.regs.disable(),
        }
        *programmed = Programmed::UNKNOWN;
    }

    /// Disables the display, as it is after a reset. The next driver, or the next kernel, finds it so.
    pub(crate) fn disable(&self) {
        self.switch_off();
        let _programmed = self.programmed.lock();
        self.regs.disable();
    }

    /// Forgets what the device has been told: it was reset.
    pub(crate) fn forget(&self) {
        *self.programmed.lock() = Programmed::UNKNOWN;
    }

    /// Fills `buf` with what is `offset` bytes into the EDID; `ERANGE` if that is not all in it.
    pub(crate) fn read_edid(&self, offset: usize, buf: &mut [u8]) -> Result {
        self.regs.read_edid(offset, buf)
    }
}

/// What is in VRAM from now on is no picture of ours.
impl Drop for Pipe<'_> {
    fn drop(&mut self) {
        self.disable();
    }
}
