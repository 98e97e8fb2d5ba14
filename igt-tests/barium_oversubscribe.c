// SPDX-License-Identifier: MIT
/**
 * TEST: barium oversubscribe
 * Description: Clients use more memory than VRAM and system memory have together, so that the
 *   kernel swaps objects out. The tests need swap, and a machine with little memory: they would
 *   take long on others.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory management
 *
 * SUBTEST: one-client
 * Description: A client fills objects that exceed all memory, and reads them in two orders.
 *
 * SUBTEST: several-clients
 * Description: Several clients do so at the same time.
 *
 * SUBTEST: pictures
 * Description: A client shows each of its pictures, which exceed all memory.
 *
 * SUBTEST: flips-meanwhile
 * Description: A client draws and flips while another one makes the kernel swap.
 *
 * SUBTEST: shadow-meanwhile
 * Description: The display shows an object in system memory while a client makes the kernel swap.
 *
 * SUBTEST: not-needed
 * Description: Content that is not needed is dropped, and not swapped out.
 *
 * SUBTEST: killed
 * Description: Clients that are killed while the kernel swaps leave neither VRAM nor memory in use.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_picture.h"

IGT_TEST_DESCRIPTION("Checks objects that take more memory than the machine has.");

/* The tests write to about twice this size. */
#define LITTLE_MEMORY (256ull << 20)
#define WIDTH 1280
#define HEIGHT 800
#define CLIENTS 3
/* Pages of an object. */
#define PAGES 64

/* The display under test. */
static struct barium_screen screen;

/* Objects with stamped pages, of one client. */
struct objects {
	int fd;
	size_t count;
	struct barium_bo *bos;
};

/* Returns the size of VRAM and of system memory together. */
static __u64 memory(int fd)
{
	return barium_vram_size(fd) + barium_meminfo("MemTotal");
}

static void require_swap(int fd)
{
	__u64 size = memory(fd);

	igt_require_f(size <= LITTLE_MEMORY, "%llu MiB of memory are too many to fill\n",
		      size >> 20);
	igt_require_f(size <= barium_meminfo("SwapFree"), "there is not enough swap\n");
}

/* Creates objects of @size bytes in all, and fills them with stamps from @seed. */
static struct objects fill(int fd, __u64 size, __u32 seed)
{
	struct objects objects = { .fd = fd, .count = size / PAGES / barium_page_size() + 1 };
	size_t i;

	objects.bos = calloc(objects.count, sizeof(*objects.bos));
	igt_assert(objects.bos);
	for (i = 0; i < objects.count; i++) {
		objects.bos[i] = barium_bo_create(fd, PAGES);
		barium_stamp(objects.bos[i].map, 0, PAGES, seed + i);
	}
	return objects;
}

/* Checks each object once. @step has no common factor with the number of objects. */
static void check(const struct objects *objects, __u32 seed, size_t step)
{
	size_t i, next = 0;

	for (i = 0; i < objects->count; i++, next = (next + step) % objects->count)
		barium_check_stamp(objects->bos[next].map, 0, PAGES, seed + next);
}

static void destroy(struct objects *objects)
{
	size_t i;

	for (i = 0; i < objects->count; i++)
		barium_bo_fini(objects->fd, &objects->bos[i]);
	free(objects->bos);
}

static void test_one_client(int fd)
{
	__u64 swap = barium_meminfo("SwapFree");
	struct objects objects = fill(fd, memory(fd), 1);

	igt_assert_lt_u64(barium_meminfo("SwapFree"), swap);
	check(&objects, 1, 1);
	check(&objects, 1, objects.count - 1);
	destroy(&objects);
}

/* The clients together need as much as there is. */
static void test_several(int fd)
{
	igt_fork(child, CLIENTS) {
		__u32 seed = 1000 * child;
		int client = barium_new_primary_client();
		struct objects objects = fill(client, memory(fd) / CLIENTS, seed);

		check(&objects, seed, 1);
	}
	igt_waitchildren();
}

/*
 * Starts a process that fills objects of the size of all memory and reads them again and again,
 * until end_swapping() ends it. Waits until the kernel has begun to swap.
 */
static pid_t start_swapping(int fd)
{
	__u64 swap = barium_meminfo("SwapFree");
	pid_t child = fork();

	igt_assert_lte(0, child);
	if (!child) {
		struct objects objects = fill(barium_new_primary_client(), memory(fd), 100);

		while (true)
			check(&objects, 100, objects.count - 1);
	}
	while (barium_meminfo("SwapFree") + barium_vram_size(fd) / 2 > swap) {
		igt_assert_eq(waitpid(child, NULL, WNOHANG), 0);
		usleep(10000);
	}
	return child;
}

static void end_swapping(pid_t child)
{
	int status;

	igt_assert_eq(kill(child, SIGKILL), 0);
	igt_assert_eq(waitpid(child, &status, 0), child);
	igt_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_pictures(int fd)
{
	size_t count = memory(fd) / (WIDTH * HEIGHT * BARIUM_CPP) + 1, i;
	struct barium_picture *pictures = calloc(count, sizeof(*pictures));

	igt_assert(pictures);
	barium_create_pictures(fd, &screen, pictures, count);
	barium_set_crtc(fd, &screen.pipe, pictures[0].fb, 0, 0);
	barium_check_picture(&screen, &pictures[0], 0);
	for (i = 1; i < 2 * count; i++) {
		barium_flip_to(fd, &screen, &pictures[i % count], i);
		barium_check_picture(&screen, &pictures[i % count], i % count);
	}
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, count);
	free(pictures);
}

