// SPDX-License-Identifier: MIT
/**
 * TEST: barium debugger
 * Description: Access to mappings from outside of the program, with large mappings and after
 *   unbinding: gdb, core dumps, page table walks, and users of get_user_pages(). Small mappings,
 *   and the system calls behind a debugger, are tested in barium_access.
 * Category: Core
 * Sub-category: DRM
 * Functionality: access by the kernel
 *
 * SUBTEST: gdb
 * Description: gdb reads and writes arrays in mappings, touched and untouched.
 *
 * SUBTEST: gdb-unplugged
 * Description: gdb accesses a mapping after the device is unbound.
 *
 * SUBTEST: core
 * Description: A core dump of all kinds of memory contains no VRAM.
 *
 * SUBTEST: core-unplugged
 * Description: A core dump contains no pages that replace VRAM after unbinding.
 *
 * SUBTEST: mem-ends
 * Description: /proc/PID/mem crosses the end of a huge PMD and stops at a VMA end.
 *
 * SUBTEST: no-vmsplice
 * Description: vmsplice() gets no pages of any mapping.
 *
 * SUBTEST: no-process-vm
 * Description: process_vm_readv() and process_vm_writev() get no pages of any mapping.
 *
 * SUBTEST: no-direct-io
 * Description: Direct I/O gets no pages of any mapping.
 *
 * SUBTEST: no-io-uring
 * Description: io_uring refuses mappings as registered buffers.
 *
 * SUBTEST: no-pages
 * Description: get_user_pages() and pin_user_pages() get no pages of any mapping.
 *
 * SUBTEST: walkers
 * Description: Page table walks do not change the content of mappings.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/io_uring.h>

#include "igt.h"
#include "barium_lib_core.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks debuggers, core dumps and get_user_pages() on mappings.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 16
#define LARGE_PAGES 1024
/* The size of an object that should not be in a core dump. */
#define CORE_SIZE (12ul << 20)
#define WORDS 4

/* Words in VRAM are XORed with this, so that the program itself does not contain them. */
#define MASK 0x0123456789abcdefull

static __u64 half_secret = 0x5ec4e75ec4e7ull;

/* Returns the word number @word of the secret. */
static __u64 secret(size_t word)
{
	return (READ_ONCE(half_secret) << 16 | word) ^ MASK;
}

static void hide(__u8 *map, size_t size)
{
	size_t i;

	for (i = 0; i < size / 8; i++)
		WRITE_ONCE(((__u64 *)map)[i], secret(i));
}

