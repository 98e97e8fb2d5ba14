// SPDX-License-Identifier: MIT
/**
 * TEST: barium dmem
 * Description: VRAM is charged to cgroups, which limit and protect it. The files of the dmem
 *   controller say how much is charged.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory management
 *
 * SUBTEST: charged-and-uncharged
 * Description: An object is charged while it is in VRAM, and only then.
 *
 * SUBTEST: max-places-in-system
 * Description: An object that exceeds the limit of its cgroup is in system memory.
 *
 * SUBTEST: max-moves-own-out
 * Description: A contiguous object makes others of its cgroup leave VRAM if the limit is reached,
 *   and none of another cgroup.
 *
 * SUBTEST: max-of-parent
 * Description: At the limit of a parent, objects of all cgroups below it can leave VRAM.
 *
 * SUBTEST: max-lowered-reclaims
 * Description: Objects leave VRAM when the limit is lowered, until it is met, with their content.
 *
 * SUBTEST: low-respected-first-pass
 * Description: Objects that dmem.low protects leave VRAM only if no others can.
 *
 * SUBTEST: min-never-broken
 * Description: Objects that dmem.min protects do not leave VRAM for those of other cgroups.
 *
 * SUBTEST: min-of-sibling
 * Description: dmem.min protects a cgroup from another one with the same parent.
 *
 * SUBTEST: other-cgroups-pay-nothing
 * Description: An object is charged to the cgroup that has created or shown it, whoever moves it.
 *
 * SUBTEST: shown-within-max
 * Description: A client flips between pictures of which the limit allows only some in VRAM.
 *
 * SUBTEST: shown-beyond-max
 * Description: Showing a picture fails with ENOSPC if the limit does not allow it in VRAM, and the
 *   picture on the screen stays when the limit is lowered.
 *
 * SUBTEST: min-against-display
 * Description: Objects that dmem.min protects do not leave VRAM for a picture to be shown.
 *
 * SUBTEST: cgroup-removed-with-objects
 * Description: Objects outlive the cgroup that they are charged to.
 *
 * SUBTEST: unplug-while-reclaiming
 * Description: The device can be unbound while limits are lowered.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_debugfs.h"
#include "barium_lib_dmem.h"
#include "barium_lib_mapping.h"
#include "barium_lib_picture.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks that cgroups limit and protect VRAM.");

#define CONTIGUOUS BARIUM_GEM_CREATE_CONTIGUOUS
#define DONTNEED BARIUM_MADVISE_DONTNEED
/* The objects of a test, and the pages of each. */
#define OBJECTS 6
#define PAGES 16
/* Objects of a part of VRAM. */
#define PARTS 16
/* The seconds that lowering a limit may take. */
#define LOWER_TIMEOUT 30
/* How often the device is unbound. */
#define ROUNDS 3

/* The display under test. */
static struct barium_screen screen;

/* Creates and stamps an object that is charged to @group. The process is in the root afterwards. */
static struct barium_bo create_in(int fd, const char *group, size_t pages, __u32 flags, __u32 seed)
{
	struct barium_bo bo;

	barium_cgroup_enter(group);
	bo = barium_bo_create_with(fd, pages, flags);
	barium_cgroup_enter("");
	barium_stamp(bo.map, 0, pages, seed);
	return bo;
}

/* Creates OBJECTS objects with the content @seed, @seed + 1 and so on. */
static void create_all(int fd, const char *group, struct barium_bo *bos, __u32 seed)
{
	size_t i;

	for (i = 0; i < OBJECTS; i++)
		bos[i] = create_in(fd, group, PAGES, 0, seed + i);
}

static void check_and_close_all(int fd, struct barium_bo *bos, __u32 seed)
{
	size_t i;

	for (i = 0; i < OBJECTS; i++) {
		barium_check_stamp(bos[i].map, 0, PAGES, seed + i);
		barium_bo_fini(fd, &bos[i]);
	}
}

/* Fills VRAM with objects of @pages pages that are charged to the root. */
static void fill(int fd, size_t pages)
{
	__u32 *handles;

	barium_fill(fd, pages * barium_page_size(), &handles);
	free(handles);
}

/* A worker unpins a picture some time after a flip. */
static void wait_until_uncharged(const char *group)
{
	int i;

	for (i = 0; i < 1000 && barium_dmem_charged(group); i++)
		usleep(10000);
	igt_assert_eq_u64(barium_dmem_charged(group), 0);
}

