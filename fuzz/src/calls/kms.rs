// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Mode setting: framebuffers, modes, flips, and atomic commits of any properties with any values.

use crate::abi;
use crate::call::{Choice, KmsCall, Pick};
use crate::model::{Client, Framebuffer};
use crate::sys;
use crate::thread_context::ThreadContext;

use super::file;

/// Maximum number of ids of each kind.
const IDS: usize = 8;
/// Maximum number of modes and of properties.
const MODES: usize = 64;

/// `DRM_MODE_OBJECT_*`, from drm_mode.h.
const CRTC: u32 = 0xcccc_cccc;
const CONNECTOR: u32 = 0xc0c0_c0c0;
const PLANE: u32 = 0xeeee_eeee;

/// DRM_FORMAT_RGB565: two bytes per pixel.
const RGB565: u32 = 0x3631_4752;

/// Pixel formats from drm_fourcc.h: XR24, BX24, AR24, RG16, XR30, NV12, and an invalid one.
const FORMATS: &[u32] = &[
    0x3432_5258,
    0x3432_5258,
    0x3432_5842,
    0x3432_5241,
    RGB565,
    0x3033_5258,
    0x3231_564e,
    0,
];

/// `DRM_MODE_FLAG_DBLSCAN`, from drm_mode.h.
const DOUBLESCAN: u32 = 1 << 5;

/// A pitch in bytes above the limits of all displays.
const LONG_LINE: u32 = 4 << 16;

/// Widths and heights of modes: around the displays' limits and alignments.
const SIDES: &[u16] = &[
    640, 640, 640, 480, 480, 1024, 1, 7, 8, 63, 64, 65, 644, 1936, 4096, 8192, 12001, 16001, 32767,
    65535,
];

/// The KMS objects of a device.
#[derive(Default)]
struct Screen {
    fd: i32,
    crtc: u32,
    connector: u32,
    plane: u32,
    modes: Vec<abi::drm_mode_modeinfo>,
}

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: KmsCall) {
    match call {
        KmsCall::Open { caps } => {
            let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK;
            file::open_node(ctx, ctx.device, "card", flags);
            let _ = screen(ctx, caps);
        }
        KmsCall::AddFb {
            handle,
            width,
            height,
            pitch,
            format,
            offset,
        } => add_fb(ctx, handle, [width, height], pitch, format, offset),
        KmsCall::RemoveFb { fb } => {
            let (fd, fb) = (card(ctx).fd, fb_of(ctx, fb));
            let says = || format!("drmModeRmFB({fd}, {fb})");
            let mut argument = fb;
            let _ = ctx.ioctl(says, fd, abi::FUZZ_RM_FB, &mut argument);
        }
        KmsCall::Set {
            fb,
            mode,
            x,
            y,
            odd,
        } => set(ctx, fb, mode, [x, y], odd),
        KmsCall::Flip { fb, flags } => flip(ctx, fb, flags),
        KmsCall::SetPlane { fb, from, to, odd } => set_plane(ctx, fb, from, to, odd),
        KmsCall::Mode {
            width,
            height,
            rate,
            test,
        } => set_mode(ctx, width, height, rate, test),
        KmsCall::Panic => panic_screen(ctx),
        KmsCall::Dirty { fb, count, rect } => dirty(ctx, fb, count, rect),
        KmsCall::Atomic {
            flags,
            fb,
            first,
            second,
            third,
            values,
            mode,
        } => atomic(ctx, flags, fb, &[first, second, third], values, mode),
    }
}

/// Returns the client opened last: the card, if the program opened it last.
fn card(ctx: &ThreadContext<'_>) -> Client {
    let model = ctx.model();
    let last = model.clients.last().copied();
    last.unwrap_or(Client {
        fd: -1,
        id: usize::MAX,
    })
}

/// Returns a framebuffer or an invalid id.
fn any_fb(ctx: &ThreadContext<'_>, pick: Pick) -> Framebuffer {
    let model = ctx.model();
    match pick.of(model.fbs.len()) {
        Some(index) => model.fbs[index],
        None => Framebuffer {
            id: u32::from(pick.0 % 4),
            size: [640, 480],
        },
    }
}

fn fb_of(ctx: &ThreadContext<'_>, pick: Pick) -> u32 {
    any_fb(ctx, pick).id
}

