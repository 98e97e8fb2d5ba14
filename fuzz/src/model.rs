// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The model of a program: its files, handles, dma-bufs and mappings, and the expected content of
//! objects. It turns choices into values.
//!
//! All threads of a program share the model. It is exact for a program with one thread. With
//! several threads, another thread may change the state at any time.

use std::collections::HashMap;
use std::ops::Range;

use crate::arena;
use crate::call::{self, Pick};
use crate::sys::{PAGE, TABLE};

/// An index into [`Model::objects`].
pub type ObjectId = usize;

/// Offset of the tracked word in each page. No other writes go there.
pub const WORD_AT: usize = 2048;

/// An open file of the device.
#[derive(Clone, Copy)]
pub struct Client {
    /// The file descriptor.
    pub fd: i32,
    /// Duplicated descriptors share this number.
    pub id: usize,
}

/// A handle.
#[derive(Clone, Copy)]
pub struct Handle {
    /// The client that owns it.
    pub client: usize,
    /// The handle.
    pub number: u32,
    /// Its object, if known.
    pub object: Option<ObjectId>,
    /// The offset for `mmap()`, if the program has requested it.
    pub offset: Option<u64>,
    /// Bytes of the object.
    pub size: u64,
}

/// A dma-buf or a name of an object.
#[derive(Clone, Copy)]
pub struct Export {
    /// The file descriptor or name.
    pub number: i32,
    /// Its object, if known.
    pub object: Option<ObjectId>,
    /// Bytes of the object.
    pub size: u64,
}

/// A framebuffer.
#[derive(Clone, Copy)]
pub struct Framebuffer {
    /// Its id.
    pub id: u32,
    /// Width and height in pixels.
    pub size: [u32; 2],
}

/// A mapping, or a part of one.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    /// Start address.
    pub address: usize,
    /// Length in bytes, a multiple of the page size.
    pub len: usize,
    /// Protection.
    pub prot: i32,
    /// The mapped object, if known.
    pub object: Option<ObjectId>,
    /// The object's page at the start.
    pub first: usize,
    /// The mapping certainly exists.
    pub certain: bool,
    /// Child processes inherit it.
    pub inherited: bool,
}

impl Map {
    /// Returns the number of pages.
    pub fn pages(&self) -> usize {
        self.len / PAGE
    }

    fn range(&self) -> Range<usize> {
        self.address..self.address + self.len
    }

    /// Returns the part that is in `range`.
    fn part(&self, range: &Range<usize>) -> Option<Self> {
        let start = self.address.max(range.start);
        let end = (self.address + self.len).min(range.end);
        (start < end).then(|| Self {
            address: start,
            len: end - start,
            first: self.first + (start - self.address) / PAGE,
            ..*self
        })
    }
}

/// The expected content of an object.
#[derive(Default)]
pub struct Object {
    /// The tracked words by page; missing ones are 0.
    words: HashMap<usize, u64>,
    /// The content is unknown.
    pub lost: bool,
}

/// An address range for a call.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Start address.
    pub start: usize,
    /// Length in bytes.
    pub len: usize,
}

impl Target {
    /// Converts to a range.
    pub fn range(self) -> Range<usize> {
        self.start..self.start.saturating_add(self.len)
    }
}

/// The model of a program.
#[derive(Default)]
pub struct Model {
    /// Open files of the device.
    pub clients: Vec<Client>,
    /// Handles, including closed ones.
    pub handles: Vec<Handle>,
    /// dma-bufs.
    pub buffers: Vec<Export>,
    /// Names.
    pub names: Vec<Export>,
    /// Framebuffers.
    pub fbs: Vec<Framebuffer>,
    /// Mappings.
    pub maps: Vec<Map>,
    /// Objects.
    pub objects: Vec<Object>,
    /// Child processes that the program has not waited for.
    pub children: Vec<libc::pid_t>,
    /// Bytes of VRAM.
    vram: u64,
    /// Number of actions on the device.
    pub device_calls: usize,
    next_client: usize,
}

impl Model {
    /// Returns an empty model for a device with `vram` bytes of VRAM.
    pub fn new(vram: u64) -> Self {
        Self {
            vram,
            ..Self::default()
        }
    }

    /// Returns the bytes of VRAM.
    pub fn vram(&self) -> u64 {
        self.vram
    }