/* Forks a child that has the mappings of its parent and waits. */
static pid_t start_inferior(void)
{
	pid_t pid = fork();

	igt_assert_lte(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void end_inferior(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void require_gdb(void)
{
	igt_require_f(!access("/usr/bin/gdb", X_OK), "no gdb\n");
}

/* Attaches gdb to @pid and runs @commands. Returns the output, which the caller frees. */
static char *ask_gdb(pid_t pid, const char *commands)
{
	char path[] = "/tmp/barium-gdb-XXXXXX", line[256], *said = calloc(1, 65536);
	int script = mkstemp(path);
	FILE *pipe;

	igt_assert(script >= 0 && said);
	igt_assert_eq(write(script, commands, strlen(commands)), strlen(commands));
	close(script);
	snprintf(line, sizeof(line),
		 "gdb -nx -q -batch -iex 'set auto-solib-add off' -p %d -x %s 2>&1", pid, path);
	pipe = popen(line, "r");
	igt_assert(pipe);
	if (!fread(said, 1, 65535, pipe))
		said[0] = '\0';
	pclose(pipe);
	unlink(path);
	return said;
}

/* Formats commands that print WORDS words at @at and set the second one to @value. */
static int script(char *text, size_t length, const void *at, __u64 value)
{
	return snprintf(text, length,
			"output/x *(unsigned long long *)%p@%d\necho \\n\n"
			"set var ((unsigned long long *)%p)[1] = 0x%llx\n", at, WORDS, at, value);
}

/* Formats the words as gdb prints them. */
static void expected(char *text, size_t length, const __u64 *words)
{
	snprintf(text, length, "{0x%llx, 0x%llx, 0x%llx, 0x%llx}", words[0], words[1], words[2],
		 words[3]);
}

/* An array that gdb reads and writes. gdb starts slowly, so one gdb checks several arrays. */
struct looked_at {
	__u8 *map;		/* the address for gdb */
	__u8 *same;		/* the same bytes in another mapping */
	__u64 words[WORDS];	/* the expected content */
};

static void check_with_gdb(struct looked_at *arrays, size_t count)
{
	char text[4096], line[256], *said;
	size_t i, at = 0;
	pid_t pid;

	text[0] = '\0';
	for (i = 0; i < count; i++)
		at += script(text + at, sizeof(text) - at, arrays[i].map, 0x1000 + i);

	pid = start_inferior();
	said = ask_gdb(pid, text);
	end_inferior(pid);

	for (i = 0; i < count; i++) {
		expected(line, sizeof(line), arrays[i].words);
		igt_assert_f(strstr(said, line), "array %zu: no %s in the output of gdb:\n%s\n", i,
			     line, said);
		igt_assert_eq_u64(READ_ONCE(((__u64 *)arrays[i].same)[1]), 0x1000 + i);
	}
	free(said);
}

static struct looked_at look(__u8 *map, __u8 *same)
{
	struct looked_at array = { .map = map, .same = same };

	memcpy(array.words, same, sizeof(array.words));
	return array;
}

/* Objects without and with huge PMDs, through touched and through untouched mappings. */
static void test_gdb(int fd)
{
	struct barium_bo small = barium_bo_create(fd, PAGES);
	struct barium_bo large = barium_bo_create(fd, LARGE_PAGES);
	__u8 *small_again, *large_again;
	struct looked_at arrays[5];
	size_t page = barium_page_size();

	require_gdb();
	hide(small.map, small.size);
	hide(large.map, large.size);
	small_again = barium_mmap(fd, small.handle, small.size);
	large_again = barium_mmap(fd, large.handle, large.size);

	arrays[0] = look(small.map + 64, small.map + 64);
	arrays[1] = look(small_again + 3 * page, small.map + 3 * page);
	arrays[2] = look(large.map + 700 * page, large.map + 700 * page);
	arrays[3] = look(large_again + 512 * page - 2 * sizeof(__u64),
			 large.map + 512 * page - 2 * sizeof(__u64));
	arrays[4] = look(small_again + 9 * page - sizeof(__u64),
			 small.map + 9 * page - sizeof(__u64));
	check_with_gdb(arrays, ARRAY_SIZE(arrays));

	barium_munmap(small_again, small.size);
	barium_munmap(large_again, large.size);
	barium_bo_fini(fd, &small);
	barium_bo_fini(fd, &large);
}

static void test_gdb_unplugged(int fd)
{
	struct barium_bo one = barium_bo_create(fd, PAGES), two = barium_bo_create(fd, PAGES);
	struct looked_at arrays[2];

	require_gdb();
	hide(one.map, one.size);
	barium_unbind();
	WRITE_ONCE(*(__u64 *)one.map, 42);
	arrays[0] = look(one.map, one.map);
	arrays[1] = (struct looked_at){ .map = two.map, .same = two.map };
	check_with_gdb(arrays, ARRAY_SIZE(arrays));
	barium_bo_unmap(&one);
	barium_bo_unmap(&two);
	barium_bind();
}

/*
 * Returns true if @file contains words of the secret; asserts that it has less than @limit bytes. A
 * few words may be left on the stack; a page contains hundreds.
 */
static bool holds_secret(FILE *file, size_t limit)
{
	size_t count, i, found = 0;
	__u64 words[512];
	struct stat st;

	igt_assert_eq(fstat(fileno(file), &st), 0);
	igt_assert_lt_u64(0, st.st_size);
	igt_assert_f((size_t)st.st_size < limit, "the dump has %zu bytes\n", (size_t)st.st_size);
	while ((count = fread(words, 8, ARRAY_SIZE(words), file))) {
		for (i = 0; i < count; i++)
			found += (words[i] ^ MASK) >> 16 == half_secret;
	}
	return found > 64;
}

/*
 * Asserts that the core dump of a process that maps @bo does not contain it. The dump has all kinds
 * of memory except private file mappings, which are the libraries.
 */
static void check_core(struct barium_bo *bo)
{
	FILE *core = barium_dump_core(BARIUM_CORE_ALL & ~BARIUM_CORE_FILE_PRIVATE);
	bool found = holds_secret(core, bo->size);

	fclose(core);
	igt_assert_f(!found, "VRAM is in the core dump\n");
}

/* The object is so large that the size of the dump reveals it. */
static void test_core(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, CORE_SIZE / barium_page_size());
	struct barium_bo small = barium_bo_create(fd, PAGES);

	hide(bo.map, bo.size / 2);
	hide(small.map, small.size);
	check_core(&bo);
	barium_bo_fini(fd, &small);
	barium_bo_fini(fd, &bo);
}

/* Accesses cross the end of a huge PMD, and the end of the mapping after munmap() of a part. */
static void test_mem_ends(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, LARGE_PAGES);
	size_t page = barium_page_size(), huge = 512 * page;
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u8 *copy = malloc(4 * page);

	igt_assert(mem >= 0 && copy);
	hide(bo.map, bo.size);
	igt_assert_eq(pread(mem, copy, 4 * page, (uintptr_t)map + huge - 2 * page), 4 * page);
	igt_assert(!memcmp(copy, bo.map + huge - 2 * page, 4 * page));

	barium_munmap(map + huge + 8 * page, bo.size - huge - 8 * page);
	igt_assert_eq(pread(mem, copy, 4 * page, (uintptr_t)map + huge + 7 * page - 5), page + 5);
	igt_assert(!memcmp(copy, bo.map + huge + 7 * page - 5, page + 5));
	igt_assert_eq(pwrite(mem, copy, 4 * page, (uintptr_t)map + huge + 8 * page - 3), 3);
	igt_assert(!memcmp(bo.map + huge + 8 * page - 3, copy, 3));
	igt_assert_eq(pread(mem, copy, page, (uintptr_t)map + huge + 8 * page), -1);

	close(mem);
	free(copy);
	barium_munmap(map, huge + 8 * page);
	barium_bo_fini(fd, &bo);
}

/* Runs @try on a small and on a large mapping, before and after they are touched. */
static void try_all(int fd, void (*try)(__u8 *map, size_t size))
{
	static const size_t pages[] = { PAGES, LARGE_PAGES };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		struct barium_bo bo = barium_bo_create(fd, pages[i]);
		__u64 before = barium_vram_available(fd);

		try(bo.map, bo.size);
		barium_stamp(bo.map, 0, pages[i], 1);
		try(bo.map, bo.size);
		barium_check_stamp(bo.map, 0, pages[i], 1);
		igt_assert_eq_u64(barium_vram_available(fd), before);
		barium_bo_fini(fd, &bo);
	}
}

