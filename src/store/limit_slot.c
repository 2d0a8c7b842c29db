/*
 * store/limit_slot.c
 *		Slots of limits that are taken and given up without SPI: rows of noetl.slot, as
 *		transactions under way leave them.
 *
 * Whoever changes who has a slot, or who waits, does so under the lock of the limit and
 * its key, which ends long before the transaction does.  So whoever counts slots counts
 * what others have not committed yet: of each transaction under way the slots that it
 * gives up, or those that it takes, whichever are more.
 *
 *		a task is written ──> limit_take(): nobody waits, and there is room: it has them
 *		                └──> it is blocked, and waits (store/limit.c)
 */
#include "common/common.h"

#include "access/subtrans.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/table.h"

/* ---------------------------------------------------------------------------
 * Locks
 * ---------------------------------------------------------------------------
 */

/* Fills in the tag of a limit (key NULL: all of it). */
static void
lock_tag(LOCKTAG *tag, const char *name, const char *key)
{
	uint32		by_name = hash_bytes((const unsigned char *) name, strlen(name));
	uint32		by_key = key == NULL ? 0 :
		hash_bytes((const unsigned char *) key, strlen(key)) | 1;

	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, by_name, by_key, LOCK_CLASS_LIMIT);
}

/* Locks a limit (key NULL: all of it) (store/limit.h). */
void
limit_lock(const char *name, const char *key, LOCKMODE mode)
{
	LOCKTAG		tag;

	lock_tag(&tag, name, key);
	(void) LockAcquire(&tag, mode, false, false);
}

/* Gives the lock of a limit and a key back before the transaction ends. */
void
limit_unlock(const LimitKey *key)
{
	LOCKTAG		tag;

	lock_tag(&tag, key->name, key->key);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

/* ---------------------------------------------------------------------------
 * Counting
 * ---------------------------------------------------------------------------
 */

/* What a transaction under way has done to the slots of a limit and a key. */
typedef struct UnderWay
{
	TransactionId xid;			/* its topmost transaction */
	int			taken;
	int			given;
} UnderWay;

/* Returns the entry of a transaction, adding it if need be. */
static UnderWay *
under_way(List **list, TransactionId xid)
{
	UnderWay   *entry;
	ListCell   *lc;

	xid = SubTransGetTopmostTransaction(xid);
	foreach(lc, *list)
		if (TransactionIdEquals(((UnderWay *) lfirst(lc))->xid, xid))
			return (UnderWay *) lfirst(lc);
	entry = palloc0(sizeof(UnderWay));
	entry->xid = xid;
	*list = lappend(*list, entry);
	return entry;
}

/* Opens a scan of the rows of a limit and a key, held or waiting. */
static void
open_rows(StoreScan *scan, Store *store, StoreRelation index, const LimitKey *key,
		  Snapshot snapshot)
{
	StoreTable *table = store_table(store, REL_SLOT);
	ScanKeyData keys[2];

	store_scan_open(scan, store, table, index, snapshot, 2, ForwardScanDirection);
	for (int i = 0; i < 2; i++)
		store_key_text(&keys[i], i + 1, scan->index->rd_indcollation[i],
					   i == 0 ? key->name : key->key);
	index_rescan(scan->scan, keys, 2, NULL, 0);
}

/*
 * Returns how many slots are held, whatever becomes of the transactions under way; counts
 * no further than "most".  *by is set to one of these transactions, if there are any.
 */
int
limit_count_held(Store *store, const LimitKey *key, int most, TransactionId *by)
{
	SnapshotData dirty;
	StoreScan	scan;
	List	   *transactions = NIL;
	ListCell   *lc;
	int			held = 0;

	*by = InvalidTransactionId;
	InitDirtySnapshot(dirty);
	open_rows(&scan, store, REL_SLOT_HELD_IDX, key, &dirty);
	while (held < most && store_scan_next(&scan))
	{
		/* a row that one takes and another one gives up is held */
		if (TransactionIdIsValid(dirty.xmin))
			under_way(&transactions, dirty.xmin)->taken++;
		else if (TransactionIdIsValid(dirty.xmax))
			under_way(&transactions, dirty.xmax)->given++;
		else
			held++;
	}
	store_scan_close(&scan);
	foreach(lc, transactions)
	{
		const UnderWay *entry = (UnderWay *) lfirst(lc);

		held += Max(entry->taken, entry->given);
		*by = entry->xid;
	}
	list_free_deep(transactions);
	return held;
}

/* Looks at what waits first for a slot (store/limit.h). */
void
limit_look_at_waiting(Store *store, const LimitKey *key, LimitWaiting *waiting)
{
	SnapshotData dirty;
	StoreScan	scan;
	bool		isnull;

	memset(waiting, 0, sizeof(LimitWaiting));
	InitDirtySnapshot(dirty);
	open_rows(&scan, store, REL_SLOT_WAITING_IDX, key, &dirty);
	while (!waiting->any && store_scan_next(&scan))
	{
		TransactionId inserted;

		/* another one gives it a slot, or withdraws it */
		if (TransactionIdIsValid(dirty.xmax))
			continue;
		inserted = DatumGetTransactionId(slot_getsysattr(scan.slot,
														 MinTransactionIdAttributeNumber,
														 &isnull));
		waiting->any = true;
		waiting->own = TransactionIdIsCurrentTransactionId(inserted);
		waiting->by = dirty.xmin;
	}
	store_scan_close(&scan);
}

/* Waits for the end of a transaction, but not beyond a time. */
void
limit_await_end(TransactionId xid, TimestampTz until)
{
	while (TransactionIdIsInProgress(xid) && GetCurrentTimestamp() < until)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(200);
	}
}

