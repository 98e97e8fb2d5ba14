// SPDX-License-Identifier: MIT
/*
 * Helpers for tests that unbind or remove the device; see barium_lib_unplug.h.
 */
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_unplug.h"

#define DRIVER "/sys/bus/pci/drivers/barium/"

/* The PCI address of the device under test, and its available VRAM before the first subtest. */
static char slot[BARIUM_SLOT_LEN];
static __u64 initial_vram;

/* Async-signal-safe. */
static bool write_sysfs(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (file < 0)
		return false;
	done = write(file, text, strlen(text)) == (ssize_t)strlen(text);
	close(file);
	return done;
}

static bool is_bound(void)
{
	char path[128];

	snprintf(path, sizeof(path), DRIVER "%s", slot);
	return !access(path, F_OK);
}

void barium_unbind(void)
{
	igt_assert(write_sysfs(DRIVER "unbind", slot));
	igt_assert(!is_bound());
}

void barium_bind(void)
{
	igt_assert(write_sysfs(DRIVER "bind", slot));
	igt_assert(is_bound());
}

void barium_unbind_other(const char *other)
{
	igt_assert(write_sysfs(DRIVER "unbind", other));
}

void barium_bind_other(const char *other)
{
	igt_assert(write_sysfs(DRIVER "bind", other));
}

void barium_remove(void)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", slot);
	igt_assert(write_sysfs(path, "1"));
	igt_assert(!is_bound());
}

static void ensure_bound(int sig)
{
	(void)sig;

	if (!slot[0] || is_bound())
		return;
	write_sysfs("/sys/bus/pci/rescan", "1");
	if (!is_bound())
		write_sysfs(DRIVER "bind", slot);
}

void barium_rescan(void)
{
	ensure_bound(0);
	igt_assert(is_bound());
}

int __barium_open_bound(void)
{
	return __barium_open_slot(slot, O_RDWR);
}

int barium_open_bound(void)
{
	int fd = __barium_open_bound();

	igt_assert_lte(0, fd);
	return fd;
}

void barium_check_vram(void)
{
	int fd = barium_open_bound();

	igt_assert_eq_u64(barium_vram_available(fd), initial_vram);
	gem_close(fd, barium_gem_create(fd, initial_vram));
	close(fd);
}

__u64 barium_room(void)
{
	return initial_vram;
}

void barium_bo_unmap(struct barium_bo *bo)
{
	bo->handle = 0;
	barium_bo_fini(-1, bo);
}

void barium_check_replaced(__u8 *map, size_t length)
{
	size_t page = barium_page_size(), at;

	for (at = 0; at < length; at += page) {
		igt_assert_eq(barium_try_read(map + at), 0);
		igt_assert_eq(barium_try_read(map + at + page - 1), 0);
	}
	barium_check_zero(map, length);
	for (at = 0; at < length; at += page)
		igt_assert_eq(barium_try_write(map + at), 0);
}

void barium_prepare_unplug(void)
{
	int fd;

	ensure_bound(0);
	fd = barium_open_render();

	barium_slot(fd, slot);
	initial_vram = barium_vram_available(fd);
	close(fd);
	igt_require_f(!access(DRIVER "unbind", W_OK), "no permission to unbind\n");
	igt_install_exit_handler(ensure_bound);
}

int barium_new_bound_client(void)
{
	barium_clean_up();
	ensure_bound(0);
	return barium_open_render();
}

int barium_new_bound_primary_client(void)
{
	barium_clean_up();
	ensure_bound(0);
	return barium_open_primary();
}
