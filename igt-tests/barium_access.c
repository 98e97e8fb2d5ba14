// SPDX-License-Identifier: MIT
/**
 * TEST: barium access
 * Description: Access to mappings by other means than the program itself: debuggers, system calls
 *   that copy, system calls that need struct pages, madvise(), and core dumps.
 * Category: Core
 * Sub-category: DRM
 * Functionality: access by the kernel
 *
 * SUBTEST: mem-read-touched
 * Description: /proc/PID/mem reads pages that are mapped.
 *
 * SUBTEST: mem-read-untouched
 * Description: /proc/PID/mem reads pages that are not mapped yet.
 *
 * SUBTEST: mem-write-touched
 * Description: /proc/PID/mem writes pages that are mapped.
 *
 * SUBTEST: mem-write-untouched
 * Description: /proc/PID/mem writes pages that are not mapped yet.
 *
 * SUBTEST: mem-scattered
 * Description: /proc/PID/mem accesses an object with many extents in order.
 *
 * SUBTEST: mem-unaligned
 * Description: /proc/PID/mem accesses unaligned ranges and crosses pages.
 *
 * SUBTEST: mem-past-end
 * Description: /proc/PID/mem stops at the end of a mapping.
 *
 * SUBTEST: mem-split
 * Description: /proc/PID/mem reads the right pages of a mapping that was split.
 *
 * SUBTEST: mem-neighbours
 * Description: /proc/PID/mem continues into an adjacent mapping.
 *
 * SUBTEST: mem-write-read-only-file
 * Description: /proc/PID/mem does not write to a mapping of an O_RDONLY file.
 *
 * SUBTEST: ptrace-words
 * Description: ptrace() reads and writes words of another process.
 *
 * SUBTEST: ptrace-end
 * Description: ptrace() reads words up to the end of a mapping.
 *
 * SUBTEST: copied
 * Description: read() and write() copy to and from a mapping.
 *
 * SUBTEST: pages-vmsplice
 * Description: vmsplice() gets no pages of a mapping.
 *
 * SUBTEST: pages-process-vm
 * Description: process_vm_readv() and process_vm_writev() get no pages of a mapping.
 *
 * SUBTEST: pages-direct-io
 * Description: Direct I/O gets no pages of a mapping.
 *
 * SUBTEST: pages-futex
 * Description: A shared futex gets no page of a mapping.
 *
 * SUBTEST: mlock
 * Description: mlock() of a mapping succeeds and keeps its content.
 *
 * SUBTEST: advice-refused
 * Description: madvise() refuses to drop, reclaim or convert pages of a mapping.
 *
 * SUBTEST: advice-harmless
 * Description: Other madvise() values keep the content of a mapping.
 *
 * SUBTEST: advice-dont-fork
 * Description: MADV_DONTFORK keeps a part of a mapping from children.
 *
 * SUBTEST: core-dump
 * Description: A core dump contains no VRAM.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/elf.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <dirent.h>

#include "igt.h"
#include "barium_lib_core.h"

IGT_TEST_DESCRIPTION("Checks access to mappings by debuggers and by the kernel.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 6

static int own_memory(void)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	igt_assert_lte(0, mem);
	return mem;
}

static ssize_t mem_read(const void *addr, void *data, size_t length)
{
	int mem = own_memory();
	ssize_t done = pread(mem, data, length, (uintptr_t)addr);

	close(mem);
	return done;
}

static ssize_t mem_write(void *addr, const void *data, size_t length)
{
	int mem = own_memory();
	ssize_t done = pwrite(mem, data, length, (uintptr_t)addr);

	close(mem);
	return done;
}

/* Reads @pages pages through /proc/self/mem and checks their stamps. */
static void check_mem(const void *map, size_t first, size_t pages)
{
	size_t length = pages * barium_page_size();
	void *copy = malloc(length);

	igt_assert(copy);
	igt_assert_eq(mem_read(map, copy, length), length);
	barium_check_stamp(copy, first, pages, 1);
	free(copy);
}

