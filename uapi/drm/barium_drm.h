/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * Userspace ABI of barium, the DRM driver for VRAM behind a PCI BAR.
 *
 * DRM_IOCTL_VERSION returns version 1.x of the driver. Since 1.1, objects can be in system memory:
 * BARIUM_PARAM_FEATURES and BARIUM_GEM_CREATE_SYSTEM exist. Since 1.2, objects can leave VRAM, and
 * creating an object succeeds even if other objects fill VRAM. Since 1.3, the display can show
 * objects that cannot be in VRAM. Since 1.4, DRM_IOCTL_BARIUM_GEM_MADVISE exists.
 *
 * This header is the only source of the ABI: the build generates the driver's Rust types from it.
 * Each structure has the same layout on 32-bit and 64-bit architectures, and no implicit padding.
 * All ioctls are allowed on the primary node for its master and for authenticated clients, and on
 * the render node, which the module parameter render_node=1 creates. DRM_IOCTL_BARIUM_GET_PARAM is
 * allowed for all clients of the primary node. Sizes and offsets are in bytes.
 *
 * Besides the errors listed for each structure, every ioctl fails with
 *
 * - EFAULT if the kernel cannot read the argument, or cannot write it back. In the latter case the
 *   operation has taken effect.
 * - ENODEV once the device has been unplugged or unbound from the driver. A file that was opened
 *   before remains unusable when the device is bound again.
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
#define DRM_BARIUM_GEM_MADVISE		0x05

/* Total size of the VRAM available for objects, in bytes. */
#define BARIUM_PARAM_VRAM_SIZE		0x00
/*
 * VRAM that neither the objects of clients nor the display's copies of objects occupy at the time
 * of the call, in bytes.
 */
#define BARIUM_PARAM_VRAM_AVAILABLE	0x01
/* Page size in bytes: the granularity of object sizes and of page faults. */
#define BARIUM_PARAM_PAGE_SIZE		0x02
/* Bytes that a huge page table entry (PMD) maps; 0 if the driver does not use huge entries. */
#define BARIUM_PARAM_HUGE_SIZE		0x03
/*
 * Fault-around: the largest number of pages that one page fault maps with page table entries. 1 if
 * a page fault maps only the page at its address.
 */
#define BARIUM_PARAM_FAULT_AROUND	0x04
/* Bit mask of the features that the driver supports, BARIUM_FEATURE_*. Since version 1.1. */
#define BARIUM_PARAM_FEATURES		0x09

/* The driver supports BARIUM_GEM_CREATE_SYSTEM. */
#define BARIUM_FEATURE_SYSTEM		0x01
/* The driver supports DRM_IOCTL_BARIUM_GEM_MADVISE. Since version 1.4. */
#define BARIUM_FEATURE_MADVISE		0x02

/**
 * struct drm_barium_get_param - query a parameter of the device
 *
 * Argument of DRM_IOCTL_BARIUM_GET_PARAM.
 *
 * Errors: EINVAL if @param is unknown or @pad is not 0.
 */
struct drm_barium_get_param {
	/** @param: The parameter to query, one of BARIUM_PARAM_*. */
	__u32 param;

	/** @pad: Must be 0. */
	__u32 pad;

	/** @value: Returned value of the parameter, in the unit documented at BARIUM_PARAM_*. */
	__u64 value;
};

/* The object occupies one contiguous range whenever it is in VRAM. */
#define BARIUM_GEM_CREATE_CONTIGUOUS	0x01
/*
 * The object is in system memory. The kernel allocates each of its pages when a program first
 * accesses that page, and charges it to the memory cgroup of the program. The display shows a copy
 * of the object, to which each commit, and DRM_IOCTL_MODE_DIRTYFB, copies the damage. Before
 * version 1.3, DRM_IOCTL_MODE_ADDFB and DRM_IOCTL_MODE_ADDFB2 failed with EOPNOTSUPP. Other devices
 * can import its dma-buf. Since version 1.1.
 */
#define BARIUM_GEM_CREATE_SYSTEM	0x02

/**
 * struct drm_barium_gem_create - create a GEM object in VRAM or in system memory
 *
 * Argument of DRM_IOCTL_BARIUM_GEM_CREATE. The object initially reads as zero. The kernel frees it
 * when its last handle, mapping, framebuffer and dma-buf are gone.
 *
 * Without BARIUM_GEM_CREATE_SYSTEM, the object is in VRAM if there is room. If there is none, an
 * object with BARIUM_GEM_CREATE_CONTIGUOUS gets the VRAM of objects without it, or of a client that
 * uses more than its share of VRAM. Otherwise, the object gets system memory when it is accessed.
 * Later, the kernel can move the object out of VRAM and into it at any time. Its content stays, and
 * no access fails. Before version 1.2, the ioctl failed with ENOSPC if VRAM had no room.
 *
 * Errors: EINVAL if @size is 0 or overflows when it is rounded up, or if @flags contains an unknown
 * flag; ENOSPC if @size is larger than VRAM; EINTR if a signal ends the wait for an object that has
 * to leave VRAM; ENOMEM if the kernel is out of memory.
 */
struct drm_barium_gem_create {
	/**
	 * @size: Requested size in bytes. On return, the size of the object in bytes: the requested
	 * size rounded up to a multiple of the page size.
	 */
	__u64 size;

	/** @flags: 0, or a combination of BARIUM_GEM_CREATE_*. */
	__u32 flags;

	/** @handle: Returned GEM handle of the object, never 0. */
	__u32 handle;
};

