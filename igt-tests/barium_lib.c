// SPDX-License-Identifier: MIT
/*
 * Helpers for the tests of the barium driver; see barium_lib.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "igt_kmod.h"
#include "barium_lib.h"

static bool is_leftover(const char *path)
{
	return !strncmp(path, "/dev/dri/", 9) || !strncmp(path, "/dmabuf:", 8);
}

static void unmap_leftovers(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[PATH_MAX];
	int path;

	igt_assert(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &start, &end, &path) == 2 &&
		    is_leftover(line + path))
			munmap((void *)start, end - start);
	}
	fclose(maps);
}

static void close_leftovers(void)
{
	char path[PATH_MAX], target[PATH_MAX];
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	ssize_t len;

	igt_assert(dir);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;

		target[len] = '\0';
		if (is_leftover(target))
			close(atoi(entry->d_name));
	}
	closedir(dir);
}

void barium_clean_up(void)
{
	unmap_leftovers();
	close_leftovers();
}

int barium_new_client(void)
{
	barium_clean_up();
	return barium_open_render();
}

int barium_new_primary_client(void)
{
	barium_clean_up();
	return barium_open_primary();
}

int __barium_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int barium_open_log(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	igt_require_f(log >= 0, "the kernel log cannot be opened\n");
	igt_assert_lte(0, lseek(log, 0, SEEK_END));
	return log;
}

bool barium_is_logged(int log, const char *text)
{
	char line[1024];
	bool found = false;
	ssize_t len;

	while ((len = read(log, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		found = found || strstr(line, text);
	}
	return found;
}

int barium_ioctl(int fd, unsigned long request, void *arg)
{
	return igt_ioctl(fd, request, arg) ? -errno : 0;
}

static bool has_driver(int fd, const char *driver)
{
	char name[16] = {};
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return !barium_ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver);
}

static bool sysfs_slot(int fd, char *slot, size_t length)
{
	char link[64], target[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st))
		return false;

	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/device", major(st.st_rdev),
		 minor(st.st_rdev));
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return false;

	target[len] = '\0';
	snprintf(slot, length, "%s", strrchr(target, '/') + 1);
	return true;
}

/* Opens the first node @prefix* of @driver, and of the device at @slot unless that is NULL. */
static int open_node(const char *driver, const char *prefix, const char *slot, int flags)
{
	char path[PATH_MAX], found[BARIUM_SLOT_LEN];
	DIR *dir = opendir("/dev/dri");
	struct dirent *entry;
	int fd = -ENODEV;

	if (!dir)
		return -ENODEV;

	while (fd < 0 && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)))
			continue;

		snprintf(path, sizeof(path), "/dev/dri/%s", entry->d_name);
		fd = open(path, flags | O_CLOEXEC);
		if (fd < 0)
			continue;

		if (has_driver(fd, driver) &&
		    (!slot || (sysfs_slot(fd, found, sizeof(found)) && !strcmp(slot, found))))
			break;

		close(fd);
		fd = -ENODEV;
	}

	closedir(dir);
	return fd < 0 ? -ENODEV : fd;
}

int __barium_open_slot(const char *slot, int flags)
{
	return open_node("barium", "renderD", slot, flags);
}

int barium_open_render(void)
{
	int fd = open_node("barium", "renderD", getenv("BARIUM_DEVICE"), O_RDWR);

	igt_require_f(fd >= 0, "no render node of a barium device\n");
	return fd;
}

int __barium_open_primary(void)
{
	return open_node("barium", "card", getenv("BARIUM_DEVICE"), O_RDWR);
}

int barium_open_primary(void)
{
	int fd = __barium_open_primary();

	igt_require_f(fd >= 0, "no primary node of a barium device\n");
	return fd;
}

int barium_load_and_open(const char *driver)
{
	int fd;

	igt_require_f(igt_kmod_load(driver, NULL) == 0, "no module %s\n", driver);
	fd = open_node(driver, "card", NULL, O_RDWR);
	igt_require_f(fd >= 0, "no primary node of a %s device\n", driver);
	return fd;
}

void barium_slot(int fd, char slot[static BARIUM_SLOT_LEN])
{
	igt_assert(sysfs_slot(fd, slot, BARIUM_SLOT_LEN));
}

