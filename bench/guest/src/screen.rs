// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A screen of 1920x1080 pixels, driven by the generic mode setting ioctls.

use std::fs::File;
use std::io::{self, Read};

use crate::abi;
use crate::method::Method;
use crate::sys::{self, Mapping};

/// Size of a picture in pixels, and of a pixel in bits.
const WIDTH: u16 = 1920;
const HEIGHT: u16 = 1080;
const BPP: u32 = 32;
/// Colour depth in bits.
const DEPTH: u32 = 24;

/// The only screen of a device. The process must be DRM master.
pub struct Screen {
    file: File,
    crtc: u32,
    connector: u32,
}

/// A framebuffer.
pub struct Picture {
    handle: u32,
    framebuffer: u32,
    len: usize,
}

impl Screen {
    /// Finds the screen of the device whose primary node is `file`.
    pub fn new(file: File) -> io::Result<Self> {
        let (mut crtcs, mut connectors) = ([0u32; 1], [0u32; 1]);
        let mut resources = abi::drm_mode_card_res {
            crtc_id_ptr: sys::address(&mut crtcs),
            connector_id_ptr: sys::address(&mut connectors),
            count_crtcs: 1,
            count_connectors: 1,
            ..abi::drm_mode_card_res::default()
        };
        sys::ioctl(&file, abi::BENCH_GET_RESOURCES, &mut resources)?;
        if resources.count_crtcs != 1 || resources.count_connectors != 1 {
            return Err(io::Error::other("the device has more than one screen"));
        }
        Ok(Self {
            file,
            crtc: crtcs[0],
            connector: connectors[0],
        })
    }

    /// Creates a dumb buffer of `width` x `height` pixels with `BPP` bits.
    fn dumb(&self, width: u32, height: u32) -> io::Result<abi::drm_mode_create_dumb> {
        let mut create = abi::drm_mode_create_dumb {
            height,
            width,
            bpp: BPP,
            ..abi::drm_mode_create_dumb::default()
        };
        sys::ioctl(&self.file, abi::BENCH_CREATE_DUMB, &mut create)?;
        Ok(create)
    }

    /// Maps a dumb buffer.
    fn map_dumb(&self, handle: u32, len: usize) -> io::Result<Mapping> {
        let mut map = abi::drm_mode_map_dumb {
            handle,
            ..abi::drm_mode_map_dumb::default()
        };
        sys::ioctl(&self.file, abi::BENCH_MAP_DUMB, &mut map)?;
        Mapping::new(&self.file, map.offset, len)
    }

    fn destroy_dumb(&self, handle: u32) -> io::Result<()> {
        let mut destroy = abi::drm_mode_destroy_dumb { handle };
        sys::ioctl(&self.file, abi::BENCH_DESTROY_DUMB, &mut destroy)
    }

    /// Creates, maps, touches and destroys a dumb buffer with a pitch of one page; `touch` gets the
    /// mapping.
    pub fn life(&self, pages: u32, touch: impl FnOnce(&Mapping)) -> io::Result<()> {
        let pitch = u32::try_from(sys::page_size()).map_err(io::Error::other)?;
        let dumb = self.dumb(pitch / (BPP / u8::BITS), pages)?;
        touch(&self.map_dumb(dumb.handle, length(&dumb)?)?);
        self.destroy_dumb(dumb.handle)
    }

    /// Creates a framebuffer with a dumb buffer.
    pub fn picture(&self) -> io::Result<Picture> {
        let dumb = self.dumb(WIDTH.into(), HEIGHT.into())?;
        self.picture_of(dumb.handle, dumb.pitch, length(&dumb)?)
    }

    /// Creates a framebuffer with an object in system memory. `method` is that of the device.
    pub fn picture_in_system_memory(&self, method: Method) -> io::Result<Picture> {
        if method != Method::Barium {
            return self.picture();
        }
        let pitch = u32::from(WIDTH) * (BPP / u8::BITS);
        let mut create = abi::drm_barium_gem_create {
            size: u64::from(pitch) * u64::from(HEIGHT),
            flags: abi::BARIUM_GEM_CREATE_SYSTEM,
            handle: 0,
        };
        sys::ioctl(&self.file, abi::BENCH_BARIUM_GEM_CREATE, &mut create)?;
        let len = usize::try_from(create.size).map_err(io::Error::other)?;
        self.picture_of(create.handle, pitch, len)
    }