/// Enumerates the KMS objects after setting the client capabilities that `caps` selects.
fn screen(ctx: &ThreadContext<'_>, caps: Choice) -> Option<Screen> {
    let fd = card(ctx).fd;
    for capability in 1..=5 {
        let value = u64::from((caps.0 >> capability) & 1 == 0);
        let mut cap = abi::drm_set_client_cap { capability, value };
        let says = || format!("drmSetClientCap({fd}, {capability}, {value})");
        let _ = ctx.ioctl(says, fd, abi::FUZZ_SET_CLIENT_CAP, &mut cap);
    }
    let (mut crtcs, mut connectors) = ([0u32; IDS], [0u32; IDS]);
    // SAFETY: all-zero bytes are a valid value of this type.
    let mut resources: abi::drm_mode_card_res = unsafe { std::mem::zeroed() };
    resources.crtc_id_ptr = crtcs.as_mut_ptr() as u64;
    resources.connector_id_ptr = connectors.as_mut_ptr() as u64;
    resources.count_crtcs = IDS as u32;
    resources.count_connectors = IDS as u32;
    let says = || format!("drmModeGetResources({fd})");
    ctx.ioctl(says, fd, abi::FUZZ_GET_RESOURCES, &mut resources)
        .ok()?;
    let mut planes = [0u32; IDS];
    let mut plane = abi::drm_mode_get_plane_res {
        plane_id_ptr: planes.as_mut_ptr() as u64,
        count_planes: IDS as u32,
    };
    let says = || format!("drmModeGetPlaneResources({fd})");
    let _ = ctx.ioctl(says, fd, abi::FUZZ_GET_PLANES, &mut plane);
    Some(Screen {
        fd,
        crtc: crtcs[0],
        connector: connectors[0],
        plane: planes[0],
        modes: modes(ctx, fd, connectors[0]),
    })
}

/// Returns the modes of a connector.
fn modes(ctx: &ThreadContext<'_>, fd: i32, connector: u32) -> Vec<abi::drm_mode_modeinfo> {
    // SAFETY: all-zero bytes are a valid value of this type.
    let mut ask: abi::drm_mode_get_connector = unsafe { std::mem::zeroed() };
    // SAFETY: all-zero bytes are a valid value of this type.
    let empty: abi::drm_mode_modeinfo = unsafe { std::mem::zeroed() };
    ask.connector_id = connector;
    let says = || format!("drmModeGetConnector({fd}, {connector})");
    if ctx
        .ioctl(says, fd, abi::FUZZ_GET_CONNECTOR, &mut ask)
        .is_err()
    {
        return Vec::new();
    }
    let mut modes = vec![empty; MODES];
    ask.count_modes = ask.count_modes.min(MODES as u32);
    ask.modes_ptr = modes.as_mut_ptr() as u64;
    ask.count_props = 0;
    ask.count_encoders = 0;
    let _ = ctx.ioctl(says, fd, abi::FUZZ_GET_CONNECTOR, &mut ask);
    modes.truncate((ask.count_modes as usize).min(MODES));
    modes
}

fn add_fb(
    ctx: &ThreadContext<'_>,
    handle: Pick,
    size: [u16; 2],
    pitch: Choice,
    format: Choice,
    offset: Choice,
) {
    let client = card(ctx);
    let handle = ctx.model().handle(handle, client.id);
    let side = |number: u16, sides: [u32; 6]| match number % 4 {
        0 => u32::from(number),
        _ => sides[usize::from(number) / 4 % sides.len()],
    };
    let width = side(size[0], [640, 800, 1024, 16, 64, 0]);
    let height = side(size[1], [480, 600, 768, 16, 64, 0]);
    // SAFETY: all-zero bytes are a valid value of this type.
    let mut fb: abi::drm_mode_fb_cmd2 = unsafe { std::mem::zeroed() };
    fb.width = width;
    fb.height = height;
    fb.pixel_format = format.of(FORMATS);
    fb.handles[0] = handle.number;
    fb.pitches[0] = pitch.of(&[
        width * 4,
        width * 4,
        width * 4,
        width * 2,
        0,
        4096,
        width * 4 + 4,
        width * 4 + 32,
        width * 4 + 2,
        LONG_LINE,
        // Slightly above VGA's limit.
        16_008 * 4,
    ]);
    fb.offsets[0] = match offset.0 {
        KmsCall::AT_END.. => last_start(&fb, handle.size),
        _ => offset.of(&[0, 0, 0, 4096, 4, 1 << 20, 2, 64, u32::MAX]),
    };
    let (format, pitch, offset) = (fb.pixel_format, fb.pitches[0], fb.offsets[0]);
    let says = || {
        format!(
            "drmModeAddFB2({}, {width}, {height}, {format:#x}, handle {}, pitch {pitch}, \
             offset {offset:#x})",
            client.fd, handle.number
        )
    };
    if ctx
        .ioctl(says, client.fd, abi::FUZZ_ADD_FB2, &mut fb)
        .is_ok()
    {
        let end = u64::from(offset) + u64::from(pitch) * u64::from(height.max(1) - 1);
        if ctx.exact && handle.object.is_some() && end > handle.size {
            ctx.report("a framebuffer goes past the end of its object");
        }
        ctx.model().fbs.push(Framebuffer {
            id: fb.fb_id,
            size: [width, height],
        });
    }
}