/**
 * struct drm_barium_gem_mmap_offset - query the fake offset for mapping an object
 *
 * Argument of DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET. A client maps the object by passing @offset to
 * mmap() on the same open file. The mapping is write-combined while the object is in VRAM, and
 * cached while it is in system memory. mmap() fails with EINVAL for a private (copy-on-write)
 * mapping and for a mapping that exceeds the object.
 *
 * After the device is unplugged or unbound, the mapping remains accessible. If the object was in
 * VRAM, the mapping shows memory that is initially zero; if it was in system memory, the mapping
 * shows the object's content.
 *
 * An access raises SIGBUS only if the memory is broken, if the kernel cannot read the page from
 * swap, or if the limit of committed memory is reached and vm.overcommit_memory is 2.
 *
 * Errors: EINVAL if @pad is not 0; ENOENT if @handle is unknown.
 */
struct drm_barium_gem_mmap_offset {
	/** @handle: GEM handle of the object. */
	__u32 handle;

	/** @pad: Must be 0. */
	__u32 pad;

	/** @offset: Returned fake offset for mmap(), in bytes. It is not an address in VRAM. */
	__u64 offset;
};

/**
 * struct drm_barium_gem_info - query the properties of an object
 *
 * Argument of DRM_IOCTL_BARIUM_GEM_INFO. The kernel ignores @flags and @size on input.
 *
 * Errors: ENOENT if @handle is unknown.
 */
struct drm_barium_gem_info {
	/** @handle: GEM handle of the object. */
	__u32 handle;

	/**
	 * @flags: Returned flags the object was created with, BARIUM_GEM_CREATE_*. A dumb buffer
	 * has BARIUM_GEM_CREATE_CONTIGUOUS, an imported object BARIUM_GEM_CREATE_SYSTEM.
	 */
	__u32 flags;

	/** @size: Returned size in bytes, a multiple of the page size. */
	__u64 size;
};

/**
 * struct drm_barium_map_ahead - populate a range of a mapping in advance
 *
 * Argument of DRM_IOCTL_BARIUM_MAP_AHEAD. A client that is about to access a whole range avoids the
 * page faults. The ioctl is a hint: it affects performance only, and the kernel maps a page that is
 * still unmapped on return when the client accesses it. The range may span several mappings.
 *
 * Errors: EINVAL if @size is 0, @address or @size is not a multiple of the page size, the range
 * wraps around, or @flags or @pad is not 0; EFAULT if part of the range is not a mapping of an
 * object of this device, or is mapped with PROT_NONE, or if an access to it would raise SIGBUS;
 * EINTR if a signal is pending; ENOMEM if the kernel is out of memory for page tables, or for the
 * pages of an object in system memory. When the ioctl fails part way, the pages before the address
 * at which it failed stay mapped.
 */
struct drm_barium_map_ahead {
	/** @address: Start of the range in the address space of the caller, in bytes. */
	__u64 address;

	/** @size: Length of the range in bytes. */
	__u64 size;

	/** @flags: Must be 0. */
	__u32 flags;

	/** @pad: Must be 0. */
	__u32 pad;
};

/* The client needs the content of the object. This is the state of a new object. */
#define BARIUM_MADVISE_WILLNEED		0
/* The client does not need the content of the object: the kernel may discard it. */
#define BARIUM_MADVISE_DONTNEED		1

/**
 * struct drm_barium_gem_madvise - declare whether the client needs the content of an object
 *
 * Argument of DRM_IOCTL_BARIUM_GEM_MADVISE. Since version 1.4.
 *
 * After BARIUM_MADVISE_DONTNEED, the kernel may discard the content of the object at any time, and
 * use the memory for other purposes. The object and its mappings stay usable. The object then reads
 * as zero until a program writes to it again; the kernel may also discard the new content.
 * BARIUM_MADVISE_WILLNEED ends this state, and @retained tells whether the content was kept.
 *
 * The kernel does not discard content that another client, the display or another device can
 * access: that of an object that has several handles, a framebuffer, a name (DRM_IOCTL_GEM_FLINK)
 * or a dma-buf, or that was imported from another device. BARIUM_MADVISE_DONTNEED fails for such an
 * object. If an object gets one of these later, the kernel keeps the content, and can end the state
 * as BARIUM_MADVISE_WILLNEED does.
 *
 * Errors: EINVAL if @advice is unknown or @pad is not 0; ENOENT if @handle is unknown; EBUSY if
 * @advice is BARIUM_MADVISE_DONTNEED and the object has several handles, a framebuffer, a name or a
 * dma-buf, or was imported; EINTR if a signal ends the wait for an object that is being moved.
 */
struct drm_barium_gem_madvise {
	/** @handle: GEM handle of the object. */
	__u32 handle;

	/** @advice: One of BARIUM_MADVISE_*. */
	__u32 advice;

	/**
	 * @retained: Returned value: 0 if the kernel has discarded the content since the last
	 * BARIUM_MADVISE_WILLNEED, or since the object was created; otherwise 1.
	 */
	__u32 retained;

	/** @pad: Must be 0. */
	__u32 pad;
};

/*
 * The ioctl numbers are an enum because bindgen and similar tools do not evaluate macros that use
 * sizeof.
 */
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
	DRM_IOCTL_BARIUM_GEM_MADVISE = DRM_IOWR(DRM_COMMAND_BASE + DRM_BARIUM_GEM_MADVISE,
						struct drm_barium_gem_madvise),
};

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_BARIUM_DRM_H_ */
