// SPDX-License-Identifier: GPL-2.0

//! The pipe: programs the device with as few register accesses as possible.
//!
//! Each register access exits to the hypervisor. So the driver stores the values that it has
//! programmed, and writes only registers whose value changes: a flip between two pictures of the
//! same size takes one or two writes.

use super::{
    blank::Blank,
    limits::{
        ModeLimits,
        Scanout,
        BOCHS_MIN_SIZE, //
    }, //
};
use crate::{
    dispi::{
        ByteOrder,
        Kind,
        Properties,
        Registers, //
    },
    vram::{
        VramBar,
        VramManager,
        VramOffset, //
    }, //
};
use core::ops::Range;
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
    /// True if the attribute controller of a VGA shows the picture; false if it blanks the screen
    /// or if its state is unknown.
    is_picture_on: bool,
}

impl Programmed {
    /// The registers may hold anything.
    const UNKNOWN: Self = Self {
        scanout: None,
        byte_order: None,
        is_picture_on: false,
    };
}

/// The state that the mutex of a pipe protects.
struct State {
    programmed: Programmed,
    /// A black picture to show instead of nothing, if there is one. Only `bochs-display` needs one.
    blank: Option<Blank>,
    /// True if the screen is blank, or was blank before a reset.
    is_blank: bool,
}

/// The registers and the values that they hold.
pub(crate) struct Pipe<'bound> {
    regs: Registers<'bound>,
    kind: Kind,
    has_byte_order: bool,
    /// The mode that firmware left when the pipe was created; `None` if the display was disabled.
    firmware: Option<Scanout>,
    state: Pin<KBox<Mutex<State>>>,
}

