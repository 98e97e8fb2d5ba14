// SPDX-License-Identifier: MIT
/*
 * The image that the examples draw: discs and the word BARIUM over a gradient and a grid.
 *
 * All other elements are blended over the gradient, so that no two lines of the image are equal.
 * Thus a page of the image can be located in a dump of VRAM.
 */
#include <math.h>

#include "picture.h"

struct color {
	double red;
	double green;
	double blue;
};

struct disc {
	/* Position from the center of the image and radius, in units of the image height. */
	double x;
	double y;
	double radius;
	struct color color;
};

#define DISCS 3

static const struct disc discs[DISCS] = {
	{ -0.36, -0.08, 0.28, { 0.96, 0.35, 0.45 } },
	{ 0.01, 0.14, 0.25, { 0.98, 0.72, 0.30 } },
	{ 0.37, -0.06, 0.29, { 0.30, 0.78, 0.90 } },
};

/* Glyphs of 5 x 7 dots. Bit 4 of each byte is the leftmost dot. */
#define LETTERS 6
#define LETTER_WIDTH 5
#define LETTER_HEIGHT 7
#define LETTER_PITCH (LETTER_WIDTH + 1)

static const unsigned char letters[LETTERS][LETTER_HEIGHT] = {
	{ 0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e },
	{ 0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11 },
	{ 0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11 },
	{ 0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x1f },
	{ 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e },
	{ 0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11 },
};

static struct color mix(struct color under, struct color over, double cover)
{
	return (struct color){
		under.red + (over.red - under.red) * cover,
		under.green + (over.green - under.green) * cover,
		under.blue + (over.blue - under.blue) * cover,
	};
}

static double clamp(double value)
{
	return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* The color depends on the distance to a point outside the image, which differs in each line. */
static struct color background(double x, double y)
{
	double far = hypot(x + 1.5, y + 1.0) / 3.2;

	return (struct color){
		0.05 + 0.22 * far,
		0.08 + 0.10 * far + 0.25 * far * far,
		0.20 + 0.45 * far,
	};
}

static int on_grid(unsigned int x, unsigned int y, unsigned int height)
{
	unsigned int cell = height / 12 ? height / 12 : 1;

	return x % cell == 0 || y % cell == 0;
}

/*
 * Returns true if a dot of the word covers (@x, @y), in units of the image height, relative to the
 * center of the image.
 */
static int in_word(double x, double y)
{
	const double dot = 0.026;
	int column = floor(x / dot + (LETTERS * LETTER_PITCH - 1) / 2.0);
	int row = floor(y / dot + LETTER_HEIGHT / 2.0);

	if (column < 0 || column >= LETTERS * LETTER_PITCH || row < 0 || row >= LETTER_HEIGHT)
		return 0;

	return letters[column / LETTER_PITCH][row] >>
	       (LETTER_WIDTH - 1 - column % LETTER_PITCH) & 1;
}

static struct color color_at(unsigned int px, unsigned int py, unsigned int width,
			     unsigned int height)
{
	static const struct color white = { 1, 1, 1 }, black = { 0, 0, 0 };
	double x = (px + 0.5 - width / 2.0) / height, y = (py + 0.5 - height / 2.0) / height;
	struct color color = background(x, y);
	unsigned int i;

	if (on_grid(px, py, height))
		color = mix(color, white, 0.12);

	for (i = 0; i < DISCS; i++) {
		double inside = discs[i].radius - hypot(x - discs[i].x, y - discs[i].y);

		/* The edge is blended over one pixel to avoid aliasing. */
		color = mix(color, discs[i].color, 0.62 * clamp(inside * height + 0.5));
	}

	if (in_word(x, y))
		color = mix(color, white, 0.88);
	else if (in_word(x - 0.008, y - 0.010))
		color = mix(color, black, 0.55);

	return color;
}

static __u32 level(double value)
{
	return lround(255 * clamp(value));
}

void picture_draw(__u32 *pixels, unsigned int width, unsigned int height)
{
	unsigned int x, y;

	for (y = 0; y < height; y++) {
		for (x = 0; x < width; x++) {
			struct color color = color_at(x, y, width, height);

			*pixels++ = level(color.red) << 16 | level(color.green) << 8 |
				    level(color.blue);
		}
	}
}
