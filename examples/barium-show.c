// SPDX-License-Identifier: MIT
/*
 * Shows a picture on the screen: create two dumb buffers, draw, set a mode, flip between them.
 *
 * Nothing in here is about barium: it works with each driver that has dumb buffers. The second
 * buffer has the first one's picture in inverted colours. Each line of the input flips to the other
 * buffer; the end of the input ends the program.
 *
 * What it did is printed as lines of "key: value". With --reference both pictures are written to a
 * file as well, one after the other, for comparison with what is shown.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>
#include <xf86drmMode.h>

#include "picture.h"

#define BUFFERS		2
#define BITS_PER_PIXEL	32
#define DEPTH		24

struct options {
	const char *driver;
	const char *mode;
	const char *reference;
};

/* What shows pictures. */
struct screen {
	int fd;
	__u32 connector;
	__u32 crtc;
	drmModeModeInfo mode;
};

/* A picture in memory that can be shown. */
struct buffer {
	__u32 handle;
	__u32 fb;
	__u32 pitch;
	__u64 size;
};

/* Finds the mode by its name; the preferred one is the first. */
static int choose_mode(const drmModeConnector *connector, const char *name, drmModeModeInfo *mode)
{
	int i;

	for (i = 0; i < connector->count_modes; i++) {
		if (!name || !strcmp(connector->modes[i].name, name)) {
			*mode = connector->modes[i];
			return 1;
		}
	}
	return 0;
}

/* The first connector with something connected, and the first CRTC: there may be more elsewhere. */
static struct screen find_screen(int fd, const char *mode)
{
	struct screen screen = { .fd = fd };
	drmModeRes *resources = drmModeGetResources(fd);
	int i;

	if (!resources || !resources->count_crtcs)
		err(1, "mode setting resources");
	screen.crtc = resources->crtcs[0];

	for (i = 0; i < resources->count_connectors && !screen.connector; i++) {
		drmModeConnector *connector = drmModeGetConnector(fd, resources->connectors[i]);

		if (connector && connector->connection == DRM_MODE_CONNECTED &&
		    choose_mode(connector, mode, &screen.mode))
			screen.connector = connector->connector_id;
		drmModeFreeConnector(connector);
	}
	if (!screen.connector)
		errx(1, "no screen has the mode %s", mode ? mode : "that is wanted");

	drmModeFreeResources(resources);
	return screen;
}

/* Draws in ordinary memory, where reading back is cheap as well. */
static __u32 *draw(const drmModeModeInfo *mode, size_t pixels)
{
	__u32 *pictures = calloc(BUFFERS * pixels, sizeof(*pictures));
	size_t i;

	if (!pictures)
		err(1, "memory for pictures");
	picture_draw(pictures, mode->hdisplay, mode->vdisplay);
	for (i = 0; i < pixels; i++)
		pictures[pixels + i] = pictures[i] ^ 0xffffff;
	return pictures;
}

/* Makes a buffer and copies a picture to it, line by line: the buffer's lines may be longer. */
static struct buffer make_buffer(const struct screen *screen, const __u32 *picture)
{
	__u32 width = screen->mode.hdisplay, height = screen->mode.vdisplay, y;
	struct drm_mode_create_dumb create = {
		.width = width, .height = height, .bpp = BITS_PER_PIXEL,
	};
	struct drm_mode_map_dumb offset = {};
	struct buffer buffer = {};
	__u8 *map;