static void try_vmsplice(__u8 *map, size_t size)
{
	struct iovec iov = { .iov_base = map, .iov_len = size };
	int ends[2], flags;

	igt_assert_eq(pipe(ends), 0);
	for (flags = 0; flags <= SPLICE_F_GIFT; flags += SPLICE_F_GIFT) {
		igt_assert_eq(vmsplice(ends[1], &iov, 1, SPLICE_F_NONBLOCK | flags), -1);
		igt_assert_eq(errno, EFAULT);
	}
	close(ends[0]);
	close(ends[1]);
}

static void try_process_vm(__u8 *map, size_t size)
{
	char copy[64] = {};
	struct iovec remote = { .iov_base = map + size - 64, .iov_len = 64 };
	struct iovec local = { .iov_base = copy, .iov_len = 64 };

	igt_assert_eq(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), -1);
	igt_assert_eq(errno, EFAULT);
	igt_assert_eq(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), -1);
	igt_assert_eq(errno, EFAULT);
	/* The local side is copied to and from, so a mapping works there. */
	remote = (struct iovec){ .iov_base = copy, .iov_len = 64 };
	local = (struct iovec){ .iov_base = map + 64, .iov_len = 64 };
	igt_assert_eq(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), 64);
	igt_assert_eq(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), 64);
}

