/*
 * store/recent_leases.c
 *		Which ready tasks have just been leased.
 *
 * The table in shared memory is a hash table without chains: a task has one
 * place, and a later task takes the place over.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#include "store/recent_leases.h"
#include "store/storage.h"

/* A task that was leased. */
typedef struct RecentLease
{
	int64		queue_id;		/* 0: the place is free */
	Oid			database;
	Oid			storage;		/* of the queue */
	bool		gone;			/* the lease has committed */
} RecentLease;

/* Places of consecutive ids share a spinlock. */
#define GROUPS				32
#define GROUP_TASKS			32

typedef struct LeaseGroup
{
	slock_t		mutex;			/* held while one place is compared or assigned */
	RecentLease tasks[GROUP_TASKS];
} LeaseGroup;

static LeaseGroup *groups = NULL;

/* The leases of this transaction. */
static struct
{
	RecentLease *tasks;
	int			n;
	int			capacity;
}			mine;

/* Initializes a new table. */
static void
initialize_groups(void *area)
{
	for (int i = 0; i < GROUPS; i++)
		SpinLockInit(&((LeaseGroup *) area)[i].mutex);
}

/* Returns the place of a task, and sets the group that it belongs to. */
static RecentLease *
find_place(int64 queue_id, LeaseGroup **group)
{
	*group = &groups[queue_id / GROUP_TASKS % GROUPS];
	return &(*group)->tasks[queue_id % GROUP_TASKS];
}

/* Returns whether two notes are about the same task. */
static bool
is_same(const RecentLease *a, const RecentLease *b)
{
	return a->queue_id == b->queue_id && a->storage == b->storage &&
		a->database == b->database;
}

/*
 * Updates the notes of this transaction's leases: the rows are gone, or (gone
 * false) the notes are removed, as the rows may be ready again.
 */
static void
decide(bool gone)
{
	for (int i = 0; i < mine.n; i++)
	{
		LeaseGroup *group;
		RecentLease *place = find_place(mine.tasks[i].queue_id, &group);

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

/* Transaction callback, after the changes have become visible to others. */
static void
transaction_ended(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		decide(true);
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		decide(false);
}

/*
 * Subtransaction callback: removes all notes of the transaction, since it is not
 * known which leases are rolled back.
 */
static void
subtransaction_ended(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		decide(false);
}

/* Finds or makes the table, once per backend; false when no room is left. */
static bool
attach(void)
{
	static bool tried = false;

	if (!tried)
	{
		tried = true;
		groups = shared_area_attach("noetl recent leases", sizeof(LeaseGroup) * GROUPS,
									initialize_groups);
		if (groups != NULL)
		{
			mine.capacity = GROUPS * GROUP_TASKS;
			mine.tasks = MemoryContextAlloc(TopMemoryContext, mine.capacity * sizeof(RecentLease));
			RegisterXactCallback(transaction_ended, NULL);
			RegisterSubXactCallback(subtransaction_ended, NULL);
		}
	}
	return groups != NULL;
}

/* Notes a lease (store/recent_leases.h). */
void
recent_lease_note(Relation queue, int64 queue_id)
{
	RecentLease task;
	RecentLease *place;
	LeaseGroup *group;

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

/* Returns what is known of a task (store/recent_leases.h). */
RecentLeaseState
recent_lease_state(Relation queue, int64 queue_id)
{
	RecentLeaseState state = RECENT_LEASE_UNKNOWN;
	RecentLease task;
	RecentLease *place;
	LeaseGroup *group;

	if (queue_id <= 0 || !attach())
		return state;
	place = find_place(queue_id, &group);
	/* mostly the task is not noted, which can be seen without the spinlock */
	if (place->queue_id != queue_id)
		return state;
	task.queue_id = queue_id;
	task.database = MyDatabaseId;
	task.storage = relation_storage(queue);
	SpinLockAcquire(&group->mutex);
	if (is_same(place, &task))
		state = place->gone ? RECENT_LEASE_GONE : RECENT_LEASE_HELD;
	SpinLockRelease(&group->mutex);
	return state;
}
