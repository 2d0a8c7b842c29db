/*
 * store/recent_leases.c
 *		Which ready tasks have just been taken.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#include "store/recent_leases.h"
#include "store/storage.h"

/* One task; a later one may take its place. */
typedef struct TakenTask
{
	int64		queue_id;		/* 0: the place is free */
	Oid			database;
	Oid			storage;		/* of the queue */
	bool		gone;			/* and not only held */
} TakenTask;

/* Neighbours are guarded together. */
#define GROUPS				32
#define GROUP_TASKS			32

typedef struct TakenGroup
{
	slock_t		mutex;
	TakenTask	tasks[GROUP_TASKS];
} TakenGroup;

static TakenGroup *groups = NULL;

/* What this transaction has taken, as it is found in the table. */
static struct
{
	TakenTask  *tasks;
	int			n;
	int			capacity;
}			mine;

/* Prepares the table. */
static void
initialize(void *area)
{
	for (int i = 0; i < GROUPS; i++)
		SpinLockInit(&((TakenGroup *) area)[i].mutex);
}

/* Where a task is kept. */
static TakenTask *
find_place(int64 queue_id, TakenGroup **group)
{
	*group = &groups[queue_id / GROUP_TASKS % GROUPS];
	return &(*group)->tasks[queue_id % GROUP_TASKS];
}

/* Is it this task? */
static bool
is_same(const TakenTask *a, const TakenTask *b)
{
	return a->queue_id == b->queue_id && a->storage == b->storage &&
		a->database == b->database;
}

/* Our own transaction has ended: what it has taken is gone, or it is not. */
static void
decide(bool gone)
{
	for (int i = 0; i < mine.n; i++)
	{
		TakenGroup *group;
		TakenTask  *place = find_place(mine.tasks[i].queue_id, &group);

		SpinLockAcquire(&group->mutex);
		if (is_same(place, &mine.tasks[i]))
		{
			place->gone = gone;
			if (!gone)
				place->queue_id = 0;
		}
		SpinLockRelease(&group->mutex);
	}
	mine.n = 0;
}

/* At the end of a transaction, when others see what it did. */
static void
transaction_ended(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		decide(true);
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		decide(false);
}

/* A part of it is taken back: which tasks that was about is not known. */
static void
part_ended(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		decide(false);
}

/* Once per backend.  False: there is no table. */
static bool
attach(void)
{
	static bool tried = false;

	if (!tried)
	{
		tried = true;
		groups = shared_area_attach("noetl taken tasks", sizeof(TakenGroup) * GROUPS, initialize);
		if (groups != NULL)
		{
			mine.capacity = GROUPS * GROUP_TASKS;
			mine.tasks = MemoryContextAlloc(TopMemoryContext, mine.capacity * sizeof(TakenTask));
			RegisterXactCallback(transaction_ended, NULL);
			RegisterSubXactCallback(part_ended, NULL);
		}
	}
	return groups != NULL;
}

/* See taken.h. */
void
taken_note(Relation queue, int64 queue_id)
{
	TakenTask	task;
	TakenTask  *place;
	TakenGroup *group;

	if (queue_id <= 0 || !attach() || mine.n == mine.capacity)
		return;
	task.queue_id = queue_id;
	task.database = MyDatabaseId;
	task.storage = relation_storage(queue);
	task.gone = false;
	mine.tasks[mine.n++] = task;
	place = find_place(queue_id, &group);
	SpinLockAcquire(&group->mutex);
	*place = task;
	SpinLockRelease(&group->mutex);
}

/* See taken.h. */
TakenState
taken_state(Relation queue, int64 queue_id)
{
	TakenState	state = TAKEN_UNKNOWN;
	TakenTask	task;
	TakenTask  *place;
	TakenGroup *group;

	if (queue_id <= 0 || !attach())
		return state;
	place = find_place(queue_id, &group);
	/* mostly it is not there, which can be seen without the lock */
	if (place->queue_id != queue_id)
		return state;
	task.queue_id = queue_id;
	task.database = MyDatabaseId;
	task.storage = relation_storage(queue);
	SpinLockAcquire(&group->mutex);
	if (is_same(place, &task))
		state = place->gone ? TAKEN_GONE : TAKEN_HELD;
	SpinLockRelease(&group->mutex);
	return state;
}
