/* SPDX-License-Identifier: MIT */
/*
 * Helpers that read the driver's files in debugfs, and write to them.
 */
#ifndef BARIUM_LIB_DEBUGFS_H
#define BARIUM_LIB_DEBUGFS_H

#include "barium_lib.h"

/* The size of a buffer for the path of a file. */
#define BARIUM_PATH_LEN 256

/* Stores the path of the debugfs file @name of the device of an open node. */
void barium_debugfs_path(int fd, const char *name, char path[static BARIUM_PATH_LEN]);
/* Opens a debugfs file. Returns a file descriptor or a negative errno. */
int __barium_open_debugfs(int fd, const char *name, int flags);
/* Skips if the kernel has no debugfs. */
void barium_require_debugfs(void);

/* Moves all objects out of VRAM that can be moved. Returns 0 or a negative errno. */
int __barium_evict(int fd);
void barium_evict(int fd);

/* A line of the file "objects". */
struct barium_status {
	/* The fake offset of the object. */
	__u64 offset;
	__u64 size, resident;
	__u32 pins, handles;
	char place[16], flags[128], creator[64];
};

/*
 * Reads the file "objects", and asserts that it has the right form. Returns the number of its
 * lines, and the lines in an array that the caller frees.
 */
size_t barium_read_objects(int fd, struct barium_status **objects);
/* Stores the line of the object with the fake offset @offset. Returns false if there is none. */
bool __barium_find_object(int fd, __u64 offset, struct barium_status *status);
struct barium_status barium_find_object(int fd, __u64 offset);
/* Returns true if the object has @flag. */
bool barium_has_flag(const struct barium_status *status, const char *flag);

/* A line of the file "vram": a part of VRAM, in bytes, and its owner. */
struct barium_part {
	__u64 start, length;
	/* "free", "cache", "blank", "object" or "other". */
	char owner[16];
	/* The fake offset of the object; 0 if the part belongs to none. */
	__u64 object;
	bool is_pinned;
};

struct barium_vram_map {
	__u64 size, available, largest_free;
	size_t count;
	struct barium_part *parts;
};

/* Reads the file "vram", and asserts that it has the right form. The caller frees the parts. */
struct barium_vram_map barium_read_vram(int fd);
/* Returns how much of VRAM has this owner, in bytes. */
__u64 barium_owned(const struct barium_vram_map *map, const char *owner);

#endif