impl<'bound> Pipe<'bound> {
    /// Creates a pipe. Stores the mode of the device for [`Self::hand_back`], and does not change
    /// it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(regs: Registers<'bound>, properties: &Properties) -> Result<Self> {
        let state = State {
            programmed: Programmed::UNKNOWN,
            blank: None,
            is_blank: false,
        };
        let firmware = regs.mode().map(|mode| Scanout {
            width: mode.width,
            height: mode.height,
            bits_per_pixel: mode.bits_per_pixel,
            byte_order: ByteOrder::Little,
            virt_width: mode.virt_width,
            x_offset: mode.x_offset,
            y_offset: mode.y_offset,
        });
        Ok(Self {
            regs,
            firmware,
            kind: properties.kind,
            has_byte_order: properties.has_byte_order,
            state: KBox::pin_init(new_mutex!(state), GFP_KERNEL)?,
        })
    }

    /// Returns the kind of the device.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Programs the device with the register values that `new` returns.
    ///
    /// Calls `new` with the mutex held, so that [`Self::relocate`] cannot move the picture between
    /// `new` and the programming.
    ///
    /// # Errors
    ///
    /// The error of `new`.
    pub(crate) fn show(&self, new: impl FnOnce() -> Result<Scanout>) -> Result {
        let mut state = self.state.lock();
        let new = new()?;
        self.program(&mut state.programmed, new);
        state.is_blank = false;
        Ok(())
    }

    /// Calls `copy`, which copies the part `old` of VRAM to the offset `new`, which is lower. If
    /// the device shows a picture that starts in `old`, makes it show the copy.
    ///
    /// # Errors
    ///
    /// The error of `copy`.
    pub(crate) fn relocate(
        &self,
        limits: &ModeLimits,
        old: Range<u64>,
        new: u64,
        copy: impl FnOnce() -> Result,
    ) -> Result {
        let mut state = self.state.lock();
        copy()?;
        let shown = state.programmed.scanout;
        if let Some(shown) = shown.filter(|shown| old.contains(&shown.start())) {
            let moved = limits.moved(&shown, new + shown.start() - old.start)?;
            self.program(&mut state.programmed, moved);
        }
        Ok(())
    }

    /// Programs the device to show `new`.
    ///
    /// On each write, a VGA checks whether the picture ends inside VRAM. If it does not, the VGA
    /// sets the Y offset to 0, and also the X offset if the picture still ends outside. The new X
    /// offset with the old Y offset can trigger this, but it changes the Y offset only: with a Y
    /// offset of 0, the picture ends no later than the new picture, which ends inside VRAM. If the
    /// old Y offset were equal to the new one, the VGA would see the new picture. So they differ,
    /// and this function writes the new Y offset next.
    fn program(&self, programmed: &mut Programmed, new: Scanout) {
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
        if self.kind != Kind::Bochs && !programmed.is_picture_on {
            self.regs.set_picture(true);
            programmed.is_picture_on = true;
        }
    }

    /// Creates a blank picture of `width` by `height` pixels for [`Self::show_nothing`], if the
    /// device needs one. If VRAM has no room for it, creates the smallest one that the device can
    /// show; QEMU's window then becomes as small. If there is no room for that either, there is no
    /// blank picture.
    ///
    /// Does nothing while the screen is blank.
    pub(crate) fn prepare_blank(
        &self,
        limits: &ModeLimits,
        vram: &VramManager,
        bar: &VramBar<'_>,
        width: u16,
        height: u16,
    ) {
        let is_ready = |blank: &Blank| {
            let Scanout {
                width: has_width,
                height: has_height,
                ..
            } = blank.scanout;
            (has_width, has_height) == (width, height)
        };
        if self.kind != Kind::Bochs {
            return;
        }
        let mut state = self.state.lock();
        if state.is_blank || state.blank.as_ref().is_some_and(is_ready) {
            return;
        }
        let old = state.blank.take();
        drop(state);
        drop(old);
        let blank = [(width, height), (BOCHS_MIN_SIZE, BOCHS_MIN_SIZE)]
            .into_iter()
            .find_map(|(width, height)| Blank::new(limits, vram, bar, width, height).ok());
        let mut state = self.state.lock();
        if !state.is_blank {
            state.blank = blank;
        }
    }

    /// Blanks the screen. If `bochs-display` has no blank picture, this function disables the
    /// device, and QEMU's window keeps the last picture.
    ///
    /// Marks all register values as unknown. So switching the display off and on writes all
    /// registers, whatever values the device had.
    pub(crate) fn show_nothing(&self) {
        self.blank_screen(&mut self.state.lock());
    }

    fn blank_screen(&self, state: &mut State) {
        state.programmed = Programmed::UNKNOWN;
        match (self.kind, &state.blank) {
            (Kind::Vga { .. }, _) => self.regs.set_picture(false),
            (Kind::Bochs, Some(blank)) => self.program(&mut state.programmed, blank.scanout),
            (Kind::Bochs, None) => self.regs.disable(),
        }
        state.programmed = Programmed::UNKNOWN;
        state.is_blank = true;
    }

    /// Returns the offset of the blank picture in VRAM, and its length in bytes; `None` if there is
    /// none.
    pub(crate) fn blank_part(&self) -> Option<(VramOffset, usize)> {
        self.state.lock().blank.as_ref().and_then(Blank::part)
    }

    /// Frees the blank picture. If the device shows it, disables the device first. Returns true if
    /// there was a blank picture.
    pub(crate) fn release_blank(&self) -> bool {
        let mut state = self.state.lock();
        let blank = state.blank.take();
        if blank.is_some() && state.is_blank {
            self.regs.disable();
        }
        // Freeing the picture takes the mutex of the manager.
        drop(state);
        blank.is_some()
    }

    /// Disables the display, as a reset does, for the next driver.
    fn disable(&self) {
        let mut state = self.state.lock();
        self.blank_screen(&mut state);
        self.regs.disable();
    }

    /// Prepares the display for the next kernel: sets the mode in which this driver found it, with
    /// a black picture, or leaves it disabled if it was disabled. kexec passes the firmware's
    /// framebuffer on to the next kernel, whose driver for it (efifb, vesafb or simpledrm) draws
    /// into it but cannot set a mode.
    pub(crate) fn hand_back(&self, bar: &VramBar<'_>) {
        self.disable();
        let Some(firmware) = &self.firmware else {
            return;
        };
        let (start, len) = firmware.span();
        if bar.clear(VramOffset(start), len).is_ok() {
            let mut state = self.state.lock();
            self.program(&mut state.programmed, *firmware);
            state.programmed = Programmed::UNKNOWN;
        }
    }

    /// Marks all register values as unknown, and blanks the screen if it was blank. Must be called
    /// after a reset of the device.
    pub(crate) fn restore(&self, bar: &VramBar<'_>) {
        let mut state = self.state.lock();
        state.programmed = Programmed::UNKNOWN;
        // VRAM may have lost its content. This cannot fail: `Blank::new()` has cleared the same
        // part.
        if let Some(Err(_)) = state.blank.as_ref().map(|blank| blank.clear(bar)) {
            return;
        }
        if state.is_blank {
            self.blank_screen(&mut state);
        }
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