bool barium_console(int fd, char name[static BARIUM_NAME_LEN])
{
	char slot[BARIUM_SLOT_LEN], link[PATH_MAX], target[PATH_MAX];
	DIR *dir = opendir("/sys/class/graphics");
	struct dirent *entry;
	bool found = false;
	ssize_t len;

	barium_slot(fd, slot);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(link, sizeof(link), "/sys/class/graphics/%s/device", entry->d_name);
		len = readlink(link, target, sizeof(target) - 1);
		if (len < 0)
			continue;

		target[len] = '\0';
		found = !strcmp(strrchr(target, '/') + 1, slot);
		snprintf(name, BARIUM_NAME_LEN, "%.*s", BARIUM_NAME_LEN - 1, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

int barium_reopen(int fd, int flags)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	igt_assert_lte(0, again);
	return again;
}

int __barium_get_param(int fd, __u32 param, __u64 *value)
{
	struct drm_barium_get_param arg = { .param = param };
	int err = barium_ioctl(fd, DRM_IOCTL_BARIUM_GET_PARAM, &arg);

	*value = arg.value;
	return err;
}

__u64 barium_get_param(int fd, __u32 param)
{
	__u64 value;

	igt_assert_eq(__barium_get_param(fd, param, &value), 0);
	return value;
}

__u64 barium_vram_size(int fd)
{
	return barium_get_param(fd, BARIUM_PARAM_VRAM_SIZE);
}

__u64 barium_vram_available(int fd)
{
	if (getenv("BARIUM_MOVES"))
		return barium_vram_size(fd);
	return barium_get_param(fd, BARIUM_PARAM_VRAM_AVAILABLE);
}

__u64 barium_vram_largest_piece(int fd)
{
	__u64 page = barium_page_size(), before = barium_vram_available(fd);
	__u64 largest = 0, step, size;
	__u32 handle;

	for (step = 1ull << 40; step >= page; step /= 2) {
		size = largest + step;
		if (__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle))
			continue;

		/* Otherwise, the object has no memory yet. */
		if (barium_vram_available(fd) + size == before)
			largest = size;
		gem_close(fd, handle);
	}

	return largest;
}

size_t barium_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

int __barium_gem_create(int fd, __u64 *size, __u32 flags, __u32 *handle)
{
	struct drm_barium_gem_create arg = { .size = *size, .flags = flags };
	int err = barium_ioctl(fd, DRM_IOCTL_BARIUM_GEM_CREATE, &arg);

	if (!err)
		*size = arg.size;
	*handle = arg.handle;
	return err;
}

__u32 barium_create_flags(void)
{
	bool system = !strncmp(program_invocation_short_name, "barium_system_", 14);

	return system ? BARIUM_GEM_CREATE_SYSTEM : 0;
}

void barium_require_vram(void)
{
	igt_require_f(!barium_create_flags(), "the objects are in system memory\n");
}

__u64 barium_vram_of(__u64 size)
{
	return barium_create_flags() ? 0 : size;
}

__u32 barium_gem_create(int fd, __u64 size)
{
	__u32 handle;

	igt_assert_eq(__barium_gem_create(fd, &size, barium_create_flags(), &handle), 0);
	return handle;
}

int __barium_gem_mmap_offset(int fd, __u32 handle, __u64 *offset)
{
	struct drm_barium_gem_mmap_offset arg = { .handle = handle };
	int err = barium_ioctl(fd, DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET, &arg);

	*offset = arg.offset;
	return err;
}

__u64 barium_gem_mmap_offset(int fd, __u32 handle)
{
	__u64 offset;

	igt_assert_eq(__barium_gem_mmap_offset(fd, handle, &offset), 0);
	return offset;
}

int __barium_gem_info(int fd, __u32 handle, struct drm_barium_gem_info *info)
{
	*info = (struct drm_barium_gem_info){ .handle = handle };
	return barium_ioctl(fd, DRM_IOCTL_BARIUM_GEM_INFO, info);
}

void barium_gem_info(int fd, __u32 handle, struct drm_barium_gem_info *info)
{
	igt_assert_eq(__barium_gem_info(fd, handle, info), 0);
}

int __barium_madvise(int fd, __u32 handle, __u32 advice, __u32 *retained)
{
	struct drm_barium_gem_madvise arg = { .handle = handle, .advice = advice };
	int err = barium_ioctl(fd, DRM_IOCTL_BARIUM_GEM_MADVISE, &arg);

	*retained = arg.retained;
	return err;
}

bool barium_madvise(int fd, __u32 handle, __u32 advice)
{
	__u32 retained = 2;

	igt_assert_eq(__barium_madvise(fd, handle, advice, &retained), 0);
	igt_assert_lte(retained, 1);
	return retained;
}

int __barium_gem_close(int fd, __u32 handle)
{
	struct drm_gem_close arg = { .handle = handle };

	return barium_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &arg);
}

int __barium_gem_export(int fd, __u32 handle, __u32 flags)
{
	struct drm_prime_handle arg = { .handle = handle, .flags = flags, .fd = -1 };
	int err = barium_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &arg);

	return err ?: arg.fd;
}

int __barium_mmap(int fd, size_t length, int prot, int flags, __u64 offset, void **map)
{
	*map = mmap(NULL, length, prot, flags, fd, offset);
	return *map == MAP_FAILED ? -errno : 0;
}

void *barium_mmap(int fd, __u32 handle, size_t length)
{
	void *map;

	igt_assert_eq(__barium_mmap(fd, length, PROT_READ | PROT_WRITE, MAP_SHARED,
				    barium_gem_mmap_offset(fd, handle), &map), 0);
	return map;
}

void barium_mmap_refused(int fd, size_t length, int prot, int flags, __u64 offset, int error)
{
	void *map;

	igt_assert_eq(__barium_mmap(fd, length, prot, flags, offset, &map), -error);
}

