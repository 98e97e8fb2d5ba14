// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The seed corpus: programs with each kind of call on an existing object, with the device unbound
//! and rebound, and with a failure of each allocation in the main operations. A purely random
//! search rarely generates them.

use std::collections::HashMap;

use crate::call::{AreaCall, Call, Device, DriverCall, FileCall, GemCall, KmsCall, Pick, Touch};
use crate::program::{Program, Random, Record, MAX_CALLS};

/// Number of allocations (and user copies) to fail in a call after unplug.
const FAILURES: u8 = 40;
/// The same for creating an object of one page, and one of several blocks.
const FAILURES_OF_A_PAGE: u8 = 24;
const FAILURES_OF_BLOCKS: u8 = 80;
/// The same, counting only allocations of the driver and of functions that it calls directly.
const NEAR_FAILURES: u8 = 6;
/// The same for binding the device.
const NEAR_IN_BINDING: u8 = 64;
/// When all allocations count, only every `FAR_APART`th fails in binding.
const FAR_APART: usize = 3;
/// Variants of each operation on an object.
const VARIANTS: usize = 3;

/// Number of programs that use the display.
const SHOWS: usize = 10;

/// A predicate for calls.
type Predicate = fn(&Call) -> bool;

const CREATE: Predicate =
    |c| matches!(c, Call::Driver(DriverCall::CreateGood { client, .. }) if client.0 < 8);
const CREATE_LARGE: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Create { client, size, flags })
        if client.0 < 8 && (12..=14).contains(&(size.kind.0 % 32)) && flags.0 % 10 < 5)
};
const MAP: Predicate = |c| {
    matches!(c, Call::Mmap(m) if m.place.0 < 0xa0 && m.prot.0 % 8 < 4 && m.flags.0 % 13 < 6
        && m.odd.0 > 0x20 && m.client.0 < 0xc0 && m.handle.0 < 0xf0 && m.pages % 4 != 0)
};
/// Extends beyond the end of the object.
const MAP_PAST: Predicate = |c| {
    matches!(c, Call::Mmap(m) if m.odd.0 < 6 && m.place.0 < 0xa0 && m.prot.0 % 8 < 4
        && m.flags.0 % 13 < 6 && m.client.0 < 0xc0 && m.handle.0 < 0xf0 && m.pages % 4 != 0)
};
/// Crosses the end of a PMD table.
const MAP_ACROSS: Predicate = |c| {
    matches!(c, Call::Mmap(m) if m.place.0 >= 0xa0 && m.place.0 % 8 == 3 && m.prot.0 % 8 < 4
        && m.flags.0 % 13 < 6 && m.odd.0 > 0x20 && m.client.0 < 0xc0 && m.handle.0 < 0xf0
        && m.pages % 4 != 0)
};
/// At an address without a mapping, or of another mapping.
const MAP_BESIDE: Predicate = |c| {
    matches!(c, Call::Mmap(m) if matches!(m.odd.0, 9 | 13..=15) && m.place.0 < 0xa0
        && m.client.0 < 0xc0 && m.handle.0 < 0xf0 && m.pages % 4 != 0)
};
/// Read-only.
const MAP_READ: Predicate = |c| {
    matches!(c, Call::Mmap(m) if m.place.0 < 0xa0 && m.prot.0 % 8 == 4 && m.flags.0 % 13 < 6
        && m.odd.0 > 0x20 && m.client.0 < 0xc0 && m.handle.0 < 0xf0 && m.pages % 4 != 0)
};
const ADVISE_FILE: Predicate = |c| {
    matches!(c, Call::Area(AreaCall::Fadvise { handle, pages, advice, .. })
        if handle.0 < 0xf0 && pages % 8 > 2 && advice.0 % 9 < 3)
};
const INFO: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Info { client, handle, .. })
        if client.0 < 8 && handle.0 < 0xc0)
};
const DONTNEED: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Madvise { client, handle, advice, pad, reclaim })
        if client.0 < 8 && handle.0 < 0xc0 && matches!(advice.0 % 7, 1 | 3 | 4) && pad.0 % 16 != 15
            && reclaim.0 % 4 == 3)
};
const WILLNEED: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Madvise { client, handle, advice, pad, .. })
        if client.0 < 8 && handle.0 < 0xc0 && matches!(advice.0 % 7, 0 | 2) && pad.0 % 16 != 15)
};
const OFFSET: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Offset { client, handle, .. })
        if client.0 < 8 && handle.0 < 0xc0)
};
const PARAM: Predicate =
    |c| matches!(c, Call::Driver(DriverCall::GetParam { client, .. }) if client.0 < 8);