/// Returns the offset with which a framebuffer ends at the end of an object of `size` bytes.
fn last_start(fb: &abi::drm_mode_fb_cmd2, size: u64) -> u32 {
    let per_pixel = if fb.pixel_format == RGB565 { 2 } else { 4 };
    let lines = u64::from(fb.pitches[0]) * u64::from(fb.height.saturating_sub(1));
    let len = lines + u64::from(fb.width) * per_pixel;
    size.checked_sub(len)
        .and_then(|start| u32::try_from(start).ok())
        .unwrap_or(0)
}

impl Screen {
    /// Returns one of the modes, preferably one of the framebuffer's size.
    fn mode(&self, mode: Choice, fb: Framebuffer) -> Option<&abi::drm_mode_modeinfo> {
        let any = || {
            self.modes
                .get(usize::from(mode.0) % self.modes.len().max(1))
        };
        if mode.one_in(4) {
            return any();
        }
        let fits =
            |m: &&abi::drm_mode_modeinfo| [u32::from(m.hdisplay), u32::from(m.vdisplay)] == fb.size;
        self.modes.iter().find(fits).or_else(any)
    }
}

/// Changes a mode to a plausible one of another size and rate.
fn resize(mode: &mut abi::drm_mode_modeinfo, width: u16, height: u16, rate: u8) {
    let rates = [60, 1, 19, 500, 501, 2000];
    (mode.hdisplay, mode.vdisplay) = (width, height);
    (mode.hsync_start, mode.vsync_start) = (width.saturating_add(8), height.saturating_add(2));
    (mode.hsync_end, mode.vsync_end) = (width.saturating_add(16), height.saturating_add(4));
    (mode.htotal, mode.vtotal) = (width.saturating_add(32), height.saturating_add(8));
    let pixels = u32::from(mode.htotal) * u32::from(mode.vtotal);
    let rate = rates[usize::from(rate) / 16 % rates.len()];
    mode.clock = u32::try_from(u64::from(pixels) * rate / 1000).unwrap_or(u32::MAX);
}

/// Adds many invisible lines and pixels to a mode, and a high vscan.
fn stretch(mode: &mut abi::drm_mode_modeinfo, totals: [u8; 2], vscan: u8) {
    mode.htotal = u16::from(totals[0]) * 257;
    mode.vtotal = u16::from(totals[1]) * 257;
    mode.vscan = vscan.into();
    if vscan % 4 == 1 {
        mode.flags |= DOUBLESCAN;
    }
    let pixels = u64::from(mode.htotal) * u64::from(mode.vtotal);
    mode.clock = u32::try_from(pixels * 60 / 1000).unwrap_or(u32::MAX);
}

/// Shows a part of a framebuffer. `from` is the source, `to` the destination: x, y, width and
/// height in eighths of the framebuffer's size, or in pixels if `odd` selects that.
fn set_plane(ctx: &ThreadContext<'_>, fb: Pick, from: [u8; 4], to: [u8; 4], odd: Choice) {
    let Some(screen) = screen(ctx, odd) else {
        return;
    };
    let fb = any_fb(ctx, fb);
    let part = |which: [u8; 4]| {
        let mut rect = [0, 0, fb.size[0], fb.size[1]];
        for (index, side) in rect.iter_mut().enumerate() {
            match which[index] {
                small @ 0xe0.. => *side = u32::from(small) - 0xe0,
                eighths @ 0xc0.. => *side = fb.size[index % 2] / 8 * (u32::from(eighths) % 10),
                _ => (),
            }
        }
        rect
    };
    let (from, to) = (part(from), part(to));
    let mut plane = abi::drm_mode_set_plane {
        plane_id: screen.plane,
        crtc_id: screen.crtc,
        fb_id: if odd.one_in(8) { 0 } else { fb.id },
        flags: 0,
        crtc_x: to[0] as i32 - i32::from(odd.0 % 5 == 4) * 64,
        crtc_y: to[1] as i32,
        crtc_w: to[2],
        crtc_h: to[3],
        src_x: from[0] << 16,
        src_y: from[1] << 16,
        src_h: from[3] << 16,
        src_w: from[2] << 16,
    };
    let says = || {
        format!(
            "drmModeSetPlane({}, {}, {}, {}, {from:?} to {to:?})",
            screen.fd, screen.plane, screen.crtc, plane.fb_id
        )
    };
    let text = says();
    let _ = ctx.ioctl(|| text, screen.fd, abi::FUZZ_SET_PLANE, &mut plane);
}