static void test_charged(int fd)
{
	static const size_t sizes[] = { 1, 7, 64, 3 };
	static const __u32 flags[] = { 0, 0, CONTIGUOUS, BARIUM_GEM_CREATE_SYSTEM };
	struct barium_bo bos[ARRAY_SIZE(sizes)];
	__u64 root, expected = 0;
	size_t i;

	igt_assert_eq_u64(barium_dmem_get("", "dmem.capacity"), barium_vram_size(fd));
	barium_cgroup_create("a");
	root = barium_dmem_charged("");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		bos[i] = create_in(fd, "a", sizes[i], flags[i], i);
		if (flags[i] != BARIUM_GEM_CREATE_SYSTEM)
			expected += bos[i].size;
		igt_assert_eq_u64(barium_dmem_charged("a"), expected);
		igt_assert_eq_u64(barium_dmem_charged("") - root, expected);
	}
	barium_bo_fini(fd, &bos[0]);
	expected -= barium_page_size();
	igt_assert_eq_u64(barium_dmem_charged("a"), expected);

	barium_evict(fd);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_eq_u64(barium_dmem_charged("a"), 0);
	for (i = 1; i < ARRAY_SIZE(sizes); i++) {
		barium_check_stamp(bos[i].map, 0, sizes[i], i);
		barium_bo_fini(fd, &bos[i]);
	}
	igt_assert_eq_u64(barium_dmem_charged("a"), 0);
}

static void test_max(int fd)
{
	__u64 size = PAGES * barium_page_size(), max = (OBJECTS - 2) * size;
	struct barium_bo bos[OBJECTS], again;

	barium_cgroup_create("a");
	barium_dmem_set("a", "dmem.max", max + size / 2);
	create_all(fd, "a", bos, 10);
	igt_assert_eq_u64(barium_dmem_charged("a"), max);
	igt_assert_eq_u64(barium_in_vram(fd), max);
	igt_assert_eq_u64(barium_in_memory(fd), 2 * size);

	barium_check_stamp(bos[0].map, 0, PAGES, 10);
	barium_bo_fini(fd, &bos[0]);
	igt_assert_eq_u64(barium_dmem_charged("a"), max - size);
	bos[0] = create_in(fd, "a", PAGES, 0, 10);
	igt_assert_eq_u64(barium_dmem_charged("a"), max);
	again = create_in(fd, "", PAGES, 0, 5);
	igt_assert_eq_u64(barium_dmem_charged("a"), max);
	igt_assert_eq_u64(barium_in_vram(fd), max + size);
	barium_bo_fini(fd, &again);
	check_and_close_all(fd, bos, 10);
}

static void test_own(int fd)
{
	__u64 size = PAGES * barium_page_size(), max = OBJECTS * size;
	struct barium_bo bos[OBJECTS], others[OBJECTS], bo;
	int other = barium_reopen(fd, O_RDWR);

	barium_cgroup_create("a");
	barium_cgroup_create("b");
	create_all(other, "b", others, 20);
	barium_dmem_set("a", "dmem.max", max);
	create_all(fd, "a", bos, 10);
	igt_assert_eq_u64(barium_dmem_charged("a"), max);
	/* Two objects have to leave. */
	bo = create_in(fd, "a", PAGES + PAGES / 2, CONTIGUOUS, 5);
	igt_assert_eq_u64(barium_dmem_charged("a"), max - size / 2);
	igt_assert_eq_u64(barium_in_vram(fd), max - size / 2);
	igt_assert_eq_u64(barium_in_memory(fd), 2 * size);
	igt_assert_eq_u64(barium_dmem_charged("b"), max);
	igt_assert_eq_u64(barium_in_vram(other), max);
	barium_check_stamp(bo.map, 0, PAGES + PAGES / 2, 5);
	barium_bo_fini(fd, &bo);
	check_and_close_all(fd, bos, 10);
	check_and_close_all(other, others, 20);
	close(other);
}

