// SPDX-License-Identifier: GPL-2.0

//! The registers of the display, and the properties of a device that it reports in them.
//!
//! [`crate::scanout`] decides which combinations of values are valid.
//!
//! QEMU's `docs/specs/standard-vga.rst` describes the registers.

use crate::vram::VramSize;
use kernel::{
    device::Bound,
    fmt,
    io::{
        register,
        Io, //
    },
    num::Bounded,
    pci,
    prelude::*, //
};

/// The BAR of the registers.
const REGISTER_BAR: u32 = 2;
/// The length of that BAR in bytes.
const REGISTER_BAR_LEN: usize = 0x1000;
/// The length of the EDID at its start, in bytes.
const EDID_LEN: usize = 0x400;

register! {
    /// VGA: attribute controller index (port 0x3c0).
    ATTRIBUTE_INDEX(u8) @ 0x400 {
        /// The screen shows the picture. If this bit is 0, the screen is blank.
        5:5 picture => bool;
    }

    /// VGA: miscellaneous output (port 0x3c2).
    MISCELLANEOUS(u8) @ 0x402 {
        /// The CPU can access video memory.
        1:1 memory => bool;
        /// The CRT controller has the ports of a colour display, at 0x3d0.
        0:0 color => bool;
    }

    /// VGA: input status 1 (port 0x3da). After a read, the next write to [`ATTRIBUTE_INDEX`] sets
    /// the index and not the data.
    INPUT_STATUS(u8) @ 0x41a {}

    /// The version of the DISPI interface: 0xB0C0 to 0xB0C5.
    ID(u16) @ 0x500 {
        15:4 family;
        3:0 version;
    }

    /// The width of the mode in pixels.
    XRES(u16) @ 0x502 {
        15:0 value;
    }

    /// The height of the mode in lines.
    YRES(u16) @ 0x504 {
        15:0 value;
    }

    /// Bits per pixel.
    BPP(u16) @ 0x506 {
        15:0 value;
    }

    /// Enables the display.
    ENABLE(u16) @ 0x508 {
        /// VRAM is not cleared when the display is enabled.
        7:7 keep_memory => bool;
        /// VRAM is accessed linearly, through BAR 0, instead of through banks in VGA's window.
        6:6 linear => bool;
        /// [`XRES`], [`YRES`] and [`BPP`] read as the largest supported values. `bochs-display`
        /// ignores this.
        1:1 capabilities => bool;
        /// The display is enabled. A transition from 0 to 1 resets [`VIRT_WIDTH`], [`X_OFFSET`] and
        /// [`Y_OFFSET`].
        0:0 enabled => bool;
    }

    /// The pitch in pixels.
    VIRT_WIDTH(u16) @ 0x50c {
        15:0 value;
    }

    /// The left edge of the visible part in a line of [`VIRT_WIDTH`] pixels.
    X_OFFSET(u16) @ 0x510 {
        15:0 value;
    }

    /// The top edge of the visible part, in lines from the start of VRAM.
    Y_OFFSET(u16) @ 0x512 {
        15:0 value;
    }

    /// The size of VRAM in units of [`VRAM_UNIT`].
    VIDEO_MEMORY_64K(u16) @ 0x514 {
        15:0 units;
    }

    /// The length in bytes of the QEMU extended registers, which start here.
    EXTENSION_SIZE(u32) @ 0x600 {
        31:0 bytes;
    }

    /// The byte order of pixels.
    BYTE_ORDER(u32) @ 0x604 {
        31:0 order ?=> ByteOrder;
    }
}

/// The upper bits of all values of [`struct@ID`].
const ID_FAMILY: u16 = 0xb0c;
/// The largest VRAM of `bochs-display` in QEMU, in MiB.
const MAX_BOCHS_VRAM_MIB: usize = 256;
/// The largest VRAM of `VGA` and `secondary-vga` in QEMU, in MiB.
const MAX_VGA_VRAM_MIB: usize = 512;
/// The unit of [`struct@VIDEO_MEMORY_64K`], in bytes.
const VRAM_UNIT: usize = 64 * 1024;
/// The values of [`struct@EXTENSION_SIZE`], in bytes, of devices with [`struct@BYTE_ORDER`]. The
/// extended registers must end within the BAR.
const EXTENSION_WITH_BYTE_ORDER: core::ops::Range<u32> = 8..0xa00;

/// The byte order of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum ByteOrder {
    Little = 0x1e1e_1e1e,
    Big = 0xbebe_bebe,
}