static int disk = -1;

static void try_direct_io(__u8 *map, size_t size)
{
	size_t length = size < 1 << 20 ? size : 1 << 20;

	igt_assert_eq(pread(disk, map, length, 0), -1);
	igt_assert_eq(errno, EFAULT);
	igt_assert_eq(pwrite(disk, map, length, 0), -1);
	igt_assert_eq(errno, EFAULT);
}

static void try_io_uring(__u8 *map, size_t size)
{
	struct io_uring_params params = {};
	struct iovec iov = { .iov_base = map, .iov_len = size };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	igt_require_f(ring >= 0, "no io_uring\n");
	igt_assert_eq(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1), -1);
	igt_assert_eq(errno, EFAULT);
	close(ring);
}

/* The interface of the gup_test module, as in mm/gup_test.h. */
struct gup_test {
	__u64 get_delta_usec;
	__u64 put_delta_usec;
	__u64 addr;
	__u64 size;
	__u32 nr_pages_per_call;
	__u32 gup_flags;
	__u32 test_flags;
	__u32 which_pages[8];
};

struct pin_longterm_test {
	__u64 addr;
	__u64 size;
	__u32 flags;
};

/* The commands GUP_FAST_BENCHMARK to PIN_BASIC_TEST, see mm/gup_test.h. */
#define GUP_KINDS 5
#define GUP_TEST(kind) _IOWR('g', 1 + (kind), struct gup_test)
#define PIN_LONGTERM_START _IOW('g', 7, struct pin_longterm_test)
#define FOLL_WRITE 1

static int gup = -1;

static void try_gup(__u8 *map, size_t size)
{
	unsigned int kind, write;

	for (kind = 0; kind < GUP_KINDS; kind++) {
		for (write = 0; write < 2; write++) {
			struct gup_test test = {
				.addr = (uintptr_t)map,
				.size = size,
				.nr_pages_per_call = size / barium_page_size(),
				.gup_flags = write * FOLL_WRITE,
			};

			igt_assert_eq(ioctl(gup, GUP_TEST(kind), &test), 0);
			igt_assert_f(!test.size, "gup_test command %u gets %llu bytes\n", kind,
				     test.size);
		}
	}
	/* KVM, VFIO and RDMA pin pages like this. */
	for (write = 0; write < 4; write++) {
		struct pin_longterm_test test = {
			.addr = (uintptr_t)map, .size = size, .flags = write,
		};

		igt_assert_eq(ioctl(gup, PIN_LONGTERM_START, &test), -1);
		igt_assert_eq(errno, EFAULT);
	}
}

static void read_all(const char *path)
{
	static char text[65536];
	int file = open(path, O_RDONLY | O_CLOEXEC);

	while (file >= 0 && read(file, text, sizeof(text)) > 0)
		;
	close(file);
}