    /// Creates a framebuffer with an object of `len` bytes.
    fn picture_of(&self, handle: u32, pitch: u32, len: usize) -> io::Result<Picture> {
        let mut framebuffer = abi::drm_mode_fb_cmd {
            width: WIDTH.into(),
            height: HEIGHT.into(),
            pitch,
            bpp: BPP,
            depth: DEPTH,
            handle,
            ..abi::drm_mode_fb_cmd::default()
        };
        sys::ioctl(&self.file, abi::BENCH_ADD_FB, &mut framebuffer)?;
        Ok(Picture {
            handle,
            framebuffer: framebuffer.fb_id,
            len,
        })
    }

    /// Destroys a framebuffer that is not shown.
    pub fn discard(&self, picture: Picture) -> io::Result<()> {
        let mut framebuffer = picture.framebuffer;
        sys::ioctl(&self.file, abi::BENCH_REMOVE_FB, &mut framebuffer)?;
        self.destroy_dumb(picture.handle)
    }

    /// Maps a picture for drawing.
    pub fn map(&self, picture: &Picture) -> io::Result<Mapping> {
        self.map_dumb(picture.handle, picture.len)
    }

    /// Enables the CRTC and shows a picture.
    pub fn switch_on(&self, picture: &Picture) -> io::Result<()> {
        let mut connectors = [self.connector];
        let mut set = abi::drm_mode_crtc {
            set_connectors_ptr: sys::address(&mut connectors),
            count_connectors: 1,
            crtc_id: self.crtc,
            fb_id: picture.framebuffer,
            mode_valid: 1,
            mode: mode(),
            ..abi::drm_mode_crtc::default()
        };
        sys::ioctl(&self.file, abi::BENCH_SET_CRTC, &mut set)
    }

    /// Disables the CRTC.
    pub fn switch_off(&self) -> io::Result<()> {
        let mut set = abi::drm_mode_crtc {
            crtc_id: self.crtc,
            ..abi::drm_mode_crtc::default()
        };
        sys::ioctl(&self.file, abi::BENCH_SET_CRTC, &mut set)
    }

    /// Requests a page flip to another picture.
    pub fn flip(&self, picture: &Picture) -> io::Result<()> {
        let mut flip = abi::drm_mode_crtc_page_flip {
            crtc_id: self.crtc,
            fb_id: picture.framebuffer,
            flags: abi::DRM_MODE_PAGE_FLIP_EVENT,
            ..abi::drm_mode_crtc_page_flip::default()
        };
        sys::ioctl(&self.file, abi::BENCH_PAGE_FLIP, &mut flip)
    }

    /// Reports that the top left `size` x `size` pixels of the picture that is shown have changed.
    /// Returns when the screen shows them.
    pub fn dirty(&self, picture: &Picture, size: u16) -> io::Result<()> {
        let mut clips = [abi::drm_clip_rect {
            x1: 0,
            y1: 0,
            x2: size,
            y2: size,
        }];
        let mut dirty = abi::drm_mode_fb_dirty_cmd {
            fb_id: picture.framebuffer,
            num_clips: 1,
            clips_ptr: sys::address(&mut clips),
            ..abi::drm_mode_fb_dirty_cmd::default()
        };
        sys::ioctl(&self.file, abi::BENCH_DIRTY_FB, &mut dirty)
    }

    /// Waits for the flip's event.
    pub fn wait(&self) -> io::Result<()> {
        let mut event = [0; 64];
        match (&self.file).read(&mut event)? {
            0 => Err(io::Error::other("no event")),
            _ => Ok(()),
        }
    }
}

fn length(dumb: &abi::drm_mode_create_dumb) -> io::Result<usize> {
    usize::try_from(dumb.size).map_err(io::Error::other)
}

/// The standard mode 1920x1080 at 60 Hz.
fn mode() -> abi::drm_mode_modeinfo {
    abi::drm_mode_modeinfo {
        clock: 148_500,
        hdisplay: WIDTH,
        hsync_start: 2008,
        hsync_end: 2052,
        htotal: 2200,
        vdisplay: HEIGHT,
        vsync_start: 1084,
        vsync_end: 1089,
        vtotal: 1125,
        vrefresh: 60,
        ..abi::drm_mode_modeinfo::default()
    }
}
