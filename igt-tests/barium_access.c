// SPDX-License-Identifier: MIT
/*
 * Mappings as others see them: debuggers, system calls that copy, system calls that want struct
 * pages, advice, and core dumps.
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

IGT_TEST_DESCRIPTION("Access to mappings by debuggers and by the kernel.");

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

/* Reads @pages pages through /proc/self/mem and compares them with the stamps. */
static void check_mem(const void *map, size_t first, size_t pages)
{
	size_t length = pages * barium_page_size();
	void *copy = malloc(length);

	igt_assert(copy);
	igt_assert_eq(mem_read(map, copy, length), length);
	barium_check_stamp(copy, first, pages, 1);
	free(copy);
}

static void mem_read_touched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_stamp(bo.map, 0, PAGES, 1);
	check_mem(bo.map, 0, PAGES);
	barium_bo_fini(fd, &bo);
}

static void mem_read_untouched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	void *map = barium_mmap(fd, bo.handle, bo.size);

	barium_stamp(bo.map, 0, PAGES, 1);
	check_mem(map, 0, PAGES);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Writes stamps to @map through /proc/self/mem. */
static void stamp_mem(void *map, size_t pages)
{
	size_t length = pages * barium_page_size();
	void *copy = calloc(1, length);

	igt_assert(copy);
	barium_stamp(copy, 0, pages, 1);
	igt_assert_eq(mem_write(map, copy, length), length);
	free(copy);
}

static void mem_write_untouched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	stamp_mem(bo.map, PAGES);
	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_bo_fini(fd, &bo);
}

static void mem_write_touched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	memset(bo.map, 0xff, bo.size);
	stamp_mem(bo.map, PAGES);
	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_bo_fini(fd, &bo);
}

static void mem_scattered(int fd)
{
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

/* Odd lengths at odd places, among them some that lie in two pages. */
static void mem_unaligned(int fd)
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

/* Behind the mapping is nothing, then there is more of the object that is not mapped. */
static void mem_past_end(int fd)
{
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

static void mem_split(int fd)
{
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

/* Two objects lie side by side in the address space: one read gets the right part of each. */
static void mem_neighbours(int fd)
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

/* What the file may not do, a debugger may not do through it. */
static void mem_write_read_only_file(int fd)
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

/* Starts a child that has @map untouched and waits to be looked at. */
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

/* Assertions wait until the child is gone: IGT takes a child that is left for a broken test. */
static void ptrace_words(int fd)
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

/* Reads a word of another process: 0, or the errno of the attempt. */
static int peek(pid_t pid, const void *addr)
{
	errno = 0;
	ptrace(PTRACE_PEEKDATA, pid, addr, NULL);
	return errno;
}

static void ptrace_end(int fd)
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

/* System calls that copy bytes have no need of struct pages. */
static void copied(int fd)
{
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

static void pages_vmsplice(int fd)
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

static void pages_process_vm(int fd)
{
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

/* Any block device that can be read past the page cache. */
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
	igt_require_f(disk >= 0, "no disk to read directly\n");
	return disk;
}

static void pages_direct_io(int fd)
{
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

static void pages_futex(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);

	igt_assert_eq(syscall(SYS_futex, bo.map, FUTEX_WAKE, 1, NULL, NULL, 0), -1);
	igt_assert_eq(errno, EFAULT);
	igt_assert_eq(syscall(SYS_futex, bo.map, FUTEX_WAIT, 1, NULL, NULL, 0), -1);
	igt_assert_eq(errno, EFAULT);
	barium_bo_fini(fd, &bo);
}

static void lock(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);

	igt_assert_eq(mlock(bo.map, bo.size), 0);
	barium_stamp(bo.map, 0, 4, 1);
	igt_assert_eq(munlock(bo.map, bo.size), 0);
	barium_check_stamp(bo.map, 0, 4, 1);
	barium_bo_fini(fd, &bo);
}

static void advice_refused(int fd)
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
		igt_assert_f(madvise(bo.map, bo.size, advice[i]) == -1, "advice %d is taken\n",
			     advice[i]);
		barium_check_stamp(bo.map, 0, 4, 1);
	}
	barium_bo_fini(fd, &bo);
}

static void advice_harmless(int fd)
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

static void advice_dont_fork(int fd)
{
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

/* How many bytes of @map a core dump holds; -1 if it does not know the mapping. */
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

/* Of private memory, and of shared memory of files, among which the mapping would be. */
static void core_dump(int fd)
{
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

static const struct barium_subtest tests[] = {
	{ "mem-read-touched", "A debugger reads pages that are in use.", mem_read_touched },
	{ "mem-read-untouched", "A debugger reads pages that nobody has touched.",
	  mem_read_untouched },
	{ "mem-write-touched", "A debugger writes pages that are in use.", mem_write_touched },
	{ "mem-write-untouched", "A debugger writes pages that nobody has touched.",
	  mem_write_untouched },
	{ "mem-scattered", "A debugger sees the pages of an object in many pieces in order.",
	  mem_scattered },
	{ "mem-unaligned", "A debugger's access may lie in two pages.", mem_unaligned },
	{ "mem-past-end", "A debugger's access ends where the mapping ends.", mem_past_end },
	{ "mem-split", "A debugger sees the right pages of a mapping that was split.", mem_split },
	{ "mem-neighbours", "A debugger's access goes on in the mapping next to it.",
	  mem_neighbours },
	{ "mem-write-read-only-file",
	  "A debugger cannot write through a file that is open for reading.",
	  mem_write_read_only_file },
	{ "ptrace-words", "Single words of another process can be read and written.",
	  ptrace_words },
	{ "ptrace-end", "Words at the end of a mapping are there, words past it are not.",
	  ptrace_end },
	{ "copied", "read() and write() copy to and from a mapping.", copied },
	{ "pages-vmsplice", "A mapping gives no pages to a pipe.", pages_vmsplice },
	{ "pages-process-vm", "A mapping gives no pages to process_vm_readv().", pages_process_vm },
	{ "pages-direct-io", "A mapping gives no pages to direct I/O.", pages_direct_io },
	{ "pages-futex", "A mapping gives no page to a shared futex.", pages_futex },
	{ "mlock", "Locking a mapping does no harm.", lock },
	{ "advice-refused", "Advice that would drop or convert pages is refused.", advice_refused },
	{ "advice-harmless", "Other advice does no harm.", advice_harmless },
	{ "advice-dont-fork", "A mapping can be kept from children, in part.", advice_dont_fork },
	{ "core-dump", "A core dump works, and leaves VRAM out.", core_dump },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