impl From<ByteOrder> for Bounded<u32, 32> {
    fn from(order: ByteOrder) -> Self {
        // CAST: The discriminants of the enum are `u32`.
        Self::from(order as u32)
    }
}

impl TryFrom<Bounded<u32, 32>> for ByteOrder {
    type Error = Error;

    fn try_from(value: Bounded<u32, 32>) -> Result<Self> {
        [Self::Little, Self::Big]
            .into_iter()
            .find(|order| Bounded::from(*order) == value)
            .ok_or(EINVAL)
    }
}

/// The kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `bochs-display`: the DISPI registers and nothing else.
    Bochs,
    /// `VGA` and `secondary-vga`: a VGA with the DISPI registers.
    Vga {
        /// The largest width of a mode, in pixels.
        max_width: u16,
        /// The largest height of a mode, in lines.
        max_height: u16,
    },
}

impl Kind {
    /// Returns advice on how to start QEMU with more than `vram` for a device of this kind, as the
    /// end of a message.
    pub(crate) fn more_vram_advice(self, vram: VramSize) -> MoreVramAdvice {
        MoreVramAdvice { kind: self, vram }
    }
}

/// Advice to give a device more VRAM. Empty if QEMU cannot give it more.
pub(crate) struct MoreVramAdvice {
    kind: Kind,
    vram: VramSize,
}

impl fmt::Display for MoreVramAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = 2 * self.vram.mib();
        match self.kind {
            Kind::Bochs if more <= MAX_BOCHS_VRAM_MIB => write!(
                f,
                "; QEMU's -device bochs-display,vgamem={more}M gives more"
            ),
            Kind::Vga { .. } if more <= MAX_VGA_VRAM_MIB => {
                write!(f, "; QEMU's -device VGA,vgamem_mb={more} gives more")
            }
            _ => Ok(()),
        }
    }
}

/// The properties of a device.
#[derive(Clone, Copy)]
pub(crate) struct Properties {
    /// The kind of device.
    pub(crate) kind: Kind,
    /// The size of VRAM.
    pub(crate) vram: VramSize,
    /// Whether the device has the register [`struct@BYTE_ORDER`].
    pub(crate) has_byte_order: bool,
}

/// A mode, and the start of its picture, as in the registers.
pub(crate) struct Mode {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) bits_per_pixel: u16,
    pub(crate) virt_width: u16,
    pub(crate) x_offset: u16,
    pub(crate) y_offset: u16,
}

/// The registers of a device, claimed and mapped.
pub(crate) struct Registers<'bound>(pci::Bar<'bound, REGISTER_BAR_LEN>);

impl<'bound> Registers<'bound> {
    /// Claims and maps the registers of `pdev`, and checks the ID register.
    ///
    /// # Errors
    ///
    /// `ENODEV` if `pdev` is not a display of this kind; `EBUSY` if another driver has claimed the
    /// BAR; `ENOMEM`. Each is logged.
    pub(crate) fn new(pdev: &'bound pci::Device<Bound>) -> Result<Self> {
        let len = usize::try_from(pdev.resource_len(REGISTER_BAR)?)?;
        if len < REGISTER_BAR_LEN {
            dev_err!(
                pdev,
                "register BAR {REGISTER_BAR} has {len} bytes, less than {REGISTER_BAR_LEN}: not a \
                 display of this kind, or a VGA with mmio=off\n"
            );
            return Err(ENODEV);
        }
        let regs = pdev
            .iomap_region_sized::<REGISTER_BAR_LEN>(REGISTER_BAR, c"barium registers")
            .inspect_err(|err| {
                dev_err!(pdev, "can't map register BAR {REGISTER_BAR}: {err:?}\n");
            })?;

        let id = (&regs).read(ID);
        if id.family().get() != ID_FAMILY {
            dev_err!(
                pdev,
                "ID register reads {:#06x}, not {ID_FAMILY:#05x}x: not a display of this kind\n",
                id.into_raw()
            );
            return Err(ENODEV);
        }
        Ok(Self(regs))
    }

    /// Reads the properties of the device.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the device reports no VRAM. The error is logged.
    pub(crate) fn properties(&self, pdev: &pci::Device<Bound>) -> Result<Properties> {
        let units = usize::from((&self.0).read(VIDEO_MEMORY_64K).units().get());
        let vram = VramSize::new(units * VRAM_UNIT).ok_or_else(|| {
            dev_err!(pdev, "the display says that it has no VRAM\n");
            ENODEV
        })?;
        let extension = (&self.0).read(EXTENSION_SIZE).bytes().get();
        Ok(Properties {
            kind: self.kind(),
            vram,
            has_byte_order: EXTENSION_WITH_BYTE_ORDER.contains(&extension),
        })
    }