static void test_parent(int fd)
{
	__u64 size = PAGES * barium_page_size(), max = 2 * OBJECTS * size;
	struct barium_bo bos[OBJECTS], siblings[OBJECTS], others[OBJECTS], bo;
	int sibling = barium_reopen(fd, O_RDWR), other = barium_reopen(fd, O_RDWR);

	barium_cgroup_create("p");
	barium_cgroup_create("p/a");
	barium_cgroup_create("p/b");
	barium_cgroup_create("c");
	create_all(other, "c", others, 30);
	create_all(sibling, "p/b", siblings, 20);
	create_all(fd, "p/a", bos, 10);
	barium_dmem_set("p", "dmem.max", max);
	igt_assert_eq_u64(barium_dmem_charged("p"), max);
	/* Objects of the sibling are the oldest. */
	bo = create_in(fd, "p/a", 2 * PAGES, CONTIGUOUS, 5);
	igt_assert_eq_u64(barium_dmem_charged("p"), max);
	igt_assert_eq_u64(barium_dmem_charged("p/a"), OBJECTS * size + bo.size);
	igt_assert_eq_u64(barium_dmem_charged("p/b"), OBJECTS * size - bo.size);
	igt_assert_eq_u64(barium_dmem_charged("c"), OBJECTS * size);
	barium_bo_fini(fd, &bo);

	/* The sibling is protected, so the cgroup's own objects leave. */
	barium_dmem_set("p/b", "dmem.min", BARIUM_DMEM_MAX);
	bo = create_in(fd, "p/a", 4 * PAGES, CONTIGUOUS, 5);
	igt_assert_eq_u64(barium_dmem_charged("p"), max);
	igt_assert_eq_u64(barium_dmem_charged("p/b"), (OBJECTS - 2) * size);
	barium_bo_fini(fd, &bo);
	check_and_close_all(fd, bos, 10);
	check_and_close_all(sibling, siblings, 20);
	check_and_close_all(other, others, 30);
	close(sibling);
	close(other);
}

static void test_lowered(int fd)
{
	__u64 size = PAGES * barium_page_size();
	struct barium_bo bos[OBJECTS], others[OBJECTS];
	int other = barium_reopen(fd, O_RDWR);

	barium_cgroup_create("a");
	barium_cgroup_create("b");
	/* The other cgroup's objects are the oldest. */
	create_all(other, "b", others, 20);
	create_all(fd, "a", bos, 10);
	barium_dmem_set("a", "dmem.max", OBJECTS * size);
	igt_assert_eq_u64(barium_dmem_charged("a"), OBJECTS * size);
	barium_dmem_set("a", "dmem.max", 2 * size + size / 2);
	igt_assert_eq_u64(barium_dmem_charged("a"), 2 * size);
	igt_assert_eq_u64(barium_in_vram(fd), 2 * size);
	igt_assert_eq_u64(barium_in_memory(fd), (OBJECTS - 2) * size);
	barium_dmem_set("a", "dmem.max", 0);
	igt_assert_eq_u64(barium_dmem_charged("a"), 0);
	igt_assert_eq_u64(barium_dmem_charged("b"), OBJECTS * size);
	igt_assert_eq_u64(barium_in_vram(other), OBJECTS * size);
	check_and_close_all(fd, bos, 10);
	check_and_close_all(other, others, 20);
	close(other);
}

/* Creates objects of @size bytes that are not needed, in half of the parts of VRAM. */
static void create_unneeded(int fd, __u64 size)
{
	__u32 handle;
	size_t i;

	for (i = 0; i < PARTS / 2; i++) {
		handle = barium_gem_create(fd, size);
		barium_madvise(fd, handle, DONTNEED);
	}
}

/*
 * Fills VRAM with objects that are not needed: half of it for "a", and then the rest for "b".
 * Returns the pages of an object.
 */
static size_t fill_unneeded(int fd)
{
	size_t pages = barium_vram_available(fd) / barium_page_size() / PARTS, i;
	__u32 *handles;

	barium_cgroup_create("a");
	barium_cgroup_create("b");
	barium_cgroup_enter("a");
	create_unneeded(fd, pages * barium_page_size());
	barium_cgroup_enter("b");
	i = barium_fill(fd, pages * barium_page_size(), &handles);
	igt_assert_lt(0, i);
	while (i)
		barium_madvise(fd, handles[--i], DONTNEED);
	free(handles);
	barium_cgroup_enter("");
	return pages;
}

static void test_low(int fd)
{
	size_t pages = fill_unneeded(fd), i;
	__u64 a = barium_dmem_charged("a");
	int other = barium_reopen(fd, O_RDWR);

	barium_dmem_set("a", "dmem.low", a);
	for (i = 0; barium_dmem_charged("b"); i++) {
		igt_assert_lt(i, PARTS + 1);
		barium_gem_create(other, pages * barium_page_size());
		igt_assert_eq_u64(barium_dmem_charged("a"), a);
	}
	/* One may fit into what was left. */
	barium_gem_create(other, pages * barium_page_size());
	barium_gem_create(other, pages * barium_page_size());
	igt_assert_lt_u64(barium_dmem_charged("a"), a);
	igt_assert_eq_u64(barium_in_vram(other), (i + 2) * pages * barium_page_size());
	close(other);
}