const TOUCH: Predicate = |c| matches!(c, Call::Touch(_));
/// At the edge of a page table.
const TOUCH_EDGE: Predicate =
    |c| matches!(c, Call::Touch(touch) if touch.map.0 < Pick::WILD && touch.page >= Touch::EDGES);
const AHEAD: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Ahead { client, range, flags })
        if client.0 < 8 && range.odd.0 > 0x20 && flags.0 % 8 < 6)
};
/// A range outside the mapping or with partial pages.
const AHEAD_ODD: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Ahead { client, range, flags })
        if client.0 < 8 && range.odd.0 <= 0x20 && flags.0 % 8 < 6)
};
const AHEAD_INTERRUPTED: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::AheadInterrupted { client, map, .. })
        if client.0 < 8 && map.0 < Pick::WILD)
};
/// An empty range, or one that wraps around.
const AHEAD_NOTHING: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Ahead { client, range, flags })
        if client.0 < 8 && matches!(range.odd.0, 16..=19) && flags.0 % 8 < 6)
};
/// A node of the other display.
const OPEN_OTHER: Predicate = |c| {
    matches!(c, Call::File(FileCall::Open { card, flags })
        if card.0 >= FileCall::OTHER && flags.0 % 8 < 4)
};
/// By the second client.
const AHEAD_SECOND: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Ahead { client, range, flags })
        if is_card(*client) && range.odd.0 > 0x20 && flags.0 % 8 < 6)
};
const IMPORT_SECOND: Predicate = |c| {
    matches!(c, Call::Gem(GemCall::Import { client, buffer })
        if is_card(*client) && buffer.0 < Pick::WILD)
};
/// Through a file without a handle to the object.
const MAP_SECOND: Predicate = |c| {
    matches!(c, Call::Mmap(m) if m.place.0 < 0xa0 && m.prot.0 % 8 < 4 && m.flags.0 % 13 < 6
        && m.odd.0 > 0x20 && m.client.0 == 0xc1 && m.handle.0 < 0xf0 && m.pages % 4 != 0)
};
/// Starts outside the mapping, or reaches its end.
const MEM_ODD: Predicate =
    |c| matches!(c, Call::Debug(d) if d.means.0 % 10 < 7 && d.range.odd.0 <= 0x20);
const MEM: Predicate =
    |c| matches!(c, Call::Debug(d) if d.means.0 % 10 < 7 && d.range.odd.0 > 0x20);
/// A write.
const POKE: Predicate =
    |c| matches!(c, Call::Debug(d) if matches!(d.means.0 % 10, 2 | 3 | 6) && d.range.odd.0 > 0x20);
const OPEN: Predicate =
    |c| matches!(c, Call::File(FileCall::Open { flags, .. }) if flags.0 % 8 < 4);
const EXPORT: Predicate = |c| {
    matches!(c, Call::Gem(GemCall::Export { client, handle, flags })
        if client.0 < 8 && handle.0 < 0xc0 && flags.0 % 6 < 3)
};
const IMPORT: Predicate =
    |c| matches!(c, Call::Gem(GemCall::Import { buffer, .. }) if buffer.0 < Pick::WILD);
const ADVISE: Predicate =
    |c| matches!(c, Call::Area(AreaCall::AdviseGood { range, .. }) if range.odd.0 > 0x20);
const UNBIND: Predicate = |c| matches!(c, Call::Device(d) if d.what.0 % 8 == 0);
const BIND: Predicate = |c| matches!(c, Call::Device(d) if d.what.0 % 8 == 2);
const REMOVE: Predicate = |c| matches!(c, Call::Device(d) if d.what.0 % 8 == 5);

/// All objects leave VRAM.
const EVICT: Predicate = |c| {
    matches!(c, Call::File(FileCall::Other { client, what, .. })
        if client.0 < 8 && what.0 % FileCall::KINDS == FileCall::EVICT)
};
/// Files in debugfs.
const STATUS: Predicate = |c| {
    matches!(c, Call::File(FileCall::Other { client, what, .. })
        if client.0 < 8 && what.0 % FileCall::KINDS == FileCall::STATUS)
};