/// The panic screen is drawn over the current framebuffer of any client.
fn panic_screen(ctx: &ThreadContext<'_>) {
    ctx.model().forget_contents();
    let path = ctx.device.debugfs("drm_panic_plane_0");
    ctx.trace_call(|| format!("write_file(\"{path}\", \"1\")"));
    ctx.shared.count();
    let done = sys::write_file(&path, "1");
    ctx.trace_result(|| format!("= {done:?}"));
}

fn set(ctx: &ThreadContext<'_>, fb: Pick, mode: Choice, at: [u8; 2], odd: Choice) {
    let Some(screen) = screen(ctx, mode) else {
        return;
    };
    // SAFETY: all-zero bytes are a valid value of this type.
    let mut crtc: abi::drm_mode_crtc = unsafe { std::mem::zeroed() };
    let mut connectors = [screen.connector; 2];
    crtc.crtc_id = screen.crtc;
    let fb = any_fb(ctx, fb);
    crtc.fb_id = fb.id;
    if odd.one_in(4) {
        (crtc.x, crtc.y) = (u32::from(at[0]), u32::from(at[1]));
    }
    if let Some(mode) = screen.mode(mode, fb) {
        crtc.mode = *mode;
        crtc.mode_valid = 1;
        crtc.set_connectors_ptr = connectors.as_mut_ptr() as u64;
        crtc.count_connectors = u32::from(!odd.one_in(9));
    }
    match odd.0 % 16 {
        0 => crtc.mode.hdisplay = u16::from(at[0]) * 97,
        1 => crtc.mode.clock = 0,
        3 => resize(
            &mut crtc.mode,
            u16::from(at[0]) * 97,
            u16::from(at[1]) * 67,
            odd.0,
        ),
        4 => resize(&mut crtc.mode, 640, u16::from(at[1]) * 16, odd.0),
        // A mode of the framebuffer's size.
        5 => resize(&mut crtc.mode, fb.size[0] as u16, fb.size[1] as u16, 0),
        6 => crtc.mode.flags |= 1 << (at[0] % 20),
        7 => stretch(&mut crtc.mode, at, odd.0 / 16),
        // Switches the CRTC off.
        2 => {
            crtc.mode_valid = 0;
            crtc.fb_id = 0;
            crtc.count_connectors = 0;
        }
        _ => (),
    }
    let (fb, width) = (crtc.fb_id, crtc.mode.hdisplay);
    let says = || {
        format!(
            "drmModeSetCrtc({}, {}, fb {fb}, mode {width}x..)",
            screen.fd, screen.crtc
        )
    };
    let _ = ctx.ioctl(says, screen.fd, abi::FUZZ_SET_CRTC, &mut crtc);
}

fn flip(ctx: &ThreadContext<'_>, fb: Pick, flags: Choice) {
    let Some(screen) = screen(ctx, flags) else {
        return;
    };
    let mut flip = abi::drm_mode_crtc_page_flip {
        crtc_id: screen.crtc,
        fb_id: fb_of(ctx, fb),
        flags: flags.of(&[0, 1, 1, 2, 3, 4, 0x80]),
        reserved: 0,
        user_data: 7,
    };
    let (fb, flags) = (flip.fb_id, flip.flags);
    let says = || {
        format!(
            "drmModePageFlip({}, {}, {fb}, {flags:#x})",
            screen.fd, screen.crtc
        )
    };
    let _ = ctx.ioctl(says, screen.fd, abi::FUZZ_PAGE_FLIP, &mut flip);
}

