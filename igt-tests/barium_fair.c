// SPDX-License-Identifier: MIT
/**
 * TEST: barium fair
 * Description: Which objects leave VRAM when a contiguous object needs room. The objects of the
 *   tests have ages that do not depend on their places in VRAM.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory management
 *
 * SUBTEST: picture-among-small-objects
 * Description: A picture moves only objects in one range of its size out of a VRAM that is full of
 *   objects of one page.
 *
 * SUBTEST: contiguous-among-small-objects
 * Description: So does a new contiguous object.
 *
 * SUBTEST: purgeable-elsewhere-stays
 * Description: The driver drops content that is not needed only in the range that it frees.
 *
 * SUBTEST: fewest-pages-move
 * Description: The objects in the range with the most free pages leave VRAM.
 *
 * SUBTEST: untouched-leave-first
 * Description: Objects that nobody has mapped leave VRAM before objects that have to be copied.
 *
 * SUBTEST: nothing-leaves-in-vain
 * Description: Nothing leaves VRAM for a contiguous object if the picture that is shown leaves no
 *   range of its size.
 *
 * SUBTEST: oldest-picture-leaves
 * Description: Of the pictures that were shown, the one that was shown longest ago leaves VRAM.
 *
 * SUBTEST: never-shown-leaves
 * Description: A contiguous object that was never shown leaves VRAM before pictures, and after
 *   objects that the display cannot show.
 *
 * SUBTEST: each-client-gets-its-share
 * Description: A client that has filled VRAM with contiguous objects loses them to another client,
 *   until each has half of VRAM.
 *
 * SUBTEST: shown-is-not-shared
 * Description: A client keeps pictures that it has shown, although it uses more than its share.
 *
 * SUBTEST: above-share-asked-first
 * Description: Objects of a client that uses more than its share leave VRAM before those of others.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_picture.h"
#include "barium_lib_prime.h"

IGT_TEST_DESCRIPTION("Checks which objects leave VRAM when a contiguous object needs room.");

#define CONTIGUOUS BARIUM_GEM_CREATE_CONTIGUOUS
/* Four pictures of these sizes fit into the VRAM of the usual test guest, 16 MiB. */
#define WIDTH 1280
#define HEIGHT 800
#define FIT 4
/* A prime, for an order of the objects in which no neighbours follow each other. */
#define STRIDE 1009
/* The pages of a small object. Single pages take minutes on the debug kernel. */
#define SMALL 8
/* The number of objects that tests select some of. */
#define FEWEST 32

/* The display under test. */
static struct barium_screen screen;

/* Objects of the same size that fill VRAM, in the order of their creation. */
struct filling {
	int fd;
	size_t pages, count;
	struct barium_bo *bos;
};

/*
 * Fills what is available of VRAM, or 1/@part of VRAM, with objects of @pages pages. Nobody has
 * mapped them.
 */
static struct filling fill_part_untouched(int fd, size_t pages, size_t part)
{
	struct filling filling = { .fd = barium_reopen(fd, O_RDWR), .pages = pages };
	__u64 size = pages * barium_page_size();
	size_t most = barium_vram_size(fd) / size / part;

	igt_require_f(barium_vram_size(fd) <= 64 << 20, "there would be too many objects\n");
	igt_require_f(most >= FEWEST, "there would be too few objects\n");
	filling.bos = calloc(most, sizeof(*filling.bos));
	igt_assert(filling.bos);
	while (filling.count < most && barium_vram_available(fd) >= size) {
		filling.bos[filling.count].handle = barium_gem_create(filling.fd, size);
		filling.bos[filling.count].size = size;
		filling.count++;
	}
	igt_assert_eq_u64(barium_in_vram(filling.fd), filling.count * size);
	return filling;
}

static struct filling fill_untouched(int fd, size_t pages)
{
	return fill_part_untouched(fd, pages, 1);
}

/* Maps an object of the filling, and draws into it. */
static void touch(const struct filling *filling, size_t i)
{
	struct barium_bo *bo = &filling->bos[i];

	bo->map = barium_mmap(filling->fd, bo->handle, bo->size);
	barium_stamp(bo->map, 0, filling->pages, i);
}

/* Gives @advice for @count objects of the filling, which makes them the youngest ones. */
static void advise(const struct filling *filling, size_t count, __u32 advice)
{
	size_t i;

	igt_assert(count % STRIDE);
	for (i = 0; i < count; i++)
		barium_madvise(filling->fd, filling->bos[i * STRIDE % count].handle, advice);
}

static struct filling fill_part(int fd, size_t pages, size_t part)
{
	struct filling filling = fill_part_untouched(fd, pages, part);
	size_t i;

	for (i = 0; i < filling.count; i++)
		touch(&filling, i);
	advise(&filling, filling.count, BARIUM_MADVISE_WILLNEED);
	return filling;
}

