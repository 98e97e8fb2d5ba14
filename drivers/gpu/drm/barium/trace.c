// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints of trace.h, and functions that call them: bindgen generates no bindings for
 * tracepoints. upstream/trace.rs declares the functions.
 */
#define CREATE_TRACE_POINTS
#include "trace.h"

void barium_trace_object_create(struct drm_gem_object *obj, u32 place)
{
	trace_barium_object_create(obj, place);
}

void barium_trace_object_free(struct drm_gem_object *obj, u32 place)
{
	trace_barium_object_free(obj, place);
}

/* @number is the field moved or page of the event. */
#define BARIUM_TIMED_EVENT(name)							\
bool barium_trace_##name##_enabled(void)						\
{											\
	return trace_barium_##name##_enabled();						\
}											\
											\
void barium_trace_##name(struct drm_gem_object *obj, u32 place, u64 number, u64 ns)	\
{											\
	trace_barium_##name(obj, place, number, ns);					\
}

BARIUM_TIMED_EVENT(move_out)
BARIUM_TIMED_EVENT(move_in)
BARIUM_TIMED_EVENT(purge)
BARIUM_TIMED_EVENT(swap_out)
BARIUM_TIMED_EVENT(slow_fault)