    /// Returns a file of the device, or an invalid descriptor.
    pub fn client(&self, pick: Pick) -> Client {
        match pick.of(self.clients.len()) {
            Some(index) => self.clients[index],
            None => {
                let others = [-1, self.buffers.first().map_or(-1, |b| b.number), 0, 4095];
                Client {
                    fd: others[usize::from(pick.0) % others.len()],
                    id: usize::MAX,
                }
            }
        }
    }

    /// Adds a file.
    pub fn add_client(&mut self, fd: i32, same_as: Option<usize>) {
        let id = same_as.unwrap_or_else(|| {
            self.next_client += 1;
            self.next_client
        });
        self.clients.push(Client { fd, id });
    }

    /// Returns a handle, preferably of `client`, or a guessed number.
    pub fn handle(&self, pick: Pick, client: usize) -> Handle {
        let own: Vec<&Handle> = self.handles.iter().filter(|h| h.client == client).collect();
        let found = if pick.0 < 0xc0 && !own.is_empty() {
            pick.of(own.len()).map(|index| *own[index])
        } else {
            pick.of(self.handles.len()).map(|index| self.handles[index])
        };
        let guesses = [0, 1, 2, 3, 4, 5, 0x7fff_ffff, u32::MAX];
        found.unwrap_or(Handle {
            client,
            number: guesses[usize::from(pick.0) % guesses.len()],
            object: None,
            offset: None,
            size: 0,
        })
    }

    /// Returns any existing handle.
    pub fn any_handle(&self, pick: Pick) -> Option<Handle> {
        pick.of(self.handles.len()).map(|index| self.handles[index])
    }

    /// Returns the entry of a client's handle.
    pub fn handle_mut(&mut self, client: usize, number: u32) -> Option<&mut Handle> {
        self.handles
            .iter_mut()
            .find(|h| h.client == client && h.number == number)
    }

    /// Adds a handle; replaces one with the same number.
    pub fn add_handle(&mut self, handle: Handle) {
        self.drop_handle(handle.client, handle.number);
        self.handles.push(handle);
    }

    /// Removes a handle.
    pub fn drop_handle(&mut self, client: usize, number: u32) {
        self.handles
            .retain(|h| h.client != client || h.number != number);
    }

    /// Adds an object that reads as zero.
    pub fn add_object(&mut self) -> ObjectId {
        self.objects.push(Object::default());
        self.objects.len() - 1
    }

    /// Marks the content of all objects as unknown, since the device was unbound.
    pub fn forget_contents(&mut self) {
        for object in &mut self.objects {
            object.lost = true;
        }
    }

    /// Sets whether the content of an object is unknown. Returns whether it was.
    pub fn set_lost(&mut self, object: Option<ObjectId>, lost: bool) -> bool {
        match object.and_then(|object| self.objects.get_mut(object)) {
            Some(object) => std::mem::replace(&mut object.lost, lost),
            None => true,
        }
    }

    /// Marks the objects of all handles as unknown.
    pub fn forget_handles(&mut self) {
        for handle in &mut self.handles {
            handle.object = None;
        }
    }

    /// Returns the expected tracked word in page `page` of an object, if known.
    pub fn word(&self, object: Option<ObjectId>, page: usize) -> Option<u64> {
        let object = self.objects.get(object?)?;
        (!object.lost).then(|| object.words.get(&page).copied().unwrap_or(0))
    }

    /// Records a write to a tracked word.
    pub fn set_word(&mut self, object: Option<ObjectId>, page: usize, word: u64) {
        if let Some(object) = object.and_then(|object| self.objects.get_mut(object)) {
            object.words.insert(page, word);
        }
    }

    /// Returns a mapping.
    pub fn map(&self, pick: Pick) -> Option<Map> {
        match pick.of(self.maps.len()) {
            Some(index) => Some(self.maps[index]),
            None => self.maps.last().copied(),
        }
    }

    /// Returns the mapping that contains all of `range`.
    pub fn map_at(&self, range: &Range<usize>) -> Option<Map> {
        self.maps
            .iter()
            .find(|m| m.address <= range.start && range.end <= m.address + m.len)
            .copied()
    }