/// Each program opens the render node at its start; the card is the second client.
fn is_card(client: Pick) -> bool {
    client.0 < Pick::WILD && client.0 % 2 == 1
}

const CARD: Predicate = |c| matches!(c, Call::Kms(KmsCall::Open { .. }));
const DUMB: Predicate = |c| {
    matches!(c, Call::Gem(GemCall::CreateDumb { client, width, height, bpp })
        if is_card(*client) && (2..=4).contains(&(width % 8)) && (2..=4).contains(&(height % 8))
            && width / 8 % 3 == height / 8 % 3 && bpp.0 % 17 < 3)
};
const FB: Predicate = |c| {
    matches!(c, Call::Kms(KmsCall::AddFb { handle, width, height, pitch, format, offset })
        if handle.0 < 0xc0 && width % 4 != 0 && height % 4 != 0 && width / 4 % 6 == 0
            && height / 4 % 6 == 0 && pitch.0 % 11 < 3 && format.0 % 8 < 3 && offset.0 % 9 < 3)
};
const SET: Predicate =
    |c| matches!(c, Call::Kms(KmsCall::Set { fb, odd, .. }) if fb.0 < Pick::WILD && odd.0 % 16 > 2);
const SHOW: Predicate =
    |c| matches!(c, Call::Kms(k) if !matches!(k, KmsCall::Open { .. } | KmsCall::AddFb { .. }));
const PLACE: Predicate =
    |c| matches!(c, Call::Kms(KmsCall::SetPlane { fb, .. }) if fb.0 < Pick::WILD);
const OTHER_MODE: Predicate = |c| {
    matches!(c, Call::Kms(KmsCall::Set { fb, odd, .. })
        if fb.0 < Pick::WILD && (3..=4).contains(&(odd.0 % 16)))
};
const FLIP: Predicate = |c| matches!(c, Call::Kms(KmsCall::Flip { fb, .. }) if fb.0 < Pick::WILD);
const DIRTY: Predicate = |c| matches!(c, Call::Kms(KmsCall::Dirty { fb, .. }) if fb.0 < Pick::WILD);
const ATOMIC: Predicate =
    |c| matches!(c, Call::Kms(KmsCall::Atomic { fb, .. }) if fb.0 < Pick::WILD);
const MODE: Predicate = |c| matches!(c, Call::Kms(KmsCall::Mode { .. }));
const MODE_WITH_PICTURE: Predicate = |c| {
    matches!(c, Call::Kms(KmsCall::Mode { rate, .. })
        if (KmsCall::WITH_PICTURE..0xf0).contains(rate))
};
const FB_ODD: Predicate = |c| {
    matches!(c, Call::Kms(KmsCall::AddFb { handle, width, height, pitch, format, offset })
        if handle.0 < 0xc0 && width % 4 != 0 && height % 4 != 0 && width / 4 % 6 > 2
            && (3..=4).contains(&(height / 4 % 6)) && pitch.0 % 11 > 5 && format.0 % 8 < 4
            && offset.0 % 9 < 8)
};
/// The framebuffer's size.
const OWN_MODE: Predicate = |c| {
    matches!(c, Call::Kms(KmsCall::Set { fb, odd, .. })
        if fb.0 < Pick::WILD && odd.0 % 16 == 5)
};
/// A mode with doublescan, interlace, vscan or very many lines.
const HOSTILE_MODE: Predicate = |c| {
    matches!(c, Call::Kms(KmsCall::Set { fb, x, y, odd, .. })
        if fb.0 < Pick::WILD && (6..=7).contains(&(odd.0 % 16)) && *x > 4 && *y > 2)
};
const OFF: Predicate = |c| matches!(c, Call::Kms(KmsCall::Set { odd, .. }) if odd.0 % 16 == 2);
const PANIC: Predicate = |c| matches!(c, Call::Kms(KmsCall::Panic));
const WHOLE: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Create { client, size, flags })
        if client.0 < 8 && size.kind.0 % 32 > 28 && (5..=6).contains(&(flags.0 % 10)))
};
const PIXELS: Predicate = |c| {
    matches!(c, Call::Gem(GemCall::CreateDumb { client, width, height, .. })
        if is_card(*client) && width % 8 > 4 && height % 8 > 4)
};
const SCATTER: Predicate = |c| {
    matches!(c, Call::Driver(DriverCall::Scatter { client, count, .. })
        if client.0 < 8 && *count > 16)
};