fn dirty(ctx: &ThreadContext<'_>, fb: Pick, count: Choice, rect: u16) {
    let (fd, fb) = (card(ctx).fd, fb_of(ctx, fb));
    let mut rects = [abi::drm_clip_rect {
        x1: rect % 64,
        y1: rect % 32,
        x2: rect,
        y2: rect / 2,
    }; 4];
    // SAFETY: all-zero bytes are a valid value of this type.
    let mut dirty: abi::drm_mode_fb_dirty_cmd = unsafe { std::mem::zeroed() };
    dirty.fb_id = fb;
    dirty.num_clips = u32::from(count.0 % 5);
    dirty.flags = u32::from(count.0 / 64);
    dirty.clips_ptr = rects.as_mut_ptr() as u64;
    let says = || format!("drmModeDirtyFB({fd}, {fb}, {} rectangles)", count.0 % 5);
    let _ = ctx.ioctl(says, fd, abi::FUZZ_DIRTY_FB, &mut dirty);
}

/// Returns the ids of an object's properties and their values.
fn properties(ctx: &ThreadContext<'_>, fd: i32, id: u32, kind: u32) -> Vec<(u32, u32, u64)> {
    let (mut ids, mut values) = ([0u32; MODES], [0u64; MODES]);
    let mut ask = abi::drm_mode_obj_get_properties {
        props_ptr: ids.as_mut_ptr() as u64,
        prop_values_ptr: values.as_mut_ptr() as u64,
        count_props: MODES as u32,
        obj_id: id,
        obj_type: kind,
    };
    let says = || format!("drmModeObjectGetProperties({fd}, {id}, {kind:#x})");
    let done = ctx.ioctl(says, fd, abi::FUZZ_GET_PROPERTIES, &mut ask);
    let count = done.map_or(0, |_| (ask.count_props as usize).min(MODES));
    let all = ids.iter().zip(values).take(count);
    all.map(|(property, value)| (id, *property, value))
        .collect()
}

fn atomic(
    ctx: &ThreadContext<'_>,
    flags: Choice,
    fb: Pick,
    which: &[u8],
    values: u16,
    mode: Choice,
) {
    let Some(screen) = screen(ctx, Choice(0)) else {
        return;
    };
    let mut all = properties(ctx, screen.fd, screen.plane, PLANE);
    all.extend(properties(ctx, screen.fd, screen.crtc, CRTC));
    all.extend(properties(ctx, screen.fd, screen.connector, CONNECTOR));
    if all.is_empty() {
        return;
    }
    let fb = any_fb(ctx, fb);
    let choices = [
        u64::from(fb.id),
        u64::from(screen.crtc),
        0,
        1,
        u64::from(values),
        u64::from(values) << 16,
        u64::MAX,
        u64::from(blob(ctx, &screen, mode, fb)),
    ];
    let mut wanted = Vec::new();
    for (index, pick) in which.iter().enumerate() {
        let (object, property, value) = all[usize::from(*pick) % all.len()];
        let choice = usize::from(values >> (index * 4)) % (choices.len() + 2);
        wanted.push((
            object,
            property,
            choices.get(choice).copied().unwrap_or(value),
        ));
    }
    // All combinations of test only, nonblocking, allow modeset and event.
    let flags = flags.of(&[
        0x400, 0x400, 0, 0x100, 0x500, 0x200, 0x601, 0x401, 1, 0x8000,
    ]);
    commit(ctx, screen.fd, &wanted, flags);
}

/// Commits values of objects' properties.
fn commit(ctx: &ThreadContext<'_>, fd: i32, wanted: &[(u32, u32, u64)], flags: u32) {
    // This array is the argument that a delayed copy delays: the commit has begun and holds no
    // locks yet.
    let mut objects = [0u32; MODES];
    let count = wanted.len().min(MODES);
    let wanted = &wanted[..count];
    for (device, (object, ..)) in objects.iter_mut().zip(wanted) {
        *device = *object;
    }
    let ids: Vec<u32> = wanted.iter().map(|(_, property, _)| *property).collect();
    let values: Vec<u64> = wanted.iter().map(|(.., value)| *value).collect();
    let counts = vec![1u32; count];
    let mut commit = abi::drm_mode_atomic {
        flags,
        count_objs: count as u32,
        objs_ptr: 0,
        count_props_ptr: counts.as_ptr() as u64,
        props_ptr: ids.as_ptr() as u64,
        prop_values_ptr: values.as_ptr() as u64,
        reserved: 0,
        user_data: 9,
    };
    let shown = objects;
    let shown = &shown[..count];
    let says =
        || format!("drmModeAtomicCommit({fd}, {shown:?}, {ids:?}, {values:#x?}, {flags:#x})");
    let _ = ctx.call_with_delayed_copy(abi::FUZZ_ATOMIC, &mut objects, |objects| {
        commit.objs_ptr = objects as u64;
        let argument = std::ptr::from_mut(&mut commit) as usize;
        let ioctl = [sys::fd(fd), abi::FUZZ_ATOMIC as usize, argument];
        ctx.sys(says, libc::SYS_ioctl, &ioctl)
    });
}