    /// Returns the addresses that `range` selects. Addresses outside mappings are in the arena, or
    /// anywhere for `harmless` calls.
    pub fn target(&self, range: call::Range, harmless: bool) -> Target {
        let Some(map) = self.map(range.map) else {
            return Target {
                start: arena::START + usize::from(range.page) % arena::PAGES * PAGE,
                len: PAGE,
            };
        };
        let page = usize::from(range.page) % map.pages();
        let left = map.pages() - page;
        let pages = match range.pages % 4 {
            0 => left,
            _ => 1 + usize::from(range.pages) / 4 % left,
        };
        let mut target = Target {
            start: map.address + page * PAGE,
            len: pages * PAGE,
        };
        match range.odd.0 {
            0..=7 => {
                // All of the mapping and some pages after it.
                target.start = map.address;
                target.len = map.len + PAGE * (1 + pages);
            }
            8..=11 => target.len = target.len.saturating_sub(usize::from(range.pages) % PAGE),
            12..=15 => target.start += 1 + usize::from(range.pages) % (PAGE - 1),
            16..=17 => target.len = 0,
            18..=19 if harmless => target.len = usize::MAX - usize::from(range.pages),
            20..=21 if harmless => target.start = usize::MAX - target.len * 2 + 1,
            22..=23 if harmless => target.start = 0,
            _ => (),
        }
        if !harmless && !arena::has(&target.range()) {
            // Memory after the mapping may belong to the fuzzer.
            let end = map.address + map.len;
            target.start = target.start.min(end);
            target.len = target.len.min(end - target.start);
        }
        target
    }

    /// Removes the mappings in `range`.
    pub fn forget_range(&mut self, range: Range<usize>) {
        self.change(range, |_| None);
    }

    /// Changes the parts of mappings in `range`, which is extended to whole pages.
    pub fn change(&mut self, range: Range<usize>, change: impl Fn(Map) -> Option<Map>) {
        let range = range.start & !(PAGE - 1)..range.end.saturating_add(PAGE - 1) & !(PAGE - 1);
        let mut maps = Vec::with_capacity(self.maps.len());
        for map in self.maps.drain(..) {
            let whole = map.range();
            match map.part(&range) {
                None => maps.push(map),
                Some(part) => {
                    maps.extend(map.part(&(whole.start..range.start)));
                    maps.extend(change(part));
                    maps.extend(map.part(&(range.end..whole.end)));
                }
            }
        }
        self.maps = maps;
    }

    /// Returns the size that a choice selects.
    pub fn size(&self, size: call::Size) -> u64 {
        let page = PAGE as u64;
        let huge = (TABLE * PAGE) as u64;
        let number = u64::from(size.number);
        match size.kind.0 % 32 {
            0..=11 => (1 + number % 24) * page,
            12..=14 => (1 + number % 3) * huge,
            15..=16 => (1 + number % 2) * huge + number % 16 * page,
            17..=18 => huge - (1 + number % 4) * page,
            19..=20 => 1 + number,
            21..=22 => self.vram / (1 + number % 4),
            23 => self.vram.saturating_sub(number % 64 * page),
            24 => self.vram + page,
            25 => 0,
            26 => u64::MAX - number,
            27 => 1 << (number % 64),
            28 => (1 << (number % 64)) - 1,
            // A contiguous object of this size consists of one block of each order.
            29 => ((2 << (number % 12)) - 1) * page,
            _ => (1 + number % 600) * page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(page: usize, pages: usize) -> Map {
        Map {
            address: arena::START + page * PAGE,
            len: pages * PAGE,
            prot: 3,
            object: None,
            first: 0,
            certain: true,
            inherited: true,
        }
    }

    #[test]
    fn a_hole_leaves_two_parts() {
        let mut model = Model::default();
        model.maps.push(map(10, 8));
        model.forget_range(arena::START + 12 * PAGE..arena::START + 13 * PAGE);
        let parts: Vec<_> = model.maps.iter().map(|m| (m.first, m.pages())).collect();
        assert_eq!(parts, [(0, 2), (3, 5)]);
    }

    #[test]
    fn a_change_is_for_its_range_only() {
        let mut model = Model::default();
        model.maps.push(map(0, 4));
        model.change(arena::START + PAGE..arena::START + 2 * PAGE, |map| {
            Some(Map { prot: 1, ..map })
        });
        let prots: Vec<_> = model.maps.iter().map(|m| m.prot).collect();
        assert_eq!(prots, [3, 1, 3]);
    }

    #[test]
    fn words_are_zero_until_written() {
        let mut model = Model::default();
        let object = Some(model.add_object());
        assert_eq!(model.word(object, 1), Some(0));
        model.set_word(object, 1, 7);
        assert_eq!(model.word(object, 1), Some(7));
        model.forget_contents();
        assert_eq!(model.word(object, 1), None);
    }
}
