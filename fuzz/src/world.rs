// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a program has got so far: files, handles, dma-bufs, mappings; and what the objects have to
//! hold. It turns choices into values.
//!
//! All threads of a program share it. What it says is right as long as there is one thread; with
//! several, another may just have changed it, which is what such programs are for.

use std::collections::HashMap;
use std::ops::Range;

use crate::arena;
use crate::call::{self, Pick};
use crate::sys::PAGE;

/// The number of an object in [`World::objects`].
pub type ObjectId = usize;

/// Bytes into a page at which the words are that tests look at. Nothing else writes there.
pub const WORD_AT: usize = 2048;

/// An open file of the device.
#[derive(Clone, Copy)]
pub struct Client {
    /// The descriptor.
    pub fd: i32,
    /// The same for descriptors of one file.
    pub id: usize,
}

/// A handle.
#[derive(Clone, Copy)]
pub struct Handle {
    /// Whose it is.
    pub client: usize,
    /// Its number.
    pub number: u32,
    /// What it is for, if that is known.
    pub object: Option<ObjectId>,
    /// The offset for `mmap()`, if it was asked for.
    pub offset: Option<u64>,
    /// Bytes of the object.
    pub size: u64,
}

/// A dma-buf, or a name: another way to an object.
#[derive(Clone, Copy)]
pub struct Export {
    /// Its file descriptor or name.
    pub number: i32,
    /// What it is for, if that is known.
    pub object: Option<ObjectId>,
    /// Bytes of the object.
    pub size: u64,
}

/// A framebuffer.
#[derive(Clone, Copy)]
pub struct Framebuffer {
    /// Its number.
    pub id: u32,
    /// Width and height in pixels.
    pub size: [u32; 2],
}

/// A mapping, or a part of one.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    /// Where it starts.
    pub address: usize,
    /// Its bytes, whole pages.
    pub len: usize,
    /// What may be done.
    pub prot: i32,
    /// What it shows, if that is known.
    pub object: Option<ObjectId>,
    /// Page of the object at the start.
    pub first: usize,
    /// Whether it is certain that it is there.
    pub sure: bool,
    /// Whether children have it too.
    pub inherited: bool,
}

impl Map {
    /// How many pages it has.
    pub fn pages(&self) -> usize {
        self.len / PAGE
    }

    fn range(&self) -> Range<usize> {
        self.address..self.address + self.len
    }

    /// The part of it that is in `range`.
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

/// What an object has to hold.
#[derive(Default)]
pub struct Object {
    /// The words that were written, by page. All others are 0.
    words: HashMap<usize, u64>,
    /// Whether that is not known any more.
    pub lost: bool,
}

/// A range of addresses that a call is about.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Where it starts.
    pub start: usize,
    /// Its bytes.
    pub len: usize,
}

impl Target {
    /// As a range.
    pub fn range(self) -> Range<usize> {
        self.start..self.start.saturating_add(self.len)
    }
}

/// See the head of this file.
#[derive(Default)]
pub struct World {
    /// Open files of the device.
    pub clients: Vec<Client>,
    /// Handles, also those that are closed.
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
    /// Child processes that are not waited for yet.
    pub children: Vec<libc::pid_t>,
    /// Bytes of VRAM.
    vram: u64,
    /// How often something was done to the device.
    pub device_calls: usize,
    next_client: usize,
}

impl World {
    /// With nothing, on a device with that many bytes of VRAM.
    pub fn new(vram: u64) -> Self {
        Self {
            vram,
            ..Self::default()
        }
    }

    /// Bytes of VRAM.
    pub fn vram(&self) -> u64 {
        self.vram
    }

    /// A file of the device, or a descriptor that is none.
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

    /// A handle, rather one of `client`'s, or a number that is guessed.
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

    /// Any handle that there is.
    pub fn any_handle(&self, pick: Pick) -> Option<Handle> {
        pick.of(self.handles.len()).map(|index| self.handles[index])
    }

    /// The entry of a client's handle.
    pub fn handle_mut(&mut self, client: usize, number: u32) -> Option<&mut Handle> {
        self.handles
            .iter_mut()
            .find(|h| h.client == client && h.number == number)
    }