/// All kinds of calls on an object.
const KINDS: &[Predicate] = &[
    |c| matches!(c, Call::File(_)),
    |c| matches!(c, Call::Driver(_)),
    |c| matches!(c, Call::Gem(_)),
    |c| matches!(c, Call::Kms(_)),
    |c| matches!(c, Call::Raw(_)),
    |c| matches!(c, Call::Mmap(_)),
    |c| matches!(c, Call::Area(_)),
    |c| matches!(c, Call::Debug(_)),
    |c| matches!(c, Call::Buffer(_)),
    |c| matches!(c, Call::Process(_)),
    AHEAD,
    EXPORT,
    ADVISE,
    MEM,
];

/// The programs that even the shortest campaign must run: each failure in creating an object of one
/// page.
pub fn first(random: &mut Random) -> Vec<Program> {
    for_each_number(FAILURES_OF_A_PAGE, 2, |number| {
        let fail = random.record_of(&Call::fail_bytes(number));
        vec![fail, random.record_of(&Call::create_bytes(0, 0, 0))]
    })
}

/// Makes programs from the records for each number below `count`, with at most `most` numbers each.
fn for_each_number(count: u8, most: usize, records: impl FnMut(u8) -> Vec<Record>) -> Vec<Program> {
    let all: Vec<Vec<Record>> = (0..count).map(records).collect();
    let programs = all.chunks(MAX_CALLS / most);
    programs
        .map(|records| Program::of(&records.concat()))
        .collect()
}