static void test_min(int fd)
{
	size_t pages = fill_unneeded(fd), i;
	__u64 a = barium_dmem_charged("a"), size = pages * barium_page_size(), shown;
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo contiguous;

	barium_dmem_set("a", "dmem.min", a);
	for (i = 0; i < PARTS; i++) {
		barium_gem_create(other, size);
		igt_assert_eq_u64(barium_dmem_charged("a"), a);
	}
	igt_assert_eq_u64(barium_dmem_charged("b"), 0);
	shown = barium_in_vram(other);
	igt_assert_lt_u64(0, shown);
	igt_assert_lt_u64(shown, PARTS * size);

	/* A contiguous one does not get the room either. */
	contiguous = barium_bo_create_with(other, PARTS / 2 * pages, CONTIGUOUS);
	igt_assert_eq_u64(barium_dmem_charged("a"), a);
	barium_bo_fini(other, &contiguous);

	barium_dmem_set("a", "dmem.min", 0);
	for (i = 0; i < PARTS && barium_dmem_charged("a") == a; i++)
		barium_gem_create(other, size);
	igt_assert_lt_u64(barium_dmem_charged("a"), a);
	close(other);
}

static void test_sibling(int fd)
{
	size_t pages = barium_vram_available(fd) / barium_page_size() / PARTS, i;
	__u64 size = pages * barium_page_size(), a = PARTS / 2 * size;
	int other = barium_reopen(fd, O_RDWR);

	barium_cgroup_create("p");
	barium_cgroup_create("p/a");
	barium_cgroup_create("p/b");
	barium_cgroup_enter("p/a");
	create_unneeded(fd, size);
	/* The parent has no protection, so the root's other children may take it all. */
	barium_dmem_set("p/a", "dmem.min", a);
	igt_assert_eq_u64(barium_dmem_charged("p/a"), a);
	barium_cgroup_enter("p/b");
	for (i = 0; i < PARTS; i++)
		barium_gem_create(other, size);
	igt_assert_eq_u64(barium_dmem_charged("p/a"), a);
	barium_cgroup_enter("");
	barium_gem_create(other, 2 * size);
	igt_assert_lt_u64(barium_dmem_charged("p/a"), a);
	close(other);
}

static void test_others(int fd)
{
	struct barium_bo bo = {}, large;
	int other = barium_reopen(fd, O_RDWR);
	struct barium_picture picture;

	barium_cgroup_create("a");
	barium_cgroup_create("b");
	bo = create_in(fd, "a", PAGES, 0, 1);
	barium_cgroup_enter("a");
	picture = barium_create_picture(fd, &screen, 0, 2);
	igt_assert_eq_u64(barium_dmem_charged("a"), bo.size + picture.dumb.size);

	/* The object leaves VRAM for one of "b", which pays for its own VRAM only. */
	barium_cgroup_enter("");
	fill(fd, barium_vram_available(fd) / barium_page_size());
	large = create_in(other, "b", barium_vram_available(fd) / barium_page_size() + 1,
			  CONTIGUOUS, 3);
	igt_assert_eq_u64(barium_dmem_charged("b"), barium_in_vram(other));
	barium_bo_fini(other, &large);
	igt_assert_eq_u64(barium_dmem_charged("b"), 0);

	/* Whoever shows a picture that is not in VRAM pays for it. */
	barium_dmem_set("a", "dmem.max", 0);
	igt_assert_eq_u64(barium_dmem_charged("a"), 0);
	barium_cgroup_enter("b");
	barium_set_crtc(fd, &screen.pipe, picture.fb, 0, 0);
	barium_check_picture(&screen, &picture, 2);
	igt_assert_eq_u64(barium_dmem_charged("a"), 0);
	igt_assert_eq_u64(barium_dmem_charged("b"), picture.dumb.size);
	barium_cgroup_enter("");
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_picture(fd, &picture);
	wait_until_uncharged("b");
	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_bo_fini(fd, &bo);
	close(other);
}

