/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the benchmark uses of each driver's ABI, for bindgen. The ioctl numbers are macros, which
 * bindgen does not evaluate: the enum gives them a value.
 */
#include <drm.h>
#include <drm_mode.h>
#include <qxl_drm.h>
#include <barium_drm.h>

enum {
	BENCH_BARIUM_GEM_CREATE = DRM_IOCTL_BARIUM_GEM_CREATE,
	BENCH_BARIUM_GEM_MMAP_OFFSET = DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET,
	BENCH_QXL_ALLOC = DRM_IOCTL_QXL_ALLOC,
	BENCH_QXL_MAP = DRM_IOCTL_QXL_MAP,
	BENCH_CREATE_DUMB = DRM_IOCTL_MODE_CREATE_DUMB,
	BENCH_MAP_DUMB = DRM_IOCTL_MODE_MAP_DUMB,
	BENCH_GEM_CLOSE = DRM_IOCTL_GEM_CLOSE,
};