void barium_munmap(void *map, size_t length)
{
	igt_assert_eq(munmap(map, length), 0);
}

struct barium_bo barium_bo_create(int fd, size_t pages)
{
	return barium_bo_create_with(fd, pages, barium_create_flags());
}

struct barium_bo barium_bo_create_with(int fd, size_t pages, __u32 flags)
{
	struct barium_bo bo = { .size = pages * barium_page_size() };

	igt_assert_eq(__barium_gem_create(fd, &bo.size, flags, &bo.handle), 0);
	bo.offset = barium_gem_mmap_offset(fd, bo.handle);
	bo.map = barium_mmap(fd, bo.handle, bo.size);
	return bo;
}

void barium_bo_fini(int fd, struct barium_bo *bo)
{
	if (bo->map)
		barium_munmap(bo->map, bo->size);
	if (bo->handle)
		gem_close(fd, bo->handle);
	*bo = (struct barium_bo){};
}

/* Returns a value that is never 0 and differs for each page and each seed. */
static __u64 stamp(size_t page, __u32 seed)
{
	return ((__u64)seed << 32 | (__u32)page) * 0x9e3779b97f4a7c15ull | 1;
}

static __u64 *page_start(const void *map, size_t page)
{
	return (__u64 *)((uintptr_t)map + page * barium_page_size());
}

static __u64 *page_end(const void *map, size_t page)
{
	return page_start(map, page + 1) - 1;
}

void barium_stamp(void *map, size_t first, size_t pages, __u32 seed)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		WRITE_ONCE(*page_start(map, i), stamp(first + i, seed));
		WRITE_ONCE(*page_end(map, i), ~stamp(first + i, seed));
	}
}

bool barium_is_stamped(const void *map, size_t first, size_t pages, __u32 seed)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		if (READ_ONCE(*page_start(map, i)) != stamp(first + i, seed) ||
		    READ_ONCE(*page_end(map, i)) != ~stamp(first + i, seed))
			return false;
	}

	return true;
}

void barium_check_stamp(const void *map, size_t first, size_t pages, __u32 seed)
{
	size_t i;

	for (i = 0; i < pages; i++)
		igt_assert_f(barium_is_stamped(page_start(map, i), first + i, 1, seed),
			     "page %zu of the object has the wrong content\n", first + i);
}

void barium_check_zero(const void *map, size_t length)
{
	const __u64 *word = map;
	size_t i;

	for (i = 0; i < length / sizeof(*word); i++)
		igt_assert_f(READ_ONCE(word[i]) == 0, "byte %zu is not zero\n", i * sizeof(*word));
}

static sigjmp_buf trap;

static void on_trap(int sig)
{
	siglongjmp(trap, sig);
}

static int try_access(__u8 *byte, bool write)
{
	struct sigaction action = { .sa_handler = on_trap }, old_bus, old_segv;
	int sig;

	sigaction(SIGBUS, &action, &old_bus);
	sigaction(SIGSEGV, &action, &old_segv);

	sig = sigsetjmp(trap, 1);
	if (!sig) {
		if (write)
			WRITE_ONCE(*byte, 0x5a);
		else
			READ_ONCE(*byte);
	}

	sigaction(SIGBUS, &old_bus, NULL);
	sigaction(SIGSEGV, &old_segv, NULL);
	return sig;
}

int barium_try_read(const void *byte)
{
	return try_access((__u8 *)byte, false);
}

int barium_try_write(void *byte)
{
	return try_access(byte, true);
}

size_t barium_fill(int fd, __u64 size, __u32 **handles)
{
	size_t count = 0, capacity = 64;
	__u32 handle;
	__u64 got;

	*handles = malloc(capacity * sizeof(**handles));
	while (barium_vram_available(fd) >= size) {
		got = size;
		igt_assert_eq(__barium_gem_create(fd, &got, 0, &handle), 0);
		if (count == capacity) {
			capacity *= 2;
			*handles = realloc(*handles, capacity * sizeof(**handles));
		}
		igt_assert(*handles);
		(*handles)[count++] = handle;
	}
	return count;
}

int barium_bo_create_scattered(int fd, size_t pages, struct barium_bo *bo)
{
	size_t page = barium_page_size(), i;
	int holder = barium_reopen(fd, O_RDWR);
	__u32 singles[2 * pages];

	barium_gem_create(holder, barium_vram_available(fd) - 2 * pages * page);
	for (i = 0; i < 2 * pages; i++)
		singles[i] = barium_gem_create(holder, page);
	for (i = 0; i < 2 * pages; i += 2)
		gem_close(holder, singles[i]);

	*bo = barium_bo_create(fd, pages);
	return holder;
}

long barium_minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

int barium_in_child(void (*run)(void *data), void *data)
{
	pid_t pid = fork();
	int status;

	igt_assert_lte(0, pid);
	if (!pid) {
		run(data);
		_exit(0);
	}

	igt_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}