static void test_shown(int fd)
{
	struct barium_picture pictures[4];
	__u64 limit;
	size_t i;

	barium_cgroup_create("a");
	barium_cgroup_enter("a");
	barium_create_pictures(fd, &screen, pictures, 1);
	limit = 2 * pictures[0].dumb.size;
	barium_dmem_set("a", "dmem.max", limit);
	for (i = 1; i < ARRAY_SIZE(pictures); i++)
		pictures[i] = barium_create_picture(fd, &screen, 0, i);
	igt_assert_eq_u64(barium_dmem_charged("a"), limit);
	barium_set_crtc(fd, &screen.pipe, pictures[0].fb, 0, 0);
	for (i = 1; i <= 2 * ARRAY_SIZE(pictures); i++) {
		size_t next = i % ARRAY_SIZE(pictures);

		barium_flip_to(fd, &screen, &pictures[next], i);
		barium_check_picture(&screen, &pictures[next], next);
		igt_assert_lte_u64(barium_dmem_charged("a"), limit);
	}
	igt_assert_lte_u64(barium_dmem_get("a", "dmem.peak"), limit);
	barium_switch_off(fd, &screen.pipe);
	barium_cgroup_enter("");
	barium_destroy_pictures(fd, pictures, ARRAY_SIZE(pictures));
	wait_until_uncharged("a");
}

static void test_shown_beyond(int fd)
{
	struct barium_picture pictures[2];
	int log = barium_open_log();

	barium_cgroup_create("a");
	barium_cgroup_enter("a");
	barium_create_pictures(fd, &screen, pictures, ARRAY_SIZE(pictures));
	barium_set_crtc(fd, &screen.pipe, pictures[0].fb, 0, 0);
	/* The kernel gives up on the picture that is shown. */
	alarm(LOWER_TIMEOUT);
	barium_dmem_set("a", "dmem.max", 0);
	alarm(0);
	igt_assert_eq_u64(barium_dmem_charged("a"), pictures[0].dumb.size);
	barium_check_picture(&screen, &pictures[0], 0);
	igt_assert_eq(__barium_set_crtc(fd, &screen.pipe, pictures[1].fb, 0, 0,
					&screen.pipe.mode), -ENOSPC);
	igt_assert(barium_is_logged(log, "dmem.max of its cgroup leaves no room"));
	barium_check_picture(&screen, &pictures[0], 0);
	barium_dmem_set("a", "dmem.max", BARIUM_DMEM_MAX);
	barium_flip_to(fd, &screen, &pictures[1], 1);
	barium_check_picture(&screen, &pictures[1], 1);
	barium_switch_off(fd, &screen.pipe);
	barium_cgroup_enter("");
	barium_destroy_pictures(fd, pictures, ARRAY_SIZE(pictures));
	close(log);
}

static void test_min_display(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	struct barium_picture picture;
	__u64 a;
	int ret;

	barium_cgroup_create("a");
	barium_cgroup_enter("a");
	fill(other, PAGES);
	a = barium_dmem_charged("a");
	barium_dmem_set("a", "dmem.min", a);
	barium_cgroup_enter("");
	picture = barium_create_picture(fd, &screen, 0, 1);
	/* The console may leave room. */
	ret = __barium_set_crtc(fd, &screen.pipe, picture.fb, 0, 0, &screen.pipe.mode);
	igt_assert(!ret || ret == -ENOSPC);
	igt_assert_eq_u64(barium_dmem_charged("a"), a);
	barium_dmem_set("a", "dmem.min", 0);
	barium_set_crtc(fd, &screen.pipe, picture.fb, 0, 0);
	barium_check_picture(&screen, &picture, 1);
	if (ret)
		igt_assert_lt_u64(barium_dmem_charged("a"), a);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_picture(fd, &picture);
	close(other);
}

static void test_removed(int fd)
{
	__u64 root = barium_dmem_charged(""), size = PAGES * barium_page_size();
	struct barium_bo bos[OBJECTS];

	barium_cgroup_create("a");
	create_all(fd, "a", bos, 10);
	barium_cgroup_remove("a");
	igt_assert_eq_u64(barium_dmem_charged("") - root, OBJECTS * size);
	/* Objects that no cgroup protects any more leave as before. */
	barium_move_out(fd);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_lte_u64(barium_dmem_charged(""), root);
	check_and_close_all(fd, bos, 10);
}