/* Stamps @map through /proc/self/mem. */
static void stamp_mem(void *map, size_t pages)
{
	size_t length = pages * barium_page_size();
	void *copy = calloc(1, length);

	igt_assert(copy);
	barium_stamp(copy, 0, pages, 1);
	igt_assert_eq(mem_write(map, copy, length), length);
	free(copy);
}

static void test_mem_unaligned(int fd)
{
	static const char text[] = "written across the border of two pages";
	struct barium_bo bo = barium_bo_create(fd, 2);
	char copy[sizeof(text)];
	size_t at;

	for (at = barium_page_size() - 41; at < barium_page_size() + 3; at += 3) {
		memset(bo.map, 0, bo.size);
		igt_assert_eq(mem_write(bo.map + at, text, sizeof(text)), sizeof(text));
		igt_assert(!memcmp(bo.map + at, text, sizeof(text)));
		igt_assert(!bo.map[at - 1] && !bo.map[at + sizeof(text)]);

		igt_assert_eq(mem_read(bo.map + at, copy, sizeof(copy)), sizeof(copy));
		igt_assert(!memcmp(copy, text, sizeof(text)));
	}
	barium_bo_fini(fd, &bo);
}

/* Maps an object in the middle of another one, so that one read covers both. */
static void test_mem_neighbours(int fd)
{
	struct barium_bo one = barium_bo_create(fd, 4), two = barium_bo_create(fd, 2);
	size_t page = barium_page_size();
	__u8 *copy = malloc(one.size);

	igt_assert(copy);
	barium_stamp(one.map, 0, 4, 1);
	barium_stamp(two.map, 0, 2, 2);
	igt_assert(mmap(one.map + 2 * page, two.size, RW, MAP_SHARED | MAP_FIXED, fd,
			two.offset) == one.map + 2 * page);

	igt_assert_eq(mem_read(one.map, copy, one.size), one.size);
	barium_check_stamp(copy, 0, 2, 1);
	barium_check_stamp(copy + 2 * page, 0, 2, 2);
	free(copy);
	barium_bo_fini(fd, &one);
	barium_bo_fini(fd, &two);
}

static void test_mem_write_read_only_file(int fd)
{
	int file = barium_reopen(fd, O_RDONLY);
	__u32 handle = barium_gem_create(file, barium_page_size());
	__u64 word = ~0ull;
	void *map;

	igt_assert_eq(__barium_mmap(file, barium_page_size(), PROT_READ, MAP_SHARED,
				    barium_gem_mmap_offset(file, handle), &map), 0);
	igt_assert_eq(mem_write(map, &word, sizeof(word)), -1);
	barium_check_zero(map, barium_page_size());
	igt_assert_eq(mem_write(map, &word, sizeof(word)), -1);
	igt_assert_eq(mem_read(map, &word, sizeof(word)), sizeof(word));
	igt_assert_eq_u64(word, 0);

	barium_munmap(map, barium_page_size());
	close(file);
}