    /// Adds a handle, in place of one with the same number.
    pub fn add_handle(&mut self, handle: Handle) {
        self.drop_handle(handle.client, handle.number);
        self.handles.push(handle);
    }

    /// Forgets a handle.
    pub fn drop_handle(&mut self, client: usize, number: u32) {
        self.handles
            .retain(|h| h.client != client || h.number != number);
    }

    /// Adds an object that reads as zero.
    pub fn add_object(&mut self) -> ObjectId {
        self.objects.push(Object::default());
        self.objects.len() - 1
    }

    /// What every object holds is not known any more: the device was taken away.
    pub fn lose_contents(&mut self) {
        for object in &mut self.objects {
            object.lost = true;
        }
    }

    /// Which handle is for which object is not known any more.
    pub fn lose_handles(&mut self) {
        for handle in &mut self.handles {
            handle.object = None;
        }
    }

    /// The word that page `page` of an object has to hold, if that is known.
    pub fn word(&self, object: Option<ObjectId>, page: usize) -> Option<u64> {
        let object = self.objects.get(object?)?;
        (!object.lost).then(|| object.words.get(&page).copied().unwrap_or(0))
    }

    /// Takes note that a word was written.
    pub fn set_word(&mut self, object: Option<ObjectId>, page: usize, word: u64) {
        if let Some(object) = object.and_then(|object| self.objects.get_mut(object)) {
            object.words.insert(page, word);
        }
    }

    /// A mapping.
    pub fn map(&self, pick: Pick) -> Option<Map> {
        match pick.of(self.maps.len()) {
            Some(index) => Some(self.maps[index]),
            None => self.maps.last().copied(),
        }
    }

    /// The mapping that has all of `range`.
    pub fn map_at(&self, range: &Range<usize>) -> Option<Map> {
        self.maps
            .iter()
            .find(|m| m.address <= range.start && range.end <= m.address + m.len)
            .copied()
    }

    /// The addresses that `range` means. Those outside of mappings are the arena's, or for `harmless`
    /// calls any.
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
                // All of it, and what comes behind.
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
            // Beyond the mapping there may be memory of the fuzzer's own.
            let end = map.address + map.len;
            target.start = target.start.min(end);
            target.len = target.len.min(end - target.start);
        }
        target
    }

    /// What is mapped in `range` is gone, or something else.
    pub fn carve(&mut self, range: Range<usize>) {
        self.change(range, |_| None);
    }

    /// Changes the parts of mappings that are in `range`, which is cut to whole pages.
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

    /// The size that a choice means.
    pub fn size(&self, size: call::Size) -> u64 {
        let page = PAGE as u64;
        let huge = 512 * page;
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
            // In one piece, that takes a block of each size.
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
            sure: true,
            inherited: true,
        }
    }

    #[test]
    fn a_hole_leaves_two_parts() {
        let mut world = World::default();
        world.maps.push(map(10, 8));
        world.carve(arena::START + 12 * PAGE..arena::START + 13 * PAGE);
        let parts: Vec<_> = world.maps.iter().map(|m| (m.first, m.pages())).collect();
        assert_eq!(parts, [(0, 2), (3, 5)]);
    }

    #[test]
    fn a_change_is_for_its_range_only() {
        let mut world = World::default();
        world.maps.push(map(0, 4));
        world.change(arena::START + PAGE..arena::START + 2 * PAGE, |map| {
            Some(Map { prot: 1, ..map })
        });
        let prots: Vec<_> = world.maps.iter().map(|m| m.prot).collect();
        assert_eq!(prots, [3, 1, 3]);
    }

    #[test]
    fn words_are_zero_until_written() {
        let mut world = World::default();
        let object = Some(world.add_object());
        assert_eq!(world.word(object, 1), Some(0));
        world.set_word(object, 1, 7);
        assert_eq!(world.word(object, 1), Some(7));
        world.lose_contents();
        assert_eq!(world.word(object, 1), None);
    }
}
