// SPDX-License-Identifier: GPL-2.0

//! The aperture: the BAR through which the CPU sees VRAM.
//!
//! It is claimed and write-combining for as long as the driver is bound, and the only maker of a
//! [`Frames`]. What is where in VRAM is not its business.

use super::{
    Run,
    VramOffset,
    VramSize, //
};
use crate::upstream::{
    gem::access::Transfer,
    wc_bar::{
        BarPart,
        Frames,
        KernelMap,
        WcBar, //
    },
};
use kernel::{
    device::Bound,
    pci,
    prelude::*, //
};

/// The BAR that shows VRAM.
const VRAM_BAR: u32 = 0;

/// VRAM as the CPU sees it: all of it, from offset 0.
pub(crate) struct Aperture<'bound>(WcBar<'bound>);

impl<'bound> Aperture<'bound> {
    /// Claims the BAR, which has to show all `vram` bytes.
    ///
    /// Errors: `ENODEV` if it shows less; `EBUSY` if somebody else has claimed it; `ENOMEM`.
    pub(crate) fn new(pdev: &'bound pci::Device<Bound>, vram: VramSize) -> Result<Self> {
        let len = usize::try_from(pdev.resource_len(VRAM_BAR)?)?;
        if len < vram.bytes() {
            dev_err!(
                pdev,
                "the display says that it has {} bytes of VRAM, but BAR {VRAM_BAR} has {len}\n",
                vram.bytes()
            );
            return Err(ENODEV);
        }

        WcBar::new(pdev, VRAM_BAR, c"barium VRAM")
            .inspect_err(|err| match *err {
                EBUSY => dev_err!(
                    pdev,
                    "VRAM (BAR {VRAM_BAR}) is claimed by another driver (see /proc/iomem)\n"
                ),
                _ => dev_err!(pdev, "can't map VRAM (BAR {VRAM_BAR}): {err:?}\n"),
            })
            .map(Self)
    }

    /// The page frame of the page that `run` is about, and those beside it; `None` if the run is
    /// not all in VRAM.
    #[inline]
    pub(crate) fn frames(&self, run: Run) -> Option<Frames<'_>> {
        self.0.frames(run.offset.0, run.pages, run.index)
    }

    /// The `len` bytes from `offset` on, for the kernel to use; `ERANGE` if they are not all in
    /// VRAM.
    pub(crate) fn map(&self, offset: VramOffset, len: usize) -> Result<KernelMap> {
        self.0.map(offset.0, len)
    }

    /// The `len` bytes from `offset` on; `ERANGE` if they are not all in VRAM. Takes no lock.
    pub(crate) fn part(&self, offset: VramOffset, len: usize) -> Result<BarPart<'_>> {
        self.0.part(offset.0, len)
    }

    /// Fills `len` bytes from `offset` with zeros; `ERANGE` if they are not all in VRAM.
    pub(crate) fn clear(&self, offset: VramOffset, len: usize) -> Result {
        self.0.clear(offset.0, len)
    }

    /// Moves bytes between VRAM at `offset` and a debugger; `ERANGE` if they are not all in VRAM.
    pub(crate) fn transfer(&self, offset: VramOffset, transfer: Transfer<'_>) -> Result {
        match transfer {
            Transfer::Peek(buf) => self.0.read(offset.0, buf),
            Transfer::Poke(buf) => self.0.write(offset.0, buf),
        }
    }
}