    /// Reads [`struct@XRES`] and [`struct@YRES`].
    fn size(&self) -> (u16, u16) {
        (
            (&self.0).read(XRES).value().get(),
            (&self.0).read(YRES).value().get(),
        )
    }

    /// Returns the kind of the device: only a VGA has the capabilities bit. While the bit is set,
    /// [`struct@XRES`] and [`struct@YRES`] read as the largest supported size. The programmed mode
    /// has another size, because 16000 by 12000 pixels do not fit in VRAM. The picture does not
    /// change.
    fn kind(&self) -> Kind {
        let enable = (&self.0).read(ENABLE);
        let set = self.size();
        (&self.0).write_reg(enable.with_capabilities(true));
        let (max_width, max_height) = self.size();
        (&self.0).write_reg(enable);
        if set == (max_width, max_height) {
            return Kind::Bochs;
        }
        Kind::Vga {
            max_width,
            max_height,
        }
    }

    /// Reads the mode that the display is in; `None` if the display is disabled or VRAM is accessed
    /// through banks.
    pub(crate) fn mode(&self) -> Option<Mode> {
        let enable = (&self.0).read(ENABLE);
        if !enable.enabled() || !enable.linear() {
            return None;
        }
        let (width, height) = self.size();
        Some(Mode {
            width,
            height,
            bits_per_pixel: (&self.0).read(BPP).value().get(),
            virt_width: (&self.0).read(VIRT_WIDTH).value().get(),
            x_offset: (&self.0).read(X_OFFSET).value().get(),
            y_offset: (&self.0).read(Y_OFFSET).value().get(),
        })
    }

    /// Enables the display in a mode, without clearing VRAM. The picture starts at offset 0 of
    /// VRAM, with a pitch of `width` pixels.
    pub(crate) fn enable(&self, width: u16, height: u16, bits_per_pixel: u16) {
        self.disable();
        (&self.0).write_reg(BPP::from(bits_per_pixel));
        (&self.0).write_reg(XRES::from(width));
        (&self.0).write_reg(YRES::from(height));
        (&self.0).write_reg(
            ENABLE::zeroed()
                .with_keep_memory(true)
                .with_linear(true)
                .with_enabled(true),
        );
    }

    /// Disables the display.
    pub(crate) fn disable(&self) {
        (&self.0).write_reg(ENABLE::zeroed());
    }

    /// Sets the pitch, in pixels.
    pub(crate) fn set_virt_width(&self, pixels: u16) {
        (&self.0).write_reg(VIRT_WIDTH::from(pixels));
    }

    /// Sets the left edge of the picture, in pixels.
    pub(crate) fn set_x_offset(&self, pixels: u16) {
        (&self.0).write_reg(X_OFFSET::from(pixels));
    }

    /// Sets the top edge of the picture, in lines.
    pub(crate) fn set_y_offset(&self, lines: u16) {
        (&self.0).write_reg(Y_OFFSET::from(lines));
    }

    /// Sets the byte order of pixels. The device must have this register.
    pub(crate) fn set_byte_order(&self, order: ByteOrder) {
        (&self.0).write_reg(BYTE_ORDER::zeroed().with_order(order));
    }

    /// Shows the picture on a VGA if `on` is true, otherwise blanks the screen.
    pub(crate) fn set_picture(&self, on: bool) {
        (&self.0).write_reg(MISCELLANEOUS::zeroed().with_memory(true).with_color(true));
        let _ = (&self.0).read(INPUT_STATUS);
        (&self.0).write_reg(ATTRIBUTE_INDEX::zeroed().with_picture(on));
    }

    /// Fills `buf` with bytes of the EDID, starting at byte `offset` of the EDID.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the EDID ends before `offset + buf.len()` bytes.
    pub(crate) fn read_edid(&self, offset: usize, buf: &mut [u8]) -> Result {
        if offset
            .checked_add(buf.len())
            .is_none_or(|end| end > EDID_LEN)
        {
            return Err(ERANGE);
        }
        for (byte, at) in buf.iter_mut().zip(offset..) {
            *byte = (&self.0).try_read8(at)?;
        }
        Ok(())
    }
}