static struct filling fill(int fd, size_t pages)
{
	return fill_part(fd, pages, 1);
}

/* Asserts that the objects have their content. */
static void check(const struct filling *filling)
{
	size_t i;

	for (i = 0; i < filling->count; i++)
		if (filling->bos[i].map)
			barium_check_stamp(filling->bos[i].map, 0, filling->pages, i);
}

static void empty(struct filling *filling)
{
	size_t i;

	for (i = 0; i < filling->count; i++)
		barium_bo_fini(filling->fd, &filling->bos[i]);
	free(filling->bos);
	close(filling->fd);
}

static void test_picture(int fd)
{
	struct filling filling = fill(fd, SMALL);
	size_t size = SMALL * barium_page_size(), i, moved;
	struct barium_picture pictures[2];

	for (i = 0; i < ARRAY_SIZE(pictures); i++) {
		pictures[i] = barium_create_picture(fd, &screen, 0, i);
		/* Whole objects. */
		moved = (pictures[i].dumb.size + size - 1) / size * size;
		barium_set_crtc(fd, &screen.pipe, pictures[i].fb, 0, 0);
		barium_check_picture(&screen, &pictures[i], i);
		igt_assert_lte_u64(barium_in_memory(filling.fd), (i + 1) * moved);
	}
	check(&filling);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, ARRAY_SIZE(pictures));
	empty(&filling);
}

static void test_contiguous(int fd)
{
	struct filling filling = fill(fd, SMALL);
	struct barium_bo bo = barium_bo_create_with(fd, 64, CONTIGUOUS);

	barium_check_zero(bo.map, bo.size);
	igt_assert_eq_u64(barium_in_vram(fd), bo.size);
	igt_assert_lte_u64(barium_in_memory(filling.fd), bo.size);
	check(&filling);
	barium_bo_fini(fd, &bo);
	empty(&filling);
}

static void test_purgeable(int fd)
{
	struct filling filling = fill(fd, SMALL);
	size_t half = filling.count / 2, wanted = filling.count / 8, purged = 0, i;
	struct barium_bo bo;

	advise(&filling, half, BARIUM_MADVISE_DONTNEED);
	bo = barium_bo_create_with(fd, wanted * SMALL, CONTIGUOUS);
	igt_assert_eq_u64(barium_in_vram(fd), bo.size);
	igt_assert_eq_u64(barium_in_memory(filling.fd), 0);
	for (i = 0; i < half; i++) {
		if (barium_madvise(filling.fd, filling.bos[i].handle, BARIUM_MADVISE_WILLNEED))
			continue;
		barium_check_zero(filling.bos[i].map, filling.bos[i].size);
		barium_bo_fini(filling.fd, &filling.bos[i]);
		purged++;
	}
	igt_assert_lte(purged, wanted + 1);
	check(&filling);
	barium_bo_fini(fd, &bo);
	empty(&filling);
}

/* Eight objects of 16 lie beside free pages, the others beside each other. */
static void test_fewest(int fd)
{
	struct filling filling = fill(fd, 16);
	size_t first = filling.count / 2, i;
	struct barium_bo bo;

	for (i = 0; i < 16; i += 2)
		barium_bo_fini(filling.fd, &filling.bos[first + i]);
	bo = barium_bo_create_with(fd, 16 * 16, CONTIGUOUS);
	igt_assert_eq_u64(barium_in_vram(fd), bo.size);
	igt_assert_lte_u64(barium_in_memory(filling.fd), bo.size / 2);
	check(&filling);
	barium_bo_fini(fd, &bo);
	empty(&filling);
}

/* The younger half is mapped later than created, but not younger by that. */
static void test_untouched(int fd)
{
	struct filling filling = fill_untouched(fd, 16);
	struct barium_bo bo;
	size_t i;

	for (i = 0; i < filling.count / 2; i++)
		touch(&filling, i);
	bo = barium_bo_create_with(fd, 64, CONTIGUOUS);
	igt_assert_eq_u64(barium_in_vram(fd), bo.size);
	igt_assert_eq_u64(barium_in_memory(filling.fd), 0);
	check(&filling);
	barium_bo_fini(fd, &bo);
	empty(&filling);
}

static void test_in_vain(int fd)
{
	struct barium_picture shown = barium_create_picture(fd, &screen, 0, 1);
	__u64 size = barium_vram_size(fd) - barium_page_size();
	struct filling filling;
	__u32 handle;

	barium_set_crtc(fd, &screen.pipe, shown.fb, 0, 0);
	filling = fill(fd, 16);
	igt_assert_eq(__barium_gem_create(fd, &size, CONTIGUOUS, &handle), 0);
	igt_assert_eq_u64(barium_in_vram(fd), shown.dumb.size);
	igt_assert_eq_u64(barium_in_memory(filling.fd), 0);
	check(&filling);
	barium_check_picture(&screen, &shown, 1);
	gem_close(fd, handle);
	empty(&filling);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_picture(fd, &shown);
}

