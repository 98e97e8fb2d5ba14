// SPDX-License-Identifier: MIT
/*
 * The picture that the examples draw: discs and the word BARIUM over a gradient and a grid.
 *
 * The gradient goes on under everything else, so no two stretches of the picture are the same. That
 * is how a page of it can be found in a dump of VRAM.
 */
#include <math.h>

#include "picture.h"

struct colour {
	double red;
	double green;
	double blue;
};

struct disc {
	/* In heights of the picture, from its middle. */
	double x;
	double y;
	double radius;
	struct colour colour;
};

#define DISCS 3

static const struct disc discs[DISCS] = {
	{ -0.36, -0.08, 0.28, { 0.96, 0.35, 0.45 } },
	{ 0.01, 0.14, 0.25, { 0.98, 0.72, 0.30 } },
	{ 0.37, -0.06, 0.29, { 0.30, 0.78, 0.90 } },
};

/* A letter is 5 x 7 dots; the highest of 5 bits is the leftmost dot. */
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

static struct colour mix(struct colour under, struct colour over, double cover)
{
	return (struct colour){
		under.red + (over.red - under.red) * cover,
		under.green + (over.green - under.green) * cover,
		under.blue + (over.blue - under.blue) * cover,
	};
}

static double clamp(double value)
{
	return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* The distance to a point outside the picture grows from each line to the next. */
static struct colour background(double x, double y)
{
	double far = hypot(x + 1.5, y + 1.0) / 3.2;

	return (struct colour){
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

/* Whether a dot of the word is at (@x, @y), in heights of the picture from its middle. */
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

static struct colour colour_at(unsigned int px, unsigned int py, unsigned int width,
			       unsigned int height)
{
	static const struct colour white = { 1, 1, 1 }, black = { 0, 0, 0 };
	double x = (px + 0.5 - width / 2.0) / height, y = (py + 0.5 - height / 2.0) / height;
	struct colour colour = background(x, y);
	unsigned int i;

	if (on_grid(px, py, height))
		colour = mix(colour, white, 0.12);

	for (i = 0; i < DISCS; i++) {
		double inside = discs[i].radius - hypot(x - discs[i].x, y - discs[i].y);

		/* The rim is one pixel wide, so that it looks smooth. */
		colour = mix(colour, discs[i].colour, 0.62 * clamp(inside * height + 0.5));
	}

	if (in_word(x, y))
		colour = mix(colour, white, 0.88);
	else if (in_word(x - 0.008, y - 0.010))
		colour = mix(colour, black, 0.55);

	return colour;
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
			struct colour colour = colour_at(x, y, width, height);

			*pixels++ = level(colour.red) << 16 | level(colour.green) << 8 |
				    level(colour.blue);
		}
	}
}