/* Forks a traced child that stops itself. Mappings that are untouched are untouched in it, too. */
static pid_t stopped_child(void)
{
	pid_t pid = fork();
	int status;

	igt_assert_lte(0, pid);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}

	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert(WIFSTOPPED(status));
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Asserts only after the child is gone: libigt fails if a child is left. */
static void test_ptrace_words(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	size_t page = barium_page_size(), at, peeked = 0, poked = 0;
	pid_t pid;
	long word;

	barium_stamp(bo.map, 0, 2, 1);
	pid = stopped_child();
	for (at = page - 8; at <= page; at++) {
		memcpy(&word, bo.map + at, sizeof(word));
		errno = 0;
		if (ptrace(PTRACE_PEEKDATA, pid, map + at, NULL) == word && !errno)
			peeked++;

		word ^= 0x0123456789abcdef;
		if (!ptrace(PTRACE_POKEDATA, pid, map + at, word) &&
		    !memcmp(bo.map + at, &word, sizeof(word)))
			poked++;
	}
	end_child(pid);
	igt_assert_eq(peeked, 9);
	igt_assert_eq(poked, 9);

	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Reads a word of another process. Returns 0 or a positive errno. */
static int peek(pid_t pid, const void *addr)
{
	errno = 0;
	ptrace(PTRACE_PEEKDATA, pid, addr, NULL);
	return errno;
}

static void test_ptrace_end(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	size_t page = barium_page_size();
	int last, across, past;
	pid_t pid;

	barium_munmap(bo.map + page, page);
	pid = stopped_child();
	last = peek(pid, bo.map + page - sizeof(long));
	across = peek(pid, bo.map + page - sizeof(long) / 2);
	past = peek(pid, bo.map + page);
	end_child(pid);

	igt_assert_eq(last, 0);
	igt_assert(across == EIO || across == EFAULT);
	igt_assert(past == EIO || past == EFAULT);
	barium_bo_fini(fd, &bo);
}

static void test_pages_vmsplice(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	struct iovec iov = { .iov_base = bo.map, .iov_len = bo.size };
	int ends[2];

	igt_assert_eq(pipe(ends), 0);
	igt_assert_eq(vmsplice(ends[1], &iov, 1, SPLICE_F_NONBLOCK), -1);
	igt_assert_eq(errno, EFAULT);
	barium_stamp(bo.map, 0, 2, 1);
	igt_assert_eq(vmsplice(ends[1], &iov, 1, SPLICE_F_NONBLOCK), -1);
	igt_assert_eq(errno, EFAULT);
	close(ends[0]);
	close(ends[1]);
	barium_check_stamp(bo.map, 0, 2, 1);
	barium_bo_fini(fd, &bo);
}

/* Opens any block device that supports O_DIRECT. */
static int open_direct(void)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	char path[PATH_MAX];
	int disk = -1;

	while (dir && disk < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (entry->d_name[0] != '.')
			disk = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	}

	if (dir)
		closedir(dir);
	igt_require_f(disk >= 0, "no disk supports O_DIRECT\n");
	return disk;
}

static void test_advice_refused(int fd)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_COLD, MADV_PAGEOUT,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DODUMP, MADV_DOFORK,
		MADV_WIPEONFORK, MADV_COLLAPSE,
	};
	struct barium_bo bo = barium_bo_create(fd, 4);
	size_t i;

	barium_stamp(bo.map, 0, 4, 1);
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		igt_assert_f(madvise(bo.map, bo.size, advice[i]) == -1, "advice %d succeeds\n",
			     advice[i]);
		barium_check_stamp(bo.map, 0, 4, 1);
	}
	barium_bo_fini(fd, &bo);
}

static void test_advice_harmless(int fd)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTDUMP,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_UNMERGEABLE,
	};
	struct barium_bo bo = barium_bo_create(fd, 4);
	size_t i;

	barium_stamp(bo.map, 0, 4, 1);
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(bo.map, bo.size, advice[i]);
		barium_check_stamp(bo.map, 0, 4, 1);
	}
	barium_bo_fini(fd, &bo);
}

/* Returns how many bytes of @map a core dump contains, or -1 if it does not list the mapping. */
static long long dumped_bytes(FILE *core, const void *map)
{
	long long bytes = -1;
	struct elf64_hdr head;
	struct elf64_phdr part;
	int i;

	igt_assert_eq(fread(&head, sizeof(head), 1, core), 1);
	igt_assert(!memcmp(head.e_ident, ELFMAG, SELFMAG));
	igt_assert_eq(fseek(core, head.e_phoff, SEEK_SET), 0);
	for (i = 0; i < head.e_phnum; i++) {
		igt_assert_eq(fread(&part, sizeof(part), 1, core), 1);
		if (part.p_type == PT_LOAD && part.p_vaddr <= (uintptr_t)map &&
		    (uintptr_t)map < part.p_vaddr + part.p_memsz)
			bytes = part.p_filesz;
	}
	return bytes;
}