/* ---------------------------------------------------------------------------
 * Taking and giving up
 * ---------------------------------------------------------------------------
 */

/* Reads what noetl.set_limit() says of a limit; false: nothing. */
static bool
read_rule(Store *store, const char *name, LimitTerms *terms)
{
	StoreTable *table = store_table(store, REL_LIMIT_RULE);
	StoreScan	scan;
	ScanKeyData key;
	bool		isnull;
	bool		found;

	if (RelationGetNumberOfBlocks(table->relation) == 0)
		return false;
	store_scan_open(&scan, store, table, REL_LIMIT_RULE_PKEY, SnapshotSelf, 1,
					ForwardScanDirection);
	store_key_text(&key, 1, scan.index->rd_indcollation[0], name);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	found = store_scan_next(&scan);
	if (found)
	{
		Datum		concurrency = slot_getattr(scan.slot, LIMIT_RULE_CONCURRENCY, &isnull);

		terms->concurrency = isnull ? -1 : DatumGetInt32(concurrency);
		terms->rate = slot_attisnull(scan.slot, LIMIT_RULE_RATE) ? 0 : 1;
	}
	store_scan_close(&scan);
	return found;
}

/* Inserts the row of a slot that a task has. */
static void
insert_held(Store *store, int64 queue_id, int ordinal, const LimitKey *key,
			int64 execution_id, Jsonb *limits)
{
	StoreTable *table = store_table(store, REL_SLOT);
	TupleTableSlot *slot = table->insert_slot;

	slot_begin(slot);
	slot_set(slot, SLOT_QUEUE_ID, Int64GetDatum(queue_id));
	slot_set(slot, SLOT_ORDINAL, Int32GetDatum(ordinal));
	slot_set_text(slot, SLOT_NAME, key->name);
	slot_set_text(slot, SLOT_KEY, key->key);
	slot_set(slot, SLOT_EXECUTION_ID, Int64GetDatum(execution_id));
	slot_set(slot, SLOT_TASK, BoolGetDatum(true));
	slot_set(slot, SLOT_HELD, BoolGetDatum(true));
	slot_set(slot, SLOT_SPEC, PointerGetDatum(limits));
	slot_set(slot, SLOT_SINCE, TimestampTzGetDatum(GetCurrentTimestamp()));
	store_write_insert(store, table);
}

/* Takes one slot for a task, if nobody waits and there is room; false: it has to wait. */
static bool
take_one(Store *store, int64 queue_id, int ordinal, int64 execution_id, Jsonb *limits)
{
	LimitWaiter asks;
	LimitWaiting waiting;
	LimitKey	key;
	TransactionId by;
	bool		room;

	limit_read_spec(limits, ordinal, &key, &asks);
	limit_lock(key.name, NULL, ShareLock);
	(void) read_rule(store, key.name, &asks.terms);
	if (asks.terms.rate > 0 || asks.terms.concurrency == 0)
		return false;
	limit_lock(key.name, key.key, ExclusiveLock);
	limit_look_at_waiting(store, &key, &waiting);
	room = !waiting.any &&
		(asks.terms.concurrency < 0 ||
		 limit_count_held(store, &key, asks.terms.concurrency, &by) < asks.terms.concurrency);
	if (room)
		insert_held(store, queue_id, ordinal, &key, execution_id, limits);
	limit_unlock(&key);
	return room;
}

/* Takes slots for a task that is going to be ready (store/limit.h). */
int
limit_take(Store *store, int64 queue_id, int64 execution_id, Jsonb *limits)
{
	int			n = JB_ROOT_COUNT(limits);
	int			taken = 0;

	while (taken < n && take_one(store, queue_id, taken, execution_id, limits))
		taken++;
	return taken;
}

/* Gives up the slots of a task (store/limit.h). */
void
limit_free(Store *store, int64 queue_id)
{
	StoreTable *table = store_table(store, REL_SLOT);
	Snapshot	snapshot;
	StoreScan	scan;
	ScanKeyData key;
	bool		waits = false;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	store_scan_open(&scan, store, table, REL_SLOT_PKEY, snapshot, 1, ForwardScanDirection);
	store_key_int64(&key, 1, queue_id);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (!waits && store_scan_next(&scan))
	{
		/* what waits may be given a slot by another transaction just now */
		waits = !DatumGetBool(slot_column(scan.slot, SLOT_HELD));
		if (waits)
			break;
		limit_touch(slot_text(scan.slot, SLOT_NAME), slot_text(scan.slot, SLOT_KEY), false);
		store_write_delete(store, table, scan.slot);
	}
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	if (waits)
		limit_withdraw(queue_id);
}
