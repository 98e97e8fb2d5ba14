// SPDX-License-Identifier: GPL-2.0

//! A module for tests, which shows page table entries of the process that asks: where an address is
//! mapped, with an entry of which size, and of which memory type. `/dev/barium_entry` has one ioctl,
//! which `barium_entry.h` describes. It shows physical addresses to every process that can open it.

use kernel::{
    fs::File,
    ioctl::_IOWR,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

module! {
    type: EntryModule,
    name: "barium_entry",
    authors: ["The Barium authors"],
    description: "Shows page table entries to tests",
    license: "GPL",
}

/// `struct barium_entry`.
#[repr(C)]
struct Entry {
    address: u64,
    value: u64,
    size: u64,
    pfn: u64,
    kind: u32,
    flags: u32,
}

// SAFETY: All members are integers, for which any bytes are valid values.
unsafe impl FromBytes for Entry {}

// SAFETY: There is no padding between or after the members.
unsafe impl AsBytes for Entry {}

extern "C" {
    /// Defined in find.c.
    fn barium_entry_find(entry: *mut Entry) -> c_int;
}

const FIND: u32 = _IOWR::<Entry>('|' as u32, 0x90);

#[pin_data]
struct EntryModule {
    #[pin]
    _device: MiscDeviceRegistration<EntryDevice>,
}

impl kernel::InPlaceModule for EntryModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let options = MiscDeviceOptions {
            name: c"barium_entry",
        };
        try_pin_init!(Self {
            _device <- MiscDeviceRegistration::register(options),
        })
    }
}

struct EntryDevice;

#[vtable]
impl MiscDevice for EntryDevice {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        Ok(KBox::new(Self, GFP_KERNEL)?)
    }

    fn ioctl(_device: &Self, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        if cmd != FIND {
            return Err(ENOTTY);
        }
        let user = || UserSlice::new(UserPtr::from_addr(arg), size_of::<Entry>());
        let asked: Entry = user().reader().read()?;
        let mut entry = Entry {
            address: asked.address,
            value: 0,
            size: 0,
            pfn: 0,
            kind: 0,
            flags: 0,
        };
        // SAFETY: An ioctl runs in a process with an address space, and `entry` has the layout of
        // `struct barium_entry`.
        kernel::error::to_result(unsafe { barium_entry_find(&raw mut entry) })?;
        user().writer().write(&entry)?;
        Ok(0)
    }
}