int igt_main()
{
	igt_describe("/proc/PID/mem reads pages that are mapped.");
	igt_subtest("mem-read-touched") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		barium_stamp(bo.map, 0, PAGES, 1);
		check_mem(bo.map, 0, PAGES);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("/proc/PID/mem reads pages that are not mapped yet.");
	igt_subtest("mem-read-untouched") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		void *map = barium_mmap(fd, bo.handle, bo.size);

		barium_stamp(bo.map, 0, PAGES, 1);
		check_mem(map, 0, PAGES);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("/proc/PID/mem writes pages that are mapped.");
	igt_subtest("mem-write-touched") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		memset(bo.map, 0xff, bo.size);
		stamp_mem(bo.map, PAGES);
		barium_check_stamp(bo.map, 0, PAGES, 1);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("/proc/PID/mem writes pages that are not mapped yet.");
	igt_subtest("mem-write-untouched") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		stamp_mem(bo.map, PAGES);
		barium_check_stamp(bo.map, 0, PAGES, 1);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("/proc/PID/mem accesses an object with many extents in order.");
	igt_subtest("mem-scattered") {
		int fd = barium_new_client();
		struct barium_bo bo;
		int holder = barium_bo_create_scattered(fd, PAGES, &bo);
		void *map = barium_mmap(fd, bo.handle, bo.size);

		stamp_mem(map, PAGES);
		barium_check_stamp(bo.map, 0, PAGES, 1);
		check_mem(map, 0, PAGES);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
		close(holder);
	}

	igt_describe("/proc/PID/mem accesses unaligned ranges and crosses pages.");
	igt_subtest("mem-unaligned")
		test_mem_unaligned(barium_new_client());

	/* The object continues after the end of the mapping. */
	igt_describe("/proc/PID/mem stops at the end of a mapping.");
	igt_subtest("mem-past-end") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 4);
		size_t page = barium_page_size();
		char copy[64];

		barium_stamp(bo.map, 0, 4, 1);
		barium_munmap(bo.map + 2 * page, 2 * page);
		igt_assert_eq(mem_read(bo.map + 2 * page - 24, copy, sizeof(copy)), 24);
		igt_assert_eq(mem_read(bo.map + 2 * page, copy, sizeof(copy)), -1);
		igt_assert_eq(mem_write(bo.map + 2 * page - 24, copy, sizeof(copy)), 24);
		barium_check_stamp(bo.map, 0, 2, 1);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("/proc/PID/mem reads the right pages of a mapping that was split.");
	igt_subtest("mem-split") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		__u8 *map = barium_mmap(fd, bo.handle, bo.size);
		size_t page = barium_page_size();

		barium_stamp(bo.map, 0, PAGES, 1);
		barium_munmap(map, page);
		igt_assert_eq(mprotect(map + 3 * page, page, PROT_READ), 0);
		check_mem(map + page, 1, PAGES - 1);
		check_mem(map + 3 * page, 3, 1);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("/proc/PID/mem continues into an adjacent mapping.");
	igt_subtest("mem-neighbours")
		test_mem_neighbours(barium_new_client());

	igt_describe("/proc/PID/mem does not write to a mapping of an O_RDONLY file.");
	igt_subtest("mem-write-read-only-file")
		test_mem_write_read_only_file(barium_new_client());

	igt_describe("ptrace() reads and writes words of another process.");
	igt_subtest("ptrace-words")
		test_ptrace_words(barium_new_client());

	igt_describe("ptrace() reads words up to the end of a mapping.");
	igt_subtest("ptrace-end")
		test_ptrace_end(barium_new_client());

	/* These system calls copy bytes, so they need no struct page. */
	igt_describe("read() and write() copy to and from a mapping.");
	igt_subtest("copied") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 4);
		size_t page = barium_page_size();
		int ends[2];

		barium_stamp(bo.map, 0, 2, 1);
		igt_assert_eq(pipe(ends), 0);
		igt_assert_eq(write(ends[1], bo.map, 2 * page), 2 * page);
		igt_assert_eq(read(ends[0], bo.map + 2 * page, 2 * page), 2 * page);
		barium_check_stamp(bo.map + 2 * page, 0, 2, 1);
		close(ends[0]);
		close(ends[1]);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("vmsplice() gets no pages of a mapping.");
	igt_subtest("pages-vmsplice")
		test_pages_vmsplice(barium_new_client());

	igt_describe("process_vm_readv() and process_vm_writev() get no pages of a mapping.");
	igt_subtest("pages-process-vm") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 1);
		struct iovec remote = { .iov_base = bo.map, .iov_len = 64 };
		char copy[64] = {};
		struct iovec local = { .iov_base = copy, .iov_len = 64 };

		barium_stamp(bo.map, 0, 1, 1);
		igt_assert_eq(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), -1);
		igt_assert_eq(errno, EFAULT);
		igt_assert_eq(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), -1);
		igt_assert_eq(errno, EFAULT);
		barium_check_stamp(bo.map, 0, 1, 1);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("Direct I/O gets no pages of a mapping.");
	igt_subtest("pages-direct-io") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);
		int disk = open_direct();

		igt_assert_eq(pread(disk, bo.map, barium_page_size(), 0), -1);
		igt_assert_eq(errno, EFAULT);
		barium_stamp(bo.map, 0, 2, 1);
		igt_assert_eq(pread(disk, bo.map, barium_page_size(), 0), -1);
		igt_assert_eq(errno, EFAULT);
		close(disk);
		barium_check_stamp(bo.map, 0, 2, 1);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("A shared futex gets no page of a mapping.");
	igt_subtest("pages-futex") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 1);

		igt_assert_eq(syscall(SYS_futex, bo.map, FUTEX_WAKE, 1, NULL, NULL, 0), -1);
		igt_assert_eq(errno, EFAULT);
		igt_assert_eq(syscall(SYS_futex, bo.map, FUTEX_WAIT, 1, NULL, NULL, 0), -1);
		igt_assert_eq(errno, EFAULT);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mlock() of a mapping succeeds and keeps its content.");
	igt_subtest("mlock") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 4);

		igt_assert_eq(mlock(bo.map, bo.size), 0);
		barium_stamp(bo.map, 0, 4, 1);
		igt_assert_eq(munlock(bo.map, bo.size), 0);
		barium_check_stamp(bo.map, 0, 4, 1);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("madvise() refuses to drop, reclaim or convert pages of a mapping.");
	igt_subtest("advice-refused")
		test_advice_refused(barium_new_client());

	igt_describe("Other madvise() values keep the content of a mapping.");
	igt_subtest("advice-harmless")
		test_advice_harmless(barium_new_client());

	igt_describe("MADV_DONTFORK keeps a part of a mapping from children.");
	igt_subtest("advice-dont-fork") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);

		igt_assert_eq(madvise(bo.map, barium_page_size(), MADV_DONTFORK), 0);
		igt_fork(child, 1) {
			igt_assert_eq(barium_try_read(bo.map), SIGSEGV);
			igt_assert_eq(barium_try_read(bo.map + barium_page_size()), 0);
		}
		igt_waitchildren();
		igt_assert_eq(barium_try_read(bo.map), 0);
		barium_bo_fini(fd, &bo);
	}

	/* The dump includes shared file mappings, so only VM_DONTDUMP keeps VRAM out. */
	igt_describe("A core dump contains no VRAM.");
	igt_subtest("core-dump") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 16);
		long long bytes;
		FILE *core;

		barium_stamp(bo.map, 0, 8, 1);
		core = barium_dump_core(BARIUM_CORE_ANON_PRIVATE | BARIUM_CORE_FILE_SHARED);
		bytes = dumped_bytes(core, bo.map);
		fclose(core);
		igt_assert_f(bytes == 0, "%lld bytes of VRAM in the core dump\n", bytes);
		barium_bo_fini(fd, &bo);
	}
}