static void test_flips_meanwhile(int fd)
{
	struct barium_picture pictures[8];
	pid_t child;
	size_t i;

	barium_create_pictures(fd, &screen, pictures, ARRAY_SIZE(pictures));
	barium_set_crtc(fd, &screen.pipe, pictures[0].fb, 0, 0);
	child = start_swapping(fd);
	for (i = 1; i < 8 * ARRAY_SIZE(pictures); i++) {
		struct barium_picture *next = &pictures[i % ARRAY_SIZE(pictures)];

		barium_draw_picture(next, i);
		barium_flip_to(fd, &screen, next, i);
		barium_check_picture(&screen, next, i);
	}
	end_swapping(child);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, ARRAY_SIZE(pictures));
}

static void test_shadow_meanwhile(int fd)
{
	__u32 pitch = WIDTH * BARIUM_CPP, fb, round;
	size_t pages = (size_t)pitch * HEIGHT / barium_page_size();
	struct barium_bo bo = barium_bo_create_with(fd, pages, BARIUM_GEM_CREATE_SYSTEM);
	const __u8 *shown;
	pid_t child;

	barium_stamp(bo.map, 0, pages, 1);
	fb = barium_add_fb(fd, bo.handle, WIDTH, HEIGHT, pitch, 0);
	barium_set_crtc(fd, &screen.pipe, fb, 0, 0);
	shown = screen.scanout.vram + barium_shown_start(&screen);
	child = start_swapping(fd);
	for (round = 1; round < 32; round++) {
		barium_check_stamp(shown, 0, pages, round);
		barium_check_stamp(bo.map, 0, pages, round);
		barium_stamp(bo.map, 0, pages, round + 1);
		igt_assert_eq(__barium_dirty_fb(fd, fb, NULL, 0), 0);
	}
	end_swapping(child);
	barium_switch_off(fd, &screen.pipe);
	barium_remove_fb(fd, fb);
	barium_bo_fini(fd, &bo);
}

/* Returns how much of the objects' content was dropped, in bytes. */
static __u64 count_dropped(const struct objects *objects)
{
	__u64 dropped = 0;
	size_t i;

	for (i = 0; i < objects->count; i++) {
		if (!barium_madvise(objects->fd, objects->bos[i].handle, BARIUM_MADVISE_WILLNEED))
			dropped += objects->bos[i].size;
	}
	return dropped;
}

/*
 * The first objects take half of the memory, and are not needed. So there is room for those of
 * another client, which take another half.
 */
static void test_not_needed(int fd)
{
	__u64 half = memory(fd) / 2, swap;
	struct objects first = fill(fd, half, 1), second;
	int other = barium_reopen(fd, O_RDWR);
	size_t i;

	for (i = 0; i < first.count; i++)
		barium_madvise(fd, first.bos[i].handle, BARIUM_MADVISE_DONTNEED);
	swap = barium_meminfo("SwapFree");
	second = fill(other, half, 2);
	/* The kernel also swaps out memory of processes that have not run for long. */
	igt_assert_lt_u64(swap, barium_meminfo("SwapFree") + half / 4);
	igt_assert_lte_u64(half / 4, count_dropped(&first));
	check(&second, 2, 1);
	destroy(&second);
	destroy(&first);
	close(other);
}

static void test_killed(int fd)
{
	__u64 vram = barium_vram_available(fd), swap = barium_meminfo("SwapFree");
	pid_t children[CLIENTS];
	int i;

	for (i = 0; i < CLIENTS; i++)
		children[i] = start_swapping(fd);
	for (i = 0; i < CLIENTS; i++)
		end_swapping(children[i]);
	igt_assert_eq_u64(barium_vram_available(fd), vram);
	/* The kernel frees the files of the objects, and the pages in swap, in the background. */
	for (i = 0; i < 100 && barium_meminfo("SwapFree") + (8 << 20) < swap; i++)
		usleep(100000);
	igt_assert_lte_u64(swap, barium_meminfo("SwapFree") + (8 << 20));
}

static int new_client(void)
{
	int fd = barium_new_screen_client(&screen, WIDTH, HEIGHT);

	require_swap(fd);
	return fd;
}

int igt_main()
{
	igt_describe("A client fills objects that exceed all memory.");
	igt_subtest("one-client")
		test_one_client(new_client());

	igt_describe("Several clients together fill objects that exceed all memory.");
	igt_subtest("several-clients")
		test_several(new_client());

	igt_describe("A client shows each of its pictures, which exceed all memory.");
	igt_subtest("pictures")
		test_pictures(new_client());

	igt_describe("A client draws and flips while another one makes the kernel swap.");
	igt_subtest("flips-meanwhile")
		test_flips_meanwhile(new_client());

	igt_describe("An object in system memory is shown while a client makes the kernel swap.");
	igt_subtest("shadow-meanwhile")
		test_shadow_meanwhile(new_client());

	igt_describe("Content that is not needed is dropped, and not swapped out.");
	igt_subtest("not-needed")
		test_not_needed(new_client());

	igt_describe("Clients that are killed while the kernel swaps leave nothing in use.");
	igt_subtest("killed")
		test_killed(new_client());
}