/* A thread that lowers the limit again and again, until the device is unbound. */
static void *lower(void *arg)
{
	int *ret = arg;

	do {
		*ret = __barium_dmem_set("a", "dmem.max", 0);
		if (!*ret)
			*ret = __barium_dmem_set("a", "dmem.max", BARIUM_DMEM_MAX);
	} while (!*ret);
	return NULL;
}

static void test_unplug(int fd)
{
	struct barium_bo bos[OBJECTS];
	pthread_t thread;
	size_t i, j;
	int ret;

	barium_cgroup_create("a");
	for (i = 0; i < ROUNDS; i++) {
		for (j = 0; j < OBJECTS; j++)
			bos[j] = create_in(fd, "a", PAGES << j, 0, j);
		igt_assert_eq(pthread_create(&thread, NULL, lower, &ret), 0);
		usleep(1000 * i);
		barium_unbind();
		igt_assert_eq(pthread_join(thread, NULL), 0);
		igt_assert(ret == -EINVAL || ret == -ENODEV);
		for (j = 0; j < OBJECTS; j++) {
			WRITE_ONCE(bos[j].map[0], 1);
			barium_bo_unmap(&bos[j]);
		}
		close(fd);
		barium_bind();
		igt_assert_eq_u64(barium_dmem_charged("a"), 0);
		fd = barium_open_bound();
	}
	close(fd);
	barium_check_vram();
}

int igt_main()
{
	igt_fixture() {
		barium_prepare_unplug();
		barium_dmem_init();
	}

	igt_describe("An object is charged while it is in VRAM, and only then.");
	igt_subtest("charged-and-uncharged") {
		barium_cgroup_reset();
		barium_require_debugfs();
		test_charged(barium_new_client());
	}

	igt_describe("An object that exceeds the limit is in system memory.");
	igt_subtest("max-places-in-system") {
		barium_cgroup_reset();
		test_max(barium_new_client());
	}

	igt_describe("A contiguous object makes others of its cgroup leave VRAM at the limit.");
	igt_subtest("max-moves-own-out") {
		barium_cgroup_reset();
		test_own(barium_new_client());
	}

	igt_describe("At the limit of a parent, objects of all cgroups below it can leave VRAM.");
	igt_subtest("max-of-parent") {
		barium_cgroup_reset();
		test_parent(barium_new_client());
	}

	igt_describe("Objects leave VRAM when the limit is lowered.");
	igt_subtest("max-lowered-reclaims") {
		barium_cgroup_reset();
		test_lowered(barium_new_client());
	}

	igt_describe("Objects that dmem.low protects leave VRAM only if no others can.");
	igt_subtest("low-respected-first-pass") {
		barium_cgroup_reset();
		test_low(barium_new_client());
	}

	igt_describe("Objects that dmem.min protects do not leave VRAM for other cgroups.");
	igt_subtest("min-never-broken") {
		barium_cgroup_reset();
		test_min(barium_new_client());
	}

	igt_describe("dmem.min protects a cgroup from another one with the same parent.");
	igt_subtest("min-of-sibling") {
		barium_cgroup_reset();
		test_sibling(barium_new_client());
	}

	igt_describe("An object is charged to the cgroup that has created or shown it.");
	igt_subtest("other-cgroups-pay-nothing") {
		barium_cgroup_reset();
		test_others(barium_new_screen_client(&screen, 640, 480));
	}

	igt_describe("A client flips between more pictures than its limit allows in VRAM.");
	igt_subtest("shown-within-max") {
		barium_cgroup_reset();
		test_shown(barium_new_screen_client(&screen, 640, 480));
	}

	igt_describe("Showing a picture fails if the limit does not allow it in VRAM.");
	igt_subtest("shown-beyond-max") {
		barium_cgroup_reset();
		test_shown_beyond(barium_new_screen_client(&screen, 640, 480));
	}

	igt_describe("Objects that dmem.min protects do not leave VRAM for a picture.");
	igt_subtest("min-against-display") {
		barium_cgroup_reset();
		test_min_display(barium_new_screen_client(&screen, 640, 480));
	}

	igt_describe("Objects outlive the cgroup that they are charged to.");
	igt_subtest("cgroup-removed-with-objects") {
		barium_cgroup_reset();
		test_removed(barium_new_client());
	}

	igt_describe("The device can be unbound while limits are lowered.");
	igt_subtest("unplug-while-reclaiming") {
		barium_cgroup_reset();
		test_unplug(barium_new_bound_client());
	}

	igt_fixture()
		barium_cgroup_reset();
}
