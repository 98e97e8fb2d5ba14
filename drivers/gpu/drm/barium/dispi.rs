// SPDX-License-Identifier: GPL-2.0

//! The display's registers (QEMU's `docs/specs/standard-vga.rst` and `bochs-display`), and what
//! they say of the device.

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

register! {
    /// Which version of the interface the device has. 0xB0C0 to 0xB0C5 exist.
    pub(crate) ID(u16) @ 0x500 {
        15:4 family;
        3:0 version;
    }

    /// The size of VRAM in units of [`VRAM_UNIT`].
    pub(crate) VIDEO_MEMORY_64K(u16) @ 0x514 {
        15:0 units;
    }
}

/// What all values of [`ID`] have in common.
const ID_FAMILY: u16 = 0xb0c;
/// The unit of [`VIDEO_MEMORY_64K`] in bytes.
const VRAM_UNIT: usize = 64 * 1024;

/// Makes sure that this is such a display, and asks it how much VRAM it has.
///
/// Errors: `ENODEV` if it is no such display, which is reported; `EBUSY` if the registers are
/// claimed by somebody else.
pub(crate) fn vram_size(pdev: &pci::Device<Bound>) -> Result<VramSize> {
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
        .inspect_err(|err| dev_err!(pdev, "can't map register BAR {REGISTER_BAR}: {err:?}\n"))?;

    let id = (&regs).read(ID);
    if id.family().get() != ID_FAMILY {
        dev_err!(
            pdev,
            "ID register reads {:#06x}, not {ID_FAMILY:#05x}x: not a display of this kind\n",
            id.into_raw()
        );
        return Err(ENODEV);
    }

    let units = usize::from((&regs).read(VIDEO_MEMORY_64K).units().get());
    VramSize::new(units * VRAM_UNIT).ok_or_else(|| {
        dev_err!(pdev, "the display says that it has no VRAM\n");
        ENODEV
    })
}
