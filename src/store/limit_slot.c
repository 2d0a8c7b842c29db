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
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/limit_room.h"
#include "store/sql.h"
#include "store/table.h"

/* Rows of slots that are being taken are waited for so many times 100 microseconds. */
#define WRITING_TRIES	20

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

/* Does so unless that has to wait (store/limit.h). */
bool
limit_try_lock(const char *name, const char *key, LOCKMODE mode)
{
	LOCKTAG		tag;

	lock_tag(&tag, name, key);
	return LockAcquire(&tag, mode, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Has another transaction the lock of a limit, or of a key (not NULL) of it? */
static bool
is_locked(const char *name, const char *key)
{
	LOCKTAG		tag;

	if (!limit_try_lock(name, key, ShareLock))
		return true;
	lock_tag(&tag, name, key);
	(void) LockRelease(&tag, ShareLock, false);
	return false;
}

/* Would the task in a slot have to wait for a lock of its limits (store/limit.h)? */
bool
limit_is_locked(TupleTableSlot *slot)
{
	Jsonb	   *limits = slot_jsonb(slot, QUEUE_COL_LIMITS);
	LimitWaiter asks;
	LimitKey	key;

	for (int i = 0; limits != NULL && i < JB_ROOT_COUNT(limits); i++)
	{
		limit_read_spec(limits, i, &key, &asks);
		if (is_locked(key.name, NULL) || is_locked(key.name, key.key))
			return true;
	}
	return false;
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
 * Closes the place of a limit and a key; waits a moment for the rows of slots that are
 * being taken.
 */
static LimitRoomLook
close_place(const LimitKey *key)
{
	LimitTag	tag = limit_tag(key->name, key->key);
	LimitRoomLook look = limit_room_close(&tag);

	for (int i = 0; i < WRITING_TRIES && look.writing > 0; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(100);
		look = limit_room_close(&tag);
	}
	return look;
}

/*
 * Returns how many slots are held, by their rows (store/limit.h); the place is closed, and
 * so many are being written.
 */
static int
count_rows(Store *store, const LimitKey *key, int writing, int most, TransactionId *by)
{
	SnapshotData dirty;
	StoreScan	scan;
	List	   *transactions = NIL;
	ListCell   *lc;
	int			held = writing;

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

/* Counts the slots that are held (store/limit.h). */
int
limit_count_held(Store *store, LimitBook *state, int most)
{
	LimitRoomLook look = close_place(&state->key);

	state->writing = look.writing > 0;
	return count_rows(store, &state->key, look.writing, most, &state->by);
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

		if (TransactionIdIsValid(dirty.xmax))
		{
			waiting->leaving = true;
			continue;
		}
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

/* Reads what noetl.set_limit() says of a limit, if anything (store/limit_room.h). */
void
limit_read_rule(Store *store, const char *name, LimitTerms *terms)
{
	StoreTable *table = store_table(store, REL_LIMIT_RULE);
	StoreScan	scan;
	ScanKeyData key;
	bool		isnull;

	if (RelationGetNumberOfBlocks(table->relation) == 0)
		return;
	store_scan_open(&scan, store, table, REL_LIMIT_RULE_PKEY, SnapshotSelf, 1,
					ForwardScanDirection);
	store_key_text(&key, 1, scan.index->rd_indcollation[0], name);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	if (store_scan_next(&scan))
	{
		Datum		concurrency = slot_getattr(scan.slot, LIMIT_RULE_CONCURRENCY, &isnull);

		terms->concurrency = isnull ? -1 : DatumGetInt32(concurrency);
		terms->rate = 0;
		if (!slot_attisnull(scan.slot, LIMIT_RULE_RATE))
		{
			terms->rate = DatumGetInt32(slot_column(scan.slot, LIMIT_RULE_RATE));
			terms->per = DatumGetInt64(slot_column(scan.slot, LIMIT_RULE_PER));
			terms->burst = DatumGetInt32(slot_column(scan.slot, LIMIT_RULE_BURST));
		}
	}
	store_scan_close(&scan);
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

/* Is there a row of noetl.limit_pace for a limit and a key? */
static bool
is_paced(Store *store, const LimitKey *key)
{
	StoreTable *table = store_table(store, REL_LIMIT_PACE);
	StoreScan	scan;
	ScanKeyData keys[2];
	Snapshot	snapshot;
	bool		found;

	if (RelationGetNumberOfBlocks(table->relation) == 0)
		return false;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	store_scan_open(&scan, store, table, REL_LIMIT_PACE_PKEY, snapshot, 2,
					ForwardScanDirection);
	for (int i = 0; i < 2; i++)
		store_key_text(&keys[i], i + 1, scan.index->rd_indcollation[i],
					   i == 0 ? key->name : key->key);
	index_rescan(scan.scan, keys, 2, NULL, 0);
	found = store_scan_next(&scan);
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Takes what a rate asks for, under the lock; false: not now, or it is a slow rate. */
static bool
take_of_rate(Store *store, const LimitTag *tag, const LimitKey *key, const LimitTerms *terms,
			 TimestampTz now)
{
	int64		interval = terms->per / terms->rate;
	TimestampTz full_at;

	if (is_paced(store, key) || !limit_room_read_rate(tag, terms, &full_at) ||
		full_at - (terms->burst - 1) * interval > now)
		return false;
	INJECTION("limit-rate");
	return limit_room_write_rate(tag, terms, Max(full_at, now) + interval);
}

/*
 * Takes a slot under the lock of the limit and its key, by the rows; others need neither
 * from then on, if nothing waits.  False: the task has to wait.
 */
static bool
take_by_rows(Store *store, const LimitTag *tag, const LimitKey *key, const LimitTerms *terms,
			 int64 queue_id, int ordinal, int64 execution_id, Jsonb *limits)
{
	TimestampTz now = GetCurrentTimestamp();
	LimitRoomLook look = close_place(key);
	LimitWaiting waiting;
	TransactionId by;
	int			held = ROOM_UNCOUNTED;

	limit_look_at_waiting(store, key, &waiting);
	if (waiting.any)
		return false;
	if (terms->concurrency >= 0)
		held = count_rows(store, key, look.writing, terms->concurrency, &by);
	if ((terms->concurrency >= 0 && held >= terms->concurrency) ||
		(terms->rate > 0 && !take_of_rate(store, tag, key, terms, now)))
		return false;
	insert_held(store, queue_id, ordinal, key, execution_id, limits);
	limit_room_note(tag, false);
	if (!waiting.leaving && (terms->rate > 0 || !is_paced(store, key)))
		limit_room_open(tag, &look, held + 1, now);
	return true;
}

/* Takes one slot for a task, if nobody waits and there is room; false: it has to wait. */
static bool
take_one(Store *store, int64 queue_id, int ordinal, int64 execution_id, Jsonb *limits)
{
	LimitWaiter asks;
	LimitKey	key;
	LimitTag	tag;
	bool		room;

	limit_read_spec(limits, ordinal, &key, &asks);
	limit_lock(key.name, NULL, ShareLock);
	limit_read_rule(store, key.name, &asks.terms);
	if (asks.terms.concurrency == 0)
		return false;
	tag = limit_tag(key.name, key.key);
	if (limit_room_take(&tag, &asks.terms, GetCurrentTimestamp()))
	{
		INJECTION("limit-take");
		insert_held(store, queue_id, ordinal, &key, execution_id, limits);
		limit_room_written(&tag);
		return true;
	}
	if (asks.terms.rate > 0 && !limit_room_counts(&asks.terms))
		return false;
	limit_lock(key.name, key.key, ExclusiveLock);
	room = take_by_rows(store, &tag, &key, &asks.terms, queue_id, ordinal, execution_id,
						limits);
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

/* Notes that this transaction gives up a slot, whose row it is about to delete or has deleted. */
void
limit_given_up(const char *name, const char *key)
{
	LimitTag	tag = limit_tag(name, key);

	limit_room_note(&tag, true);
	limit_touch(name, key, false, false);
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
		limit_given_up(slot_text(scan.slot, SLOT_NAME), slot_text(scan.slot, SLOT_KEY));
		store_write_delete(store, table, scan.slot);
	}
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	if (waits)
		limit_withdraw(queue_id);
}

/* Has an execution itself all its slots? */
bool
limit_execution_has_slots(int64 execution_id, int nlimits)
{
	static SqlStatement select = {
		"SELECT FROM noetl.slot AS s WHERE s.execution_id OPERATOR(pg_catalog.=) $1"
		" AND NOT s.task AND s.held", 1, {INT8OID}, NULL
	};
	Datum		values[1] = {Int64GetDatum(execution_id)};

	return (int) sql_execute_kept(&select, values, true, NULL, NULL) >= nlimits;
}
