/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests that read the driver's tracepoints from tracefs.
 */
#ifndef BARIUM_LIB_TRACE_H
#define BARIUM_LIB_TRACE_H

#include <stdio.h>
#include <sys/types.h>

#include "barium_lib.h"

/*
 * Creates a trace instance without events, which exists until the program ends. Skips if the kernel
 * has none.
 */
void barium_begin_trace(void);
/* Records "barium", all events of the driver, or one of them: "barium/barium_move_in". */
void barium_trace_event(const char *event);
/* Removes the recorded events. */
void barium_clear_trace(void);
/* Opens the recorded events for reading, a line for each. */
FILE *barium_open_trace(void);

/* Returns how many pages the thread @tid has copied into VRAM and out of it. */
__u64 barium_pages_moved_by(pid_t tid);

#endif
