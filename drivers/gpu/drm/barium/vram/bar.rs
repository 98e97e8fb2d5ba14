// SPDX-License-Identifier: GPL-2.0

//! The BAR through which the CPU accesses VRAM.
//!
//! The BAR is claimed and mapped write-combining while the driver is bound. It is the only source
//! of a [`PfnRange`]. This module does not deal with allocations.

use super::{
    VramOffset,
    VramPage,
    VramSize, //
};
use crate::upstream::{
    shared_bytes::SharedBytes,
    wc_bar::{
        BarPart,
        Lines,
        PfnRange,
        VMap,
        WcBar, //
    }, //
};
use core::mem::MaybeUninit;
use kernel::{
    device::Bound,
    page::PAGE_SHIFT,
    pci,
    prelude::*, //
};

/// The index of the BAR for VRAM.
const VRAM_BAR: u32 = 0;

/// The claimed and mapped BAR, which shows all of VRAM from offset 0.
pub(crate) struct VramBar<'bound>(WcBar<'bound>);

impl<'bound> VramBar<'bound> {
    /// Claims the BAR and maps it. The BAR must contain all of VRAM, `vram` bytes.
    ///
    /// # Errors
    ///
    /// - `ENODEV` if the BAR is smaller than VRAM.
    /// - `ENOMEM` if there is no memory to map it.
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
            .inspect_err(|err| dev_err!(pdev, "can't map VRAM (BAR {VRAM_BAR}): {err:?}\n"))
            .map(Self)
    }

    /// Returns the PFN of `page`, together with the other PFNs of its extent; `None` if a part of
    /// the extent is not in the BAR.
    #[inline]
    pub(crate) fn pfn_range(&self, page: VramPage) -> Option<PfnRange<'_>> {
        let first = page.extent_offset.0 >> PAGE_SHIFT;
        self.0.pfn_range(first, page.extent_pages, page.index)
    }

    /// Returns a mapping of the `len` bytes from `offset` on, for DRM's in-kernel clients; `ERANGE`
    /// if some of them are not in the BAR.
    pub(crate) fn vmap(&self, offset: VramOffset, len: usize) -> Result<VMap> {
        self.0.vmap(offset.0, len)
    }

    /// Returns the `len` bytes from `offset` on, for the panic screen; `ERANGE` if some of them are
    /// not in the BAR. Takes no lock.
    pub(crate) fn part(&self, offset: VramOffset, len: usize) -> Result<BarPart<'_>> {
        self.0.part(offset.0, len)
    }

    /// Fills `len` bytes from `offset` on with zeros; `ERANGE` if some of them are not in the BAR.
    pub(crate) fn clear(&self, offset: VramOffset, len: usize) -> Result {
        self.0.clear(offset.0, len)
    }

    /// Fills `buf` with the bytes from `offset` on; `ERANGE` if some of them are not in the BAR.
    pub(crate) fn read(&self, offset: VramOffset, buf: &mut [u8]) -> Result {
        self.0.read(offset.0, buf)
    }

    /// Initialises `buf` with the bytes from `offset` on, and returns it; `ERANGE` if some of them
    /// are not in the BAR.
    pub(crate) fn read_uninit<'b>(
        &self,
        offset: VramOffset,
        buf: &'b mut [MaybeUninit<u8>],
    ) -> Result<&'b mut [u8]> {
        self.0.read_uninit(offset.0, buf)
    }

    /// Copies `lines` of `source` to VRAM; `ERANGE` if a part of them is not in `source` or not in
    /// the BAR.
    pub(crate) fn copy_lines(&self, source: SharedBytes<'_>, lines: &Lines) -> Result {
        self.0.copy_lines(source, lines)
    }

    /// Writes `buf` to the bytes from `offset` on; `ERANGE` if some of them are not in the BAR.
    pub(crate) fn write(&self, offset: VramOffset, buf: &[u8]) -> Result {
        self.0.write(offset.0, buf)
    }
}
