/*
 * engine/family.c
 *		The bounds of a family: all executions that have one topmost ancestor.
 *
 * Of the children that are started a sample is counted.  A session that finds a
 * family full refuses all of the family's starts for a while, not only those of
 * the sample.
 */
#include "common/common.h"

#include "common/hashfn.h"
#include "utils/timestamp.h"

#include "engine/internal.h"

/* Children of the sample when a family reaches the lower of its bounds */
#define SAMPLE_SIZE		256
/* How long a session refuses the starts of a family that it has found full */
#define REFUSE_US		INT64CONST(10000000)
/* Of so many children of the sample one cleans up */
#define CLEAN_EACH		64

/* The family that this session has found full, until when, and why. */
static struct
{
	int64		root;
	TimestampTz until;
	const char *setting;
	int			bound;
}			full;

/* Returns the topmost ancestor of an execution. */
static int64
root_of(Store *store, int64 execution_id)
{
	Execution	execution;

	while (store_get_execution(store, execution_id, &execution) &&
		   execution.parent_execution_id != 0)
		execution_id = execution.parent_execution_id;
	return execution_id;
}

/* Returns the text of the error. */
static char *
refusal(void)
{
	return psprintf("%s does not allow a family of more than %d executions",
					full.setting, full.bound);
}

/* Notes that a family is full. */
static void
set_full(int64 root, const char *setting, int bound)
{
	full.root = root;
	full.until = GetCurrentTimestamp() + REFUSE_US;
	full.setting = setting;
	full.bound = bound;
}

/*
 * Returns why a child of an execution must not run, or NULL.  Counts the child if
 * it belongs to the sample.
 */
char *
family_refusal(Store *store, int64 parent_execution_id, int64 execution_id)
{
	uint32		weight = Max(Min(SETTING(max_family), SETTING(max_family_live)) / SAMPLE_SIZE, 1);
	uint32		hash = murmurhash32((uint32) execution_id ^ (uint32) (execution_id >> 32));
	int64		root;
	int64		started;
	int64		live;

	if (hash % weight != 0)
	{
		if (full.until == 0 || full.until < GetCurrentTimestamp() ||
			full.root != root_of(store, parent_execution_id))
			return NULL;
		return refusal();
	}
	root = root_of(store, parent_execution_id);
	if ((hash / weight) % CLEAN_EACH == 0)
		store_forget_families();
	store_note_family(root, execution_id, (int) weight, &started, &live);
	if (started > SETTING(max_family))
		set_full(root, "noetl.max_family", SETTING(max_family));
	else if (live + weight > SETTING(max_family_live))
		set_full(root, "noetl.max_family_live", SETTING(max_family_live));
	else
	{
		if (full.root == root)
			full.until = 0;
		return NULL;
	}
	return refusal();
}
