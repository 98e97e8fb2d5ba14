/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note OR MIT */
/*
 * The userspace ABI of barium, the DRM driver for VRAM behind a PCI BAR.
 *
 * This header is the only source of the ABI: the driver's Rust side is generated from it when the
 * module is built. Every structure is the same on 32 and 64 bit, has no implicit padding, and
 * every ioctl may be used on the render node. Sizes and offsets are bytes.
 */
#ifndef _UAPI_BARIUM_DRM_H_
#define _UAPI_BARIUM_DRM_H_

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

#define DRM_BARIUM_GET_PARAM		0x00
#define DRM_BARIUM_GEM_CREATE		0x01
#define DRM_BARIUM_GEM_MMAP_OFFSET	0x02
#define DRM_BARIUM_GEM_INFO		0x03
#define DRM_BARIUM_MAP_AHEAD		0x04

/* Size in bytes of the VRAM that objects can be placed in. */
#define BARIUM_PARAM_VRAM_SIZE		0x00
/* Bytes of VRAM not taken by any object at the time of the call. */
#define BARIUM_PARAM_VRAM_AVAILABLE	0x01
/* Bytes of a page: the granularity of object sizes and of faults. */
#define BARIUM_PARAM_PAGE_SIZE		0x02
/* Bytes that one huge page table entry maps, 0 if the driver uses none. */
#define BARIUM_PARAM_HUGE_SIZE		0x03
/* Largest number of pages that one fault maps with entries of a page: 1 if only its own. */
#define BARIUM_PARAM_FAULT_AROUND	0x04

/**
 * struct drm_barium_get_param - ask for a property of the device
 *
 * Errors: EINVAL for an unknown @param or a @pad that is not 0.
 */
struct drm_barium_get_param {
	/** @param: Which property, one of BARIUM_PARAM_*. */
	__u32 param;

	/** @pad: Must be 0. */
	__u32 pad;

	/** @value: Returned value, in the unit stated with the parameter. */
	__u64 value;
};

/* Place the object in one run of VRAM, without gaps between its pages. */
#define BARIUM_GEM_CREATE_CONTIGUOUS	0x01

/**
 * struct drm_barium_gem_create - create an object in VRAM
 *
 * The object reads as zero. It lives until its last handle, mapping and dma-buf are gone.
 *
 * Errors: EINVAL for a @size of 0, a @size that overflows when it is rounded up, or unknown
 * @flags; ENOSPC if the object does not fit in the VRAM that is available; ENOMEM if the kernel is
 * out of memory.
 */
struct drm_barium_gem_create {
	/** @size: Bytes wanted; on return the object's size, rounded up to whole pages. */
	__u64 size;

	/** @flags: 0 or BARIUM_GEM_CREATE_CONTIGUOUS. */
	__u32 flags;

	/** @handle: Returned handle, never 0. */
	__u32 handle;
};

/**
 * struct drm_barium_gem_mmap_offset - get the offset that maps an object
 *
 * Pass @offset to mmap() on the same open file, with MAP_SHARED. Access to the mapping is
 * write-combined.
 *
 * Errors: EINVAL for a @pad that is not 0; ENOENT for an unknown @handle.
 */
struct drm_barium_gem_mmap_offset {
	/** @handle: The object. */
	__u32 handle;

	/** @pad: Must be 0. */
	__u32 pad;

	/** @offset: Returned offset for mmap(); not an address in VRAM. */
	__u64 offset;
};

/**
 * struct drm_barium_gem_info - ask what an object is
 *
 * Errors: ENOENT for an unknown @handle.
 */
struct drm_barium_gem_info {
	/** @handle: The object. */
	__u32 handle;

	/** @flags: Returned flags that the object was created with. */
	__u32 flags;

	/** @size: Returned size in bytes, a whole number of pages. */
	__u64 size;
};

/**
 * struct drm_barium_map_ahead - map pages before they are touched
 *
 * A program that is about to touch all of a range saves the faults. It is a hint in that nothing
 * but speed depends on it: pages that are not mapped when it returns are mapped when touched.
 *
 * Errors: EINVAL for a range that is empty, not page aligned or wraps around, and for @flags or a
 * @pad that is not 0; EFAULT if not all of it is mapped to objects of this device, or some of it
 * with PROT_NONE, where what comes before the first such address has been mapped; EINTR on a
 * signal; ENOMEM; ENODEV if the device goes.
 */
struct drm_barium_map_ahead {
	/** @address: Where the range starts in the address space of the caller. */
	__u64 address;

	/** @size: Bytes in the range. */
	__u64 size;

	/** @flags: Must be 0. */
	__u32 flags;

	/** @pad: Must be 0. */
	__u32 pad;
};

/* An enum, not macros, so that the generators of other languages' bindings see the numbers. */
enum {
	DRM_IOCTL_BARIUM_GET_PARAM = DRM_IOWR(DRM_COMMAND_BASE + DRM_BARIUM_GET_PARAM,
					      struct drm_barium_get_param),
	DRM_IOCTL_BARIUM_GEM_CREATE = DRM_IOWR(DRM_COMMAND_BASE + DRM_BARIUM_GEM_CREATE,
					       struct drm_barium_gem_create),
	DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET = DRM_IOWR(DRM_COMMAND_BASE + DRM_BARIUM_GEM_MMAP_OFFSET,
						    struct drm_barium_gem_mmap_offset),
	DRM_IOCTL_BARIUM_GEM_INFO = DRM_IOWR(DRM_COMMAND_BASE + DRM_BARIUM_GEM_INFO,
					     struct drm_barium_gem_info),
	DRM_IOCTL_BARIUM_MAP_AHEAD = DRM_IOWR(DRM_COMMAND_BASE + DRM_BARIUM_MAP_AHEAD,
					      struct drm_barium_map_ahead),
};

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_BARIUM_DRM_H_ */
