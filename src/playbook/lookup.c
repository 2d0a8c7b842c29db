/*
 * playbook/lookup.c
 *		Steps of a compiled playbook by name.
 */
#include "common/common.h"

#include "playbook/playbook.h"

/* Returns the index of a step; -1: no step has that name. */
int
playbook_find_step(const Playbook *playbook, const char *name, int length)
{
	return name_table_find(&playbook->step_index, name, length);
}