/// All other seed programs.
pub fn programs(random: &mut Random) -> Vec<Program> {
    let mut programs = Vec::new();
    let mut make = RecordBuilder::new(random);
    programs.extend(make.mappings());
    for _ in 0..VARIANTS * 2 {
        programs.push(make.row(&[
            CREATE_LARGE,
            MAP,
            MAP_BESIDE,
            MAP_BESIDE,
            MAP_BESIDE,
            CREATE,
            MAP,
            ADVISE_FILE,
            ADVISE_FILE,
            ADVISE_FILE,
            TOUCH,
        ]));
        programs.push(make.row(&[
            CREATE_LARGE,
            MAP,
            AHEAD_ODD,
            AHEAD_ODD,
            AHEAD_INTERRUPTED,
            MEM_ODD,
            MEM_ODD,
            AHEAD_ODD,
            AHEAD_INTERRUPTED,
        ]));
        programs.push(make.row(&[
            CREATE,
            MAP,
            CREATE_LARGE,
            MAP,
            EXPORT,
            AHEAD_NOTHING,
            AHEAD_NOTHING,
            AHEAD_NOTHING,
            OPEN_OTHER,
            AHEAD_SECOND,
            IMPORT_SECOND,
            MAP_SECOND,
            MAP_SECOND,
        ]));
        programs.push(make.row(&[CREATE, MAP_READ, POKE, POKE, TOUCH, POKE, POKE]));
        programs.push(make.row(&[
            CREATE,
            MAP_PAST,
            MAP_PAST,
            CREATE_LARGE,
            MAP_PAST,
            MAP_PAST,
            MAP,
            TOUCH,
        ]));
    }
    for _ in 0..VARIANTS {
        programs.push(make.row(&[
            CREATE, MAP, TOUCH, DONTNEED, TOUCH, WILLNEED, DONTNEED, EXPORT, TOUCH, DONTNEED,
        ]));
        programs.push(make.row(&[PARAM; MAX_CALLS]));
        programs.push(make.row(&[CREATE, EXPORT, OPEN, IMPORT, IMPORT, IMPORT, MAP, TOUCH]));
    }
    let of_before = [CREATE, EXPORT, UNBIND, BIND, OPEN, IMPORT, IMPORT, IMPORT];
    programs.push(make.row(&of_before));
    let after = [TOUCH, MEM, AHEAD, CREATE, MAP, EXPORT];
    for gone in [UNBIND, REMOVE] {
        let before: &[Predicate] = &[CREATE, MAP, TOUCH, EXPORT, gone];
        programs.push(make.row(&[before, &after, &[BIND, OPEN, CREATE]].concat()));
    }
    for _ in 0..SHOWS {
        let show: &[Predicate] = &[CARD, DUMB, FB, SET, SHOW, SHOW, SHOW, SHOW, SHOW];
        programs.push(make.row(show));
        programs.push(make.row(show).for_second_display());
        programs.push(make.row(&[show, &[UNBIND, SHOW, TOUCH, BIND]].concat()));
    }
    for _ in 0..SHOWS {
        for pictures in [make.pictures_of_all_kinds(), make.pictures_at_the_end()] {
            programs.push(pictures.clone());
            programs.push(pictures.for_second_display());
        }
        let shown = [CARD, DUMB, FB, SET];
        for then in [
            &[PLACE, PLACE, PANIC, PLACE, PLACE][..],
            &[OFF, SHOW, OTHER_MODE, OTHER_MODE, OTHER_MODE, OFF],
            &[MODE, MODE, MODE, MODE, MODE, MODE],
            &[
                MODE_WITH_PICTURE,
                SHOW,
                MODE_WITH_PICTURE,
                OFF,
                MODE_WITH_PICTURE,
            ],
            &[
                HOSTILE_MODE,
                HOSTILE_MODE,
                SHOW,
                HOSTILE_MODE,
                HOSTILE_MODE,
                SHOW,
            ],
            &[FB_ODD, FB_ODD, SET, FB_ODD, SET, PLACE, FB_ODD, SET],
        ] {
            programs.push(make.row(&[&shown, then].concat()));
            programs.push(make.row(&[&shown, then].concat()).for_second_display());
        }
        programs.push(make.row(&[SCATTER, MAP, TOUCH, TOUCH, AHEAD, MEM, TOUCH]));
        for moved in make.moves() {
            programs.push(moved.clone());
            programs.push(moved.for_second_display());
        }
    }
    for before in [&[CREATE, MAP, TOUCH][..], &[CARD, DUMB, FB, SET]] {
        let mut records = make.records(before);
        records.push(make.random.record_of(&Call::device_bytes(Device::SLEEP)));
        records.extend(make.records(&[SHOW, TOUCH]));
        programs.push(Program::of(&records));
    }
    programs.extend(make.delayed_copy());
    programs.extend(make.failures());
    // A call makes about this many allocations and copies.
    for (count, before, call) in [
        (40, &[CARD, DUMB, FB][..], SET),
        (30, &[], OPEN),
        (16, &[CREATE], EXPORT),
        (20, &[CARD], DUMB),
        (40, &[SCATTER], CREATE_LARGE),
        (FAILURES_OF_BLOCKS, &[], CREATE),
    ] {
        let all = make.failing_each(count, before, call);
        let near = all.clone().into_iter().map(Program::failing_near);
        programs.extend(near);
        programs.extend(all);
    }
    for number in (0..FAILURES).step_by(2) {
        programs.push(make.failing(number, &[CREATE, MAP, UNBIND], TOUCH, &[TOUCH]));
        programs.push(make.failing(number, &[CREATE, MAP, UNBIND], MEM, &[TOUCH]));
    }
    for number in 0..NEAR_FAILURES {
        for call in [TOUCH, MEM, AHEAD] {
            let before = [CREATE, MAP, UNBIND];
            programs.push(make.failing(number, &before, call, &[TOUCH]).failing_near());
        }
    }
    for number in 0..NEAR_IN_BINDING {
        programs.push(
            make.failing(number, &[UNBIND], BIND, &[BIND])
                .failing_near(),
        );
    }
    // These are slow. A failure late in binding is checked for some of the allocations only.
    for number in (0..=u8::MAX).step_by(FAR_APART) {
        programs.push(make.failing(number, &[UNBIND], BIND, &[BIND]));
    }
    // Contiguous objects of several buddy blocks, and dumb buffers of all kinds.
    for _ in 0..VARIANTS {
        programs.push(make.row(&[WHOLE, WHOLE, WHOLE, WHOLE, MAP, TOUCH]));
        programs.push(make.row(&[&[CARD], &[PIXELS; 20][..], &[MAP, TOUCH]].concat()));
    }
    programs
}