/* Returns a client that shares the object @handle of @fd, so that its fdinfo says where that is. */
static int observe(int fd, __u32 handle)
{
	int buf = barium_export(fd, handle), client = barium_reopen(fd, O_RDWR);

	barium_import(client, buf);
	close(buf);
	return client;
}

static void test_oldest(int fd)
{
	static const size_t shown[] = { 2, 3, 0, 1, 2 };
	struct barium_picture pictures[FIT + 1];
	int observers[FIT + 1];
	size_t i;

	igt_require_f(barium_vram_size(fd) == 16 << 20, "the pictures are to fill 16 MiB\n");
	barium_create_pictures(fd, &screen, pictures, ARRAY_SIZE(pictures));
	for (i = 0; i < ARRAY_SIZE(pictures); i++)
		observers[i] = observe(fd, pictures[i].dumb.handle);
	for (i = 0; i < ARRAY_SIZE(shown); i++)
		barium_set_crtc(fd, &screen.pipe, pictures[shown[i]].fb, 0, 0);
	for (i = 0; i < FIT; i++)
		igt_assert_eq_u64(barium_in_vram(observers[i]), pictures[i].dumb.size);

	/* VRAM has the pictures in the order of their numbers. Picture 3 was shown longest ago. */
	barium_set_crtc(fd, &screen.pipe, pictures[FIT].fb, 0, 0);
	for (i = 0; i < ARRAY_SIZE(pictures); i++)
		igt_assert_eq_u64(barium_in_vram(observers[i]), i == 3 ? 0 : pictures[i].dumb.size);
	barium_set_crtc(fd, &screen.pipe, pictures[3].fb, 0, 0);
	for (i = 0; i < ARRAY_SIZE(pictures); i++)
		igt_assert_eq_u64(barium_in_vram(observers[i]), i == 0 ? 0 : pictures[i].dumb.size);
	barium_check_picture(&screen, &pictures[3], 3);

	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, ARRAY_SIZE(pictures));
	for (i = 0; i < ARRAY_SIZE(pictures); i++)
		close(observers[i]);
}

/*
 * VRAM has two pictures, an object that was never shown, and others that the display cannot show.
 */
static void test_never_shown(int fd)
{
	size_t pages = (4ul << 20) / barium_page_size(), i;
	int other = barium_reopen(fd, O_RDWR);
	struct barium_picture pictures[FIT];
	struct filling filling;
	struct barium_bo never;

	igt_require_f(barium_vram_size(fd) == 16 << 20, "the pictures are to fill 16 MiB\n");
	barium_create_pictures(fd, &screen, pictures, 2);
	for (i = 0; i < 2; i++)
		barium_set_crtc(fd, &screen.pipe, pictures[i].fb, 0, 0);
	never = barium_bo_create_with(other, pages, CONTIGUOUS);
	barium_stamp(never.map, 0, pages, 5);
	filling = fill(fd, 16);
	igt_assert_lte_u64(pictures[0].dumb.size, barium_in_vram(filling.fd));

	for (i = 2; i < FIT; i++) {
		igt_assert_eq_u64(barium_in_vram(other), never.size);
		pictures[i] = barium_create_picture(fd, &screen, 0, i);
		barium_set_crtc(fd, &screen.pipe, pictures[i].fb, 0, 0);
		igt_assert_lte_u64(pictures[0].dumb.size, barium_in_memory(filling.fd));
		igt_assert_eq_u64(barium_in_vram(fd), (i + 1) * pictures[0].dumb.size);
	}
	igt_assert_eq_u64(barium_in_memory(other), never.size);
	barium_check_stamp(never.map, 0, pages, 5);
	check(&filling);
	empty(&filling);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, FIT);
	barium_bo_fini(other, &never);
	close(other);
}

/* Creates a contiguous object and draws into it. */
static struct barium_bo create_contiguous(int fd, size_t pages, __u32 seed)
{
	struct barium_bo bo = barium_bo_create_with(fd, pages, CONTIGUOUS);

	barium_stamp(bo.map, 0, pages, seed);
	return bo;
}