/// Sets or tests a mode of any size. Without a framebuffer, no size has to match.
fn set_mode(ctx: &ThreadContext<'_>, width: Choice, height: Choice, rate: u8, test: Choice) {
    let Some(screen) = screen(ctx, Choice(0)) else {
        return;
    };
    let Some(mut mode) = screen.modes.first().copied() else {
        return;
    };
    let fb =
        (rate >= KmsCall::WITH_PICTURE).then(|| any_fb(ctx, Pick(rate - KmsCall::WITH_PICTURE)));
    let [fb_width, fb_height] = fb.map_or([0; 2], |fb| fb.size);
    match fb {
        Some(_) => resize(&mut mode, fb_width as u16, fb_height as u16, 0),
        None => resize(&mut mode, width.of(SIDES), height.of(SIDES), rate),
    }
    let mut kinds = vec![(screen.crtc, CRTC), (screen.connector, CONNECTOR)];
    kinds.extend(fb.map(|_| (screen.plane, PLANE)));
    let mut wanted = Vec::new();
    for (id, kind) in kinds {
        for (object, property, _) in properties(ctx, screen.fd, id, kind) {
            let value = match &name(ctx, screen.fd, property)[..] {
                b"ACTIVE" => 1,
                b"MODE_ID" => u64::from(blob_of(ctx, &screen, &mode)),
                b"CRTC_ID" => u64::from(screen.crtc),
                b"FB_ID" => fb.map_or(0, |fb| fb.id.into()),
                b"SRC_W" => u64::from(fb_width) << 16,
                b"SRC_H" => u64::from(fb_height) << 16,
                b"CRTC_W" => fb_width.into(),
                b"CRTC_H" => fb_height.into(),
                b"SRC_X" | b"SRC_Y" | b"CRTC_X" | b"CRTC_Y" => 0,
                _ => continue,
            };
            wanted.push((object, property, value));
        }
    }
    // Test only or not; modesets are allowed. With a framebuffer, also an event.
    let flags = match fb {
        Some(_) => test.of(&[0x401, 0x601]),
        None => test.of(&[0x500, 0x500, 0x400]),
    };
    commit(ctx, screen.fd, &wanted, flags);
}

/// Returns a property's name.
fn name(ctx: &ThreadContext<'_>, fd: i32, property: u32) -> Vec<u8> {
    // SAFETY: all-zero bytes are a valid value of this type.
    let mut ask: abi::drm_mode_get_property = unsafe { std::mem::zeroed() };
    ask.prop_id = property;
    let says = || format!("drmModeGetProperty({fd}, {property})");
    let _ = ctx.ioctl(says, fd, abi::FUZZ_GET_PROPERTY, &mut ask);
    let bytes = ask.name.iter().map(|byte| *byte as u8);
    bytes.take_while(|byte| *byte != 0).collect()
}

/// Creates a blob with a mode.
fn blob(ctx: &ThreadContext<'_>, screen: &Screen, mode: Choice, fb: Framebuffer) -> u32 {
    screen
        .mode(mode, fb)
        .map_or(0, |mode| blob_of(ctx, screen, mode))
}

fn blob_of(ctx: &ThreadContext<'_>, screen: &Screen, mode: &abi::drm_mode_modeinfo) -> u32 {
    let mut blob = abi::drm_mode_create_blob {
        data: std::ptr::from_ref(mode) as u64,
        length: size_of::<abi::drm_mode_modeinfo>() as u32,
        blob_id: 0,
    };
    let says = || format!("drmModeCreatePropertyBlob({})", screen.fd);
    let done: sys::Returned = ctx.ioctl(says, screen.fd, abi::FUZZ_CREATE_BLOB, &mut blob);
    done.map_or(0, |_| blob.blob_id)
}
