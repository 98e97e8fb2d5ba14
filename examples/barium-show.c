// SPDX-License-Identifier: MIT
/*
 * Displays an image: creates two dumb buffers, draws into them, sets a mode and flips between them.
 *
 * The program uses no barium ioctl: it works with any KMS driver that supports dumb buffers. The
 * second buffer holds the image of the first one with inverted colors. Each line of standard input
 * flips to the other buffer; the program exits at end of file.
 *
 * The program reports each step as a line "key: value". With --reference, it also writes both
 * images to a file, one after the other, for comparison with the contents of the display.
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

/* The output pipeline: the connector, the CRTC that drives it, and the mode to set. */
struct pipe {
	int fd;
	__u32 connector;
	__u32 crtc;
	drmModeModeInfo mode;
};

/* A dumb buffer and its framebuffer. */
struct buffer {
	__u32 handle;
	__u32 fb;
	__u32 pitch;
	__u64 size;
};

/*
 * Copies the mode called @name to @mode, or the first mode, which is the preferred one, if @name is
 * NULL. Returns 0 if the connector has no such mode.
 */
static int find_mode(const drmModeConnector *connector, const char *name, drmModeModeInfo *mode)
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

/* Chooses the first CRTC and the first connected connector that has the mode. */
static struct pipe find_pipe(int fd, const char *mode)
{
	struct pipe pipe = { .fd = fd };
	drmModeRes *resources = drmModeGetResources(fd);
	int i;

	if (!resources || !resources->count_crtcs)
		err(1, "KMS resources");
	pipe.crtc = resources->crtcs[0];

	for (i = 0; i < resources->count_connectors && !pipe.connector; i++) {
		drmModeConnector *connector = drmModeGetConnector(fd, resources->connectors[i]);

		if (connector && connector->connection == DRM_MODE_CONNECTED &&
		    find_mode(connector, mode, &pipe.mode))
			pipe.connector = connector->connector_id;
		drmModeFreeConnector(connector);
	}
	if (!pipe.connector)
		errx(1, "no connected connector has mode %s", mode ? mode : "(any)");

	drmModeFreeResources(resources);
	return pipe;
}

/* Draws both images in system memory, since reading write-combined memory is slow. */
static __u32 *draw(const drmModeModeInfo *mode, size_t pixels)
{
	__u32 *images = calloc(BUFFERS * pixels, sizeof(*images));
	size_t i;

	if (!images)
		err(1, "memory for images");
	picture_draw(images, mode->hdisplay, mode->vdisplay);
	for (i = 0; i < pixels; i++)
		images[pixels + i] = images[i] ^ 0xffffff;
	return images;
}

/* Creates a dumb buffer and copies an image into it line by line, since the pitches may differ. */
static struct buffer create_buffer(const struct pipe *pipe, const __u32 *image)
{
	__u32 width = pipe->mode.hdisplay, height = pipe->mode.vdisplay, y;
	struct drm_mode_create_dumb create = {
		.width = width, .height = height, .bpp = BITS_PER_PIXEL,
	};
	struct drm_mode_map_dumb offset = {};
	struct buffer buffer = {};
	__u8 *map;

	if (drmIoctl(pipe->fd, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		err(1, "CREATE_DUMB of %u x %u pixels", width, height);
	buffer.handle = create.handle;
	buffer.pitch = create.pitch;
	buffer.size = create.size;
	offset.handle = create.handle;
	if (drmIoctl(pipe->fd, DRM_IOCTL_MODE_MAP_DUMB, &offset))
		err(1, "MAP_DUMB");

	map = mmap(NULL, buffer.size, PROT_READ | PROT_WRITE, MAP_SHARED, pipe->fd,
		   offset.offset);
	if (map == MAP_FAILED)
		err(1, "mmap");
	for (y = 0; y < height; y++)
		memcpy(map + (size_t)y * buffer.pitch, image + (size_t)y * width,
		       width * sizeof(*image));
	munmap(map, buffer.size);

	if (drmModeAddFB(pipe->fd, width, height, DEPTH, BITS_PER_PIXEL, buffer.pitch,
			 buffer.handle, &buffer.fb))
		err(1, "ADDFB of %u x %u pixels", width, height);
	return buffer;
}

static void flip_done(int fd, unsigned int sequence, unsigned int seconds,
		      unsigned int microseconds, void *data)
{
	(void)fd;
	*(int *)data = 0;
	printf("flipped: vblank %u at %u.%06u s\n", sequence, seconds, microseconds);
}

/* Flips to @buffer and waits for the completion event. */
static void flip_to(const struct pipe *pipe, const struct buffer *buffer)
{
	drmEventContext context = {
		.version = 2,
		.page_flip_handler = flip_done,
	};
	int pending = 1;

	if (drmModePageFlip(pipe->fd, pipe->crtc, buffer->fb, DRM_MODE_PAGE_FLIP_EVENT,
			    &pending))
		err(1, "page flip");
	while (pending) {
		if (drmHandleEvent(pipe->fd, &context))
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

static void write_reference(const char *path, const __u32 *images, size_t pixels)
{
	FILE *file = fopen(path, "w");

	if (!file || fwrite(images, pixels * sizeof(*images), BUFFERS, file) != BUFFERS ||
	    fclose(file))
		err(1, "%s", path);
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	struct buffer buffers[BUFFERS];
	unsigned int front = 0, i;
	struct pipe pipe;
	size_t pixels;
	__u32 *images;
	int fd, key;

	fd = drmOpen(options.driver, NULL);
	if (fd < 0)
		errx(1, "no device is bound to %s", options.driver);
	pipe = find_pipe(fd, options.mode);
	pixels = (size_t)pipe.mode.hdisplay * pipe.mode.vdisplay;
	images = draw(&pipe.mode, pixels);
	if (options.reference)
		write_reference(options.reference, images, pixels);
	for (i = 0; i < BUFFERS; i++)
		buffers[i] = create_buffer(&pipe, images + i * pixels);
	free(images);

	if (drmModeSetCrtc(fd, pipe.crtc, buffers[0].fb, 0, 0, &pipe.connector, 1, &pipe.mode))
		err(1, "mode %s", pipe.mode.name);
	printf("mode: %s, %u Hz\nbuffers: %d of %llu bytes\nready\n", pipe.mode.name,
	       pipe.mode.vrefresh, BUFFERS, buffers[0].size);
	fflush(stdout);

	while ((key = getchar()) != EOF) {
		if (key != '\n')
			continue;
		front = (front + 1) % BUFFERS;
		flip_to(&pipe, &buffers[front]);
		fflush(stdout);
	}

	/* Exiting releases all of this as well. A longer-lived program does this. */
	for (i = 0; i < BUFFERS; i++) {
		drmModeRmFB(fd, buffers[i].fb);
		drmCloseBufferHandle(fd, buffers[i].handle);
	}
	drmClose(fd);
	return 0;
}