/// Programs to run in each mode of the driver: faults and related calls.
pub fn mappings(random: &mut Random) -> Vec<Program> {
    let mut make = RecordBuilder::new(random);
    let mut programs = make.mappings();
    programs.extend(make.failures());
    programs
}

/// Makes records. Finding random bytes that satisfy a predicate is slow, so it is done once for
/// each predicate.
struct RecordBuilder<'a> {
    random: &'a mut Random,
    /// The records found, by the address of the predicate.
    found: HashMap<usize, Record>,
}

impl<'a> RecordBuilder<'a> {
    fn new(random: &'a mut Random) -> Self {
        Self {
            random,
            found: HashMap::new(),
        }
    }

    fn record(&mut self, is: Predicate) -> Record {
        let random = &mut *self.random;
        let found = self.found.entry(is as *const () as usize);
        let record = found.or_insert_with(|| random.record(is));
        random.vary(record, is);
        *record
    }

    fn records(&mut self, kinds: &[Predicate]) -> Vec<Record> {
        kinds.iter().map(|kind| self.record(*kind)).collect()
    }

    /// Each kind of call on a mapped object.
    fn mappings(&mut self) -> Vec<Program> {
        let mut programs = Vec::new();
        for kind in KINDS {
            for _ in 0..VARIANTS {
                programs.push(self.row(&[CREATE, MAP, TOUCH, *kind, *kind, TOUCH]));
                programs.push(self.row(&[CREATE_LARGE, MAP, *kind, TOUCH, *kind]));
            }
        }
        for _ in 0..VARIANTS {
            let edges = [TOUCH_EDGE; 8];
            programs.push(self.row(&[&[CREATE_LARGE, MAP], &edges[..]].concat()));
            programs.push(self.row(&[&[CREATE_LARGE, MAP_ACROSS], &edges[..]].concat()));
        }
        programs
    }

    /// The device disappears while the kernel copies a call's argument.
    fn delayed_copy(&mut self) -> Vec<Program> {
        let shown: &[Predicate] = &[CARD, DUMB, FB, SET];
        let mapped: &[Predicate] = &[CREATE, MAP, TOUCH, EXPORT];
        let mut programs = Vec::new();
        for (skip, before, call) in [
            (0, mapped, CREATE),
            (0, mapped, INFO),
            (0, mapped, OFFSET),
            (0, mapped, PARAM),
            (0, mapped, AHEAD),
            (0, mapped, EXPORT),
            (0, mapped, IMPORT),
            (0, &shown[..1], DUMB),
            (0, &shown[..2], FB),
            (0, &shown[..3], SET),
            (0, shown, SET),
            (0, shown, OFF),
            (0, shown, PLACE),
            (0, shown, FLIP),
            (0, shown, ATOMIC),
            (1, shown, ATOMIC),
            (0, shown, MODE),
            (1, shown, MODE),
            (1, &shown[..3], MODE_WITH_PICTURE),
            (1, shown, MODE_WITH_PICTURE),
            (0, shown, DIRTY),
        ] {
            let mut records = self.records(before);
            records.push(self.random.record_of(&Call::delayed_copy_bytes(skip)));
            records.extend(self.records(&[call, TOUCH, SHOW, BIND]));
            programs.push(Program::of(&records));
        }
        programs
    }

    /// Shows framebuffers of 640x480 of all kinds.
    fn pictures_of_all_kinds(&mut self) -> Program {
        let mut records = self.records(&[CARD]);
        records.push(self.random.record_of(&Call::create_bytes(14, 1, 5)));
        for _ in 0..5 {
            let pick = |list: &[u8], random: &mut Random| list[random.below(list.len())];
            let bytes = Call::add_fb_bytes(
                [1, 1],
                pick(&[0, 3, 6, 7], self.random),
                pick(&[0, 2, 3, 4], self.random),
                pick(&[0, 3, 4, 7], self.random),
            );
            records.push(self.random.record_of(&bytes));
        }
        records.extend(self.records(&[SET; 6]));
        records.extend(self.records(&[OWN_MODE; 4]));
        Program::of(&records)
    }

