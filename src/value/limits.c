/*
 * value/limits.c
 *		Limits on what one evaluation consumes: memory, size of a value, items.
 */
#include "common/common.h"

#include "value/value.h"

/* Refuses to go on when the evaluation holds too much memory. */
void
value_check_memory(void)
{
	bounds_check_memory(0);
}

/* Refuses text longer than noetl.template_max_output. */
void
value_check_size(int64 bytes)
{
	if (bytes > SETTING(template_max_output))
		value_fail_limit("template value exceeds noetl.template_max_output (%d bytes)",
						 SETTING(template_max_output));
}

/* Refuses a number of items above noetl.template_max_iterations. */
void
value_check_items(int64 count)
{
	if (count > SETTING(template_max_iterations))
		value_fail_limit("template exceeds noetl.template_max_iterations (%d)",
						 SETTING(template_max_iterations));
}

/* Counts a step of an iterator against noetl.template_max_iterations. */
void
value_count_iteration(Budget *budget)
{
	bounds_work(50);
	value_check_items(++budget->iterations);
}