/* Makes each system call that walks page tables. VRAM has no struct page for them. */
static void walk(__u8 *map, size_t size)
{
	static const char * const files[] = {
		"/proc/self/smaps", "/proc/self/smaps_rollup", "/proc/self/numa_maps",
		"/proc/self/maps",
	};
	size_t pages = size / barium_page_size(), i;
	unsigned char *in_core = malloc(pages);
	__u64 *map_entries = malloc(pages * 8);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	igt_assert(in_core && map_entries);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		read_all(files[i]);
	if (pagemap >= 0)
		igt_assert_eq(pread(pagemap, map_entries, pages * 8,
				    (uintptr_t)map / barium_page_size() * 8), pages * 8);
	for (i = 1; clear >= 0 && i <= 5; i++)
		dprintf(clear, "%zu", i);
	mincore(map, size, in_core);
	msync(map, size, MS_SYNC);
	madvise(map, size, MADV_COLD);
	madvise(map, size, MADV_PAGEOUT);
	madvise(map, size, MADV_COLLAPSE);
	close(pagemap);
	close(clear);
	free(in_core);
	free(map_entries);
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("gdb reads and writes arrays in mappings, touched and untouched.");
	igt_subtest("gdb")
		test_gdb(barium_new_bound_client());

	igt_describe("gdb accesses a mapping after the device is unbound.");
	igt_subtest("gdb-unplugged")
		test_gdb_unplugged(barium_new_bound_client());

	igt_describe("A core dump of all kinds of memory contains no VRAM.");
	igt_subtest("core")
		test_core(barium_new_bound_client());

	igt_describe("A core dump contains no pages that replace VRAM after unbinding.");
	igt_subtest("core-unplugged") {
		int fd = barium_new_bound_client();
		struct barium_bo bo = barium_bo_create(fd, CORE_SIZE / barium_page_size());

		hide(bo.map, PAGES * barium_page_size());
		barium_unbind();
		hide(bo.map, barium_page_size());
		check_core(&bo);
		barium_bo_unmap(&bo);
		barium_bind();
	}

	igt_describe("/proc/PID/mem crosses the end of a huge PMD and stops at a VMA end.");
	igt_subtest("mem-ends")
		test_mem_ends(barium_new_bound_client());

	igt_describe("vmsplice() gets no pages of any mapping.");
	igt_subtest("no-vmsplice")
		try_all(barium_new_bound_client(), try_vmsplice);

	igt_describe("process_vm_readv() and process_vm_writev() get no pages of any mapping.");
	igt_subtest("no-process-vm")
		try_all(barium_new_bound_client(), try_process_vm);

	/* The last disk of the guest is a scratch disk. */
	igt_describe("Direct I/O gets no pages of any mapping.");
	igt_subtest("no-direct-io") {
		int fd = barium_new_bound_client();

		disk = open("/dev/vdd", O_RDWR | O_DIRECT | O_CLOEXEC);
		igt_require_f(disk >= 0, "no disk to read and write directly\n");
		try_all(fd, try_direct_io);
		close(disk);
	}

	igt_describe("io_uring refuses mappings as registered buffers.");
	igt_subtest("no-io-uring")
		try_all(barium_new_bound_client(), try_io_uring);

	igt_describe("get_user_pages() and pin_user_pages() get no pages of any mapping.");
	igt_subtest("no-pages") {
		int fd = barium_new_bound_client();
		struct gup_test test = { .size = barium_page_size(), .nr_pages_per_call = 1 };
		__u8 own[2 * barium_page_size()];

		gup = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
		igt_require_f(gup >= 0, "the kernel has no gup_test\n");
		/* gup_test gets pages of system memory. */
		test.addr = ((uintptr_t)own + barium_page_size()) & -barium_page_size();
		igt_assert_eq(ioctl(gup, GUP_TEST(3), &test), 0);
		igt_assert_eq_u64(test.size, barium_page_size());
		try_all(fd, try_gup);
		close(gup);
	}

	igt_describe("Page table walks do not change the content of mappings.");
	igt_subtest("walkers")
		try_all(barium_new_bound_client(), walk);
}