static void test_share(int fd)
{
	struct barium_bo bos[32], of_other[33];
	int other = barium_reopen(fd, O_RDWR);
	size_t pages = barium_vram_size(fd) / barium_page_size() / 32, half = 16, i;
	__u64 size = pages * barium_page_size(), all = 32 * size;
	__u32 handle;

	/* Its buffer would take a part of VRAM, and it would be a third client. */
	igt_require_f(barium_vram_available(fd) == barium_vram_size(fd), "the console uses VRAM\n");
	/* Frees the blocks that the driver keeps for small objects: they would split VRAM. */
	igt_assert_eq(__barium_gem_create(fd, &all, CONTIGUOUS, &handle), 0);
	igt_assert_eq_u64(barium_in_vram(fd), all);
	gem_close(fd, handle);
	for (i = 0; i < 32; i++)
		of_other[i] = create_contiguous(other, pages, i);
	igt_assert_eq_u64(barium_in_vram(other), 32 * size);
	for (i = 0; i < 32; i++) {
		bos[i] = create_contiguous(fd, pages, 100 + i);
		igt_assert_eq_u64(barium_in_vram(fd), (i < half ? i + 1 : half) * size);
		igt_assert_eq_u64(barium_in_vram(fd) + barium_in_vram(other), 32 * size);
	}
	/* The other client does not get back what is above its share. */
	of_other[32] = create_contiguous(other, pages, 32);
	igt_assert_eq_u64(barium_in_vram(fd), half * size);
	igt_assert_eq_u64(barium_in_vram(other), half * size);
	for (i = 0; i < 32; i++) {
		barium_check_stamp(bos[i].map, 0, pages, 100 + i);
		barium_bo_fini(fd, &bos[i]);
	}
	for (i = 0; i < 33; i++) {
		barium_check_stamp(of_other[i].map, 0, pages, i);
		barium_bo_fini(other, &of_other[i]);
	}
	close(other);
}

static void test_shown_kept(int fd)
{
	size_t pages = (2ul << 20) / barium_page_size(), i;
	int other = barium_reopen(fd, O_RDWR);
	struct barium_picture pictures[FIT];
	struct barium_bo bo;

	igt_require_f(barium_vram_size(fd) == 16 << 20, "the pictures are to fill 16 MiB\n");
	barium_create_pictures(fd, &screen, pictures, FIT);
	for (i = 0; i < FIT; i++)
		barium_set_crtc(fd, &screen.pipe, pictures[i].fb, 0, 0);
	bo = create_contiguous(other, pages, 5);
	igt_assert_eq_u64(barium_in_vram(fd), FIT * pictures[0].dumb.size);
	igt_assert_eq_u64(barium_in_vram(other), 0);
	barium_check_stamp(bo.map, 0, pages, 5);
	barium_bo_fini(other, &bo);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, FIT);
	close(other);
}

/*
 * The smaller client has a quarter of VRAM, and there are fewer pages to copy beside its objects.
 */
static void test_asked_first(int fd)
{
	struct filling small = fill_part(fd, 16, 4), large = fill(fd, 16);
	size_t first = small.count / 2, i;
	struct barium_bo bo;

	for (i = 0; i < 16; i += 2)
		barium_bo_fini(small.fd, &small.bos[first + i]);
	bo = create_contiguous(fd, 16 * 16, 1);
	igt_assert_eq_u64(barium_in_vram(fd), bo.size);
	igt_assert_eq_u64(barium_in_memory(small.fd), 0);
	igt_assert_lte_u64(barium_in_memory(large.fd), bo.size);
	check(&small);
	check(&large);
	barium_bo_fini(fd, &bo);
	empty(&small);
	empty(&large);
}

int igt_main()
{
	igt_describe("A picture moves only objects in one range of its size.");
	igt_subtest("picture-among-small-objects")
		test_picture(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("A contiguous object moves only objects in one range of its size.");
	igt_subtest("contiguous-among-small-objects")
		test_contiguous(barium_new_client());

	igt_describe("Content that is not needed is dropped only in the range that is freed.");
	igt_subtest("purgeable-elsewhere-stays")
		test_purgeable(barium_new_client());

	igt_describe("The objects in the range with the most free pages leave VRAM.");
	igt_subtest("fewest-pages-move")
		test_fewest(barium_new_client());

	igt_describe("Objects that nobody has mapped leave VRAM first.");
	igt_subtest("untouched-leave-first")
		test_untouched(barium_new_client());

	igt_describe("Nothing leaves VRAM if that does not make room.");
	igt_subtest("nothing-leaves-in-vain")
		test_in_vain(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("The picture that was shown longest ago leaves VRAM.");
	igt_subtest("oldest-picture-leaves")
		test_oldest(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("An object that was never shown leaves before pictures, and after others.");
	igt_subtest("never-shown-leaves")
		test_never_shown(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("Two clients that need all of VRAM get half of it each.");
	igt_subtest("each-client-gets-its-share")
		test_share(barium_new_client());

	igt_describe("A client keeps pictures that it has shown.");
	igt_subtest("shown-is-not-shared")
		test_shown_kept(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("Objects of a client that uses more than its share leave VRAM first.");
	igt_subtest("above-share-asked-first")
		test_asked_first(barium_new_client());
}
