// SPDX-License-Identifier: GPL-2.0

//! The display's registers (QEMU's `docs/specs/standard-vga.rst` and `bochs-display`), and what
//! they say of the device.
//!
//! Which values make sense together is [`crate::display`]'s business.

use crate::vram::VramSize;
use kernel::{
    device::Bound,
    io::{
        register,
        Io, //
    },
    pci,
    prelude::*, //
};

/// The BAR with the registers.
const REGISTER_BAR: u32 = 2;
/// The length of that BAR in bytes.
const REGISTER_BAR_LEN: usize = 0x1000;
/// The bytes at its start that hold the EDID.
const EDID_LEN: usize = 0x400;

register! {
    /// VGA: the index of the attribute controller, and whether there is a picture.
    ATTRIBUTE_INDEX(u8) @ 0x400 {
        5:5 picture => bool;
    }

    /// VGA: where ports are.
    MISCELLANEOUS(u8) @ 0x402 {
        /// VGA's memory can be accessed.
        1:1 memory => bool;
        /// Ports are where those of a colour display are, at 0x3d0.
        0:0 color => bool;
    }

    /// VGA: reading it makes the next write to [`ATTRIBUTE_INDEX`] one of the index.
    INPUT_STATUS(u8) @ 0x41a {}

    /// Which version of the interface the device has. 0xB0C0 to 0xB0C5 exist.
    ID(u16) @ 0x500 {
        15:4 family;
        3:0 version;
    }

    /// The pixels of a line that are shown.
    XRES(u16) @ 0x502 {
        15:0 value;
    }

    /// The lines that are shown.
    YRES(u16) @ 0x504 {
        15:0 value;
    }

    /// The bits of a pixel.
    BPP(u16) @ 0x506 {
        15:0 value;
    }

    /// What is on.
    ENABLE(u16) @ 0x508 {
        /// VRAM is left as it is when the display is enabled.
        7:7 keep_memory => bool;
        /// All of VRAM is in BAR 0, instead of a window of it in VGA's memory.
        6:6 linear => bool;
        /// [`XRES`], [`YRES`] and [`BPP`] read as the largest values, if the device knows them.
        1:1 capabilities => bool;
        /// The display is enabled. The step from 0 to 1 resets the three registers below.
        0:0 enabled => bool;
    }

    /// The pixels from the start of a line to that of the next.
    VIRT_WIDTH(u16) @ 0x50c {
        15:0 value;
    }

    /// The pixels, in a line of [`VIRT_WIDTH`], before the first one that is shown.
    X_OFFSET(u16) @ 0x510 {
        15:0 value;
    }

    /// The lines before the first one that is shown.
    Y_OFFSET(u16) @ 0x512 {
        15:0 value;
    }

    /// The size of VRAM in units of [`VRAM_UNIT`].
    VIDEO_MEMORY_64K(u16) @ 0x514 {
        15:0 units;
    }

    /// The bytes of QEMU's own registers, from here on.
    EXTENSION_SIZE(u32) @ 0x600 {
        31:0 bytes;
    }

    /// The byte order of pixels.
    BYTE_ORDER(u32) @ 0x604 {
        31:0 value;
    }
}

/// What all values of [`ID`] have in common.
const ID_FAMILY: u16 = 0xb0c;
/// The unit of [`VIDEO_MEMORY_64K`] in bytes.
const VRAM_UNIT: usize = 64 * 1024;
/// The least [`EXTENSION_SIZE`] of a device that has [`BYTE_ORDER`], and the largest there can be.
const EXTENSION_WITH_BYTE_ORDER: core::ops::Range<u32> = 8..0xa00;

/// In which order the bytes of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

/// The kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `bochs-display`: the DISPI registers and nothing else.
    Bochs,
    /// `VGA` and `secondary-vga`: a VGA with these registers, which says how large a mode may be.
    Vga { max_width: u16, max_height: u16 },
}

/// What is known of a device.
#[derive(Clone, Copy)]
pub(crate) struct Properties {
    pub(crate) kind: Kind,
    pub(crate) vram: VramSize,
    /// Whether [`Registers::set_byte_order`] does something.
    pub(crate) has_byte_order: bool,
}

/// The registers of a display of this kind, claimed.
pub(crate) struct Registers<'bound>(pci::Bar<'bound, REGISTER_BAR_LEN>);

impl<'bound> Registers<'bound> {
    /// Claims them, and makes sure that this is such a display.
    ///
    /// Errors: `ENODEV` if it is no such display, which is reported; `EBUSY` if the registers are
    /// claimed by somebody else.
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

    /// Asks the device what it is. Errors: `ENODEV` if it has no VRAM, which is reported.
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

    fn size(&self) -> (u16, u16) {
        (
            (&self.0).read(XRES).value().get(),
            (&self.0).read(YRES).value().get(),
        )
    }

    /// What `VGA` is asked for its capabilities, it answers instead of the size that is set, which
    /// cannot be that large. The picture stays.
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

    /// Enables the display with this size, and leaves VRAM as it is. The picture starts at the
    /// start of VRAM, and a line is as long as is shown.
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

    /// Sets the length of a line, in pixels.
    pub(crate) fn set_virt_width(&self, pixels: u16) {
        (&self.0).write_reg(VIRT_WIDTH::from(pixels));
    }

    /// Sets the column that the picture starts with.
    pub(crate) fn set_x_offset(&self, pixels: u16) {
        (&self.0).write_reg(X_OFFSET::from(pixels));
    }

    /// Sets the line that the picture starts with.
    pub(crate) fn set_y_offset(&self, lines: u16) {
        (&self.0).write_reg(Y_OFFSET::from(lines));
    }

    /// Sets the byte order of pixels.
    pub(crate) fn set_byte_order(&self, order: ByteOrder) {
        (&self.0).write_reg(BYTE_ORDER::from(match order {
            ByteOrder::Little => 0x1e1e_1e1e,
            ByteOrder::Big => 0xbebe_bebe,
        }));
    }

    /// Lets a VGA show a picture, or a black screen.
    pub(crate) fn set_picture(&self, on: bool) {
        (&self.0).write_reg(MISCELLANEOUS::zeroed().with_memory(true).with_color(true));
        let _ = (&self.0).read(INPUT_STATUS);
        (&self.0).write_reg(ATTRIBUTE_INDEX::zeroed().with_picture(on));
    }

    /// Fills `buf` with what is `offset` bytes into the EDID; `ERANGE` if that is not all in it.
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