	if (drmIoctl(screen->fd, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		err(1, "a buffer of %u x %u pixels", width, height);
	buffer.handle = create.handle;
	buffer.pitch = create.pitch;
	buffer.size = create.size;
	offset.handle = create.handle;
	if (drmIoctl(screen->fd, DRM_IOCTL_MODE_MAP_DUMB, &offset))
		err(1, "the offset to map a buffer at");

	map = mmap(NULL, buffer.size, PROT_READ | PROT_WRITE, MAP_SHARED, screen->fd,
		   offset.offset);
	if (map == MAP_FAILED)
		err(1, "mmap");
	for (y = 0; y < height; y++)
		memcpy(map + (size_t)y * buffer.pitch, picture + (size_t)y * width,
		       width * sizeof(*picture));
	munmap(map, buffer.size);

	if (drmModeAddFB(screen->fd, width, height, DEPTH, BITS_PER_PIXEL, buffer.pitch,
			 buffer.handle, &buffer.fb))
		err(1, "a framebuffer of %u x %u pixels", width, height);
	return buffer;
}

static void flip_done(int fd, unsigned int sequence, unsigned int seconds,
		      unsigned int microseconds, void *data)
{
	(void)fd;
	*(int *)data = 0;
	printf("flipped: vblank %u at %u.%06u s\n", sequence, seconds, microseconds);
}

/* Flips, and returns when the screen shows the buffer. */
static void flip_to(const struct screen *screen, const struct buffer *buffer)
{
	drmEventContext context = {
		.version = 2,
		.page_flip_handler = flip_done,
	};
	int pending = 1;

	if (drmModePageFlip(screen->fd, screen->crtc, buffer->fb, DRM_MODE_PAGE_FLIP_EVENT,
			    &pending))
		err(1, "page flip");
	while (pending) {
		if (drmHandleEvent(screen->fd, &context))
			err(1, "event");
	}
}

static struct options parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "driver", required_argument, NULL, 'd' },
		{ "mode", required_argument, NULL, 'm' },
		{ "reference", required_argument, NULL, 'r' },
		{}
	};
	struct options options = { .driver = "barium" };
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'd':
			options.driver = optarg;
			break;
		case 'm':
			options.mode = optarg;
			break;
		case 'r':
			options.reference = optarg;
			break;
		default:
			errx(2, "options: --driver NAME --mode WIDTHxHEIGHT --reference FILE");
		}
	}
	return options;
}

static void write_reference(const char *path, const __u32 *pictures, size_t pixels)
{
	FILE *file = fopen(path, "w");

	if (!file || fwrite(pictures, pixels * sizeof(*pictures), BUFFERS, file) != BUFFERS ||
	    fclose(file))
		err(1, "%s", path);
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	struct buffer buffers[BUFFERS];
	unsigned int shown = 0, i;
	struct screen screen;
	size_t pixels;
	__u32 *pictures;
	int fd, key;

	fd = drmOpen(options.driver, NULL);
	if (fd < 0)
		errx(1, "no device that %s drives", options.driver);
	screen = find_screen(fd, options.mode);
	pixels = (size_t)screen.mode.hdisplay * screen.mode.vdisplay;
	pictures = draw(&screen.mode, pixels);
	if (options.reference)
		write_reference(options.reference, pictures, pixels);
	for (i = 0; i < BUFFERS; i++)
		buffers[i] = make_buffer(&screen, pictures + i * pixels);
	free(pictures);

	if (drmModeSetCrtc(fd, screen.crtc, buffers[0].fb, 0, 0, &screen.connector, 1,
			   &screen.mode))
		err(1, "mode %s", screen.mode.name);
	printf("mode: %s, %u Hz\nbuffers: %d of %llu bytes\nready\n", screen.mode.name,
	       screen.mode.vrefresh, BUFFERS, buffers[0].size);
	fflush(stdout);

	while ((key = getchar()) != EOF) {
		if (key != '\n')
			continue;
		shown = (shown + 1) % BUFFERS;
		flip_to(&screen, &buffers[shown]);
		fflush(stdout);
	}

	/* All of that would go with the process; a program that goes on does this. */
	for (i = 0; i < BUFFERS; i++) {
		drmModeRmFB(fd, buffers[i].fb);
		drmCloseBufferHandle(fd, buffers[i].handle);
	}
	drmClose(fd);
	return 0;
}