    /// Objects leave VRAM and move back, for another object or to be shown; pictures are shown that are
    /// in system memory.
    fn moves(&mut self) -> Vec<Program> {
        let flips: &[Predicate] = &[EVICT, FLIP, FLIP, EVICT, ATOMIC, STATUS, EVICT, SET, SET];
        let picture: &[Predicate] = &[DUMB, FB, SET];
        let whole = self.random.record_of(&Call::create_bytes(21, 0, 5));
        let in_system = self.random.record_of(&Call::create_bytes(14, 1, 7));
        let of_in_system = self.random.record_of(&Call::add_fb_bytes([1, 1], 0, 0, 0));
        let mut programs = vec![
            self.row(&[
                CREATE, MAP, TOUCH, EVICT, STATUS, TOUCH, MEM, AHEAD, EXPORT, EVICT, TOUCH, STATUS,
            ]),
            self.row(&[&[CARD], picture, picture, flips].concat()),
        ];
        // All of VRAM belongs to an object with content when the picture needs room.
        let full = [
            self.records(&[CARD]),
            vec![whole],
            self.records(&[MAP, TOUCH]),
            self.records(picture),
            self.records(&[STATUS, TOUCH]),
            self.records(picture),
            self.records(&[FLIP, FLIP, TOUCH, EVICT, FLIP]),
        ];
        programs.push(Program::of(&full.concat()));
        let shadow = [
            self.records(&[CARD]),
            vec![in_system, of_in_system],
            self.records(&[SET, DIRTY, MAP, TOUCH, DIRTY, FLIP, PANIC]),
            self.records(picture),
            self.records(&[FLIP, FLIP, OFF, SHOW]),
        ];
        programs.push(Program::of(&shadow.concat()));
        programs
    }

    /// Shows framebuffers in an object that covers all of VRAM: a small one with a short pitch at
    /// its end, one whose last line is shorter than the pitch, and one whose offset is not a
    /// multiple of four bytes.
    fn pictures_at_the_end(&mut self) -> Program {
        let mut records = self.records(&[CARD]);
        records.push(self.random.record_of(&Call::create_bytes(21, 0, 5)));
        for (sides, pitch, format, offset) in [
            ([17, 17], 3, 4, KmsCall::AT_END),
            ([1, 1], 6, 0, KmsCall::AT_END),
            ([1, 1], 3, 4, 6),
        ] {
            let bytes = Call::add_fb_bytes(sides, pitch, format, offset);
            records.push(self.random.record_of(&bytes));
            records.extend(self.records(&[SET, OWN_MODE, OWN_MODE]));
        }
        records.extend(self.records(&[SET, SET, SET, OWN_MODE, OWN_MODE]));
        Program::of(&records)
    }

    /// Failures in calls that map pages.
    fn failures(&mut self) -> Vec<Program> {
        [
            self.failing_each(12, &[CREATE, MAP], TOUCH),
            self.failing_each(12, &[CREATE_LARGE, MAP], TOUCH),
            self.failing_each(16, &[CREATE_LARGE, MAP], AHEAD),
        ]
        .concat()
    }

    /// Fails each of the first `count` allocations of `call`; a program has several such calls.
    fn failing_each(&mut self, count: u8, before: &[Predicate], call: Predicate) -> Vec<Program> {
        for_each_number(count, before.len() + 2, |number| {
            let mut records = self.records(before);
            records.push(self.random.record_of(&Call::fail_bytes(number)));
            records.push(self.record(call));
            records
        })
    }

    fn row(&mut self, kinds: &[Predicate]) -> Program {
        Program::of(&self.records(kinds))
    }

    /// Fails allocation `number` of `call`.
    fn failing(
        &mut self,
        number: u8,
        before: &[Predicate],
        call: Predicate,
        after: &[Predicate],
    ) -> Program {
        let mut records = self.records(before);
        records.push(self.random.record_of(&Call::fail_bytes(number)));
        records.push(self.record(call));
        records.extend(self.records(after));
        Program::of(&records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_they_are_meant_to_be() {
        let programs = programs(&mut Random::new(1));
        assert!(programs.len() > 100);
        assert!(programs.iter().all(|program| program.threads() == 1));
        let (_, first) = programs[0].calls()[0];
        assert!(CREATE(&first));
    }
}
