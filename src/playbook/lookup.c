/*
 * playbook/lookup.c
 *		Steps of a compiled playbook by name.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/playbook.h"

/* Returns the index of a step; -1: no step has that name. */
int
playbook_find_step(const Playbook *playbook, const char *name, int length)
{
	return name_table_find(&playbook->step_index, name, length);
}

/*
 * Returns whether a name is that of a step, or of a step of a playbook that a step
 * calls: "step/step" (playbook/playbook.h).
 */
bool
playbook_names_step(const Playbook *playbook, const char *name)
{
	const char *slash;

	if (playbook_find_step(playbook, name, strlen(name)) >= 0)
		return true;
	for (slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/'))
		if (playbook_find_step(playbook, name, slash - name) >= 0)
			return true;
	return false;
}

/* Returns the name of the first step that another name looks like, or NULL. */
const char *
playbook_similar_step(const Playbook *playbook, const char *name)
{
	for (int i = 0; i < playbook->nsteps; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (playbook_looks_like(name, playbook->steps[i].name))
			return playbook->steps[i].name;
	}
	return NULL;
}
