/*
 * store/limit.c
 *		Slots of limits: noetl.slot, noetl.limit_pace and noetl.limit_rule.  What is not
 *		done for each task is done by SQL.
 *
 *		           ask                    grant
 *		blocked ────────> waits (limit 0) ────> has it, waits (limit 1) … ────> ready
 *
 * The holders of slots are counted in rows, so nothing that a crash, a rollback or a prepared
 * transaction leaves behind can make the count wrong (store/limit_slot.c).  Statements use
 * the newest snapshot whatever the isolation level, as they rely on the lock of the limit.
 */
#include "common/common.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/limit_room.h"
#include "store/queue_row.h"
#include "store/sql.h"

void		(*limit_settle_hook) (void) = NULL;

/* A slot whose task has ended, and which the next one may keep. */
typedef struct LeftSlot
{
	int64		execution_id;
	int64		slot_id;
	int			level;			/* of the transaction that has ended the task */
	char	   *name;
	char	   *key;
} LeftSlot;

/* What this transaction has done; lives in TopTransactionContext. */
static List *touched = NIL;		/* LimitKey * */
static List *own = NIL;			/* int64 *, queue_ids that it asked for */
static List *left = NIL;		/* LeftSlot *, of tasks that have ended in this statement */
static bool impatient = false;

/* ---------------------------------------------------------------------------
 * Statements
 * ---------------------------------------------------------------------------
 */

/* Executes a statement in the newest snapshot; returns the number of rows. */
static int
execute(SqlStatement *statement, Datum *values, SqlRow receive, void *arg)
{
	return (int) sql_execute_kept(statement, values, true, receive, arg);
}

/* ---------------------------------------------------------------------------
 * What the transaction has touched
 * ---------------------------------------------------------------------------
 */

/* Orders limits by name and key. */
static int
compare_keys(const LimitKey *a, const LimitKey *b)
{
	int			by_name = strcmp(a->name, b->name);

	return by_name != 0 ? by_name : strcmp(a->key, b->key);
}

/* Notes that a limit and a key are to be looked at (store/limit.h). */
void
limit_touch(const char *name, const char *key, bool due, bool passing)
{
	MemoryContext old;
	LimitKey   *entry;
	ListCell   *lc;
	LimitKey	given = {unconstify(char *, name), unconstify(char *, key), due, passing};

	foreach(lc, touched)
	{
		entry = (LimitKey *) lfirst(lc);
		if (compare_keys(entry, &given) != 0)
			continue;
		entry->due = entry->due || due;
		entry->passing = entry->passing && passing;
		return;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	entry = palloc(sizeof(LimitKey));
	entry->name = pstrdup(name);
	entry->key = pstrdup(key);
	entry->due = due;
	entry->passing = passing;
	touched = lappend(touched, entry);
	MemoryContextSwitchTo(old);
}

/* Has a task left a slot at this level of transactions? */
static bool
any_left(void)
{
	int			level = GetCurrentTransactionNestLevel();
	ListCell   *lc;

	foreach(lc, left)
		if (((LeftSlot *) lfirst(lc))->level == level)
			return true;
	return false;
}

/* Have any limits been touched (store/limit.h)? */
bool
limit_any_touched(void)
{
	return touched != NIL || any_left();
}

/* Takes the first that was touched (store/limit.h). */
bool
limit_next_touched(LimitKey *key)
{
	LimitKey   *first = NULL;
	ListCell   *lc;

	foreach(lc, touched)
		if (first == NULL || compare_keys((LimitKey *) lfirst(lc), first) < 0)
			first = (LimitKey *) lfirst(lc);
	if (first == NULL)
		return false;
	touched = list_delete_ptr(touched, first);
	*key = *first;
	return true;
}

/* Gives up the slots that tasks have left at this level of transactions. */
static void
free_left(Store *store)
{
	int			level = GetCurrentTransactionNestLevel();
	ListCell   *lc;

	foreach(lc, left)
	{
		int64		slot_id = ((LeftSlot *) lfirst(lc))->slot_id;

		if (((LeftSlot *) lfirst(lc))->level != level)
			continue;
		left = foreach_delete_current(left, lc);
		limit_free(store, slot_id);
	}
}

/*
 * Forgets those that nothing waits for (store/limit.h).  What another transaction withdraws
 * or gives a slot waits again if that rolls back.
 */
void
limit_forget_calm(Store *store)
{
	ListCell   *lc;

	free_left(store);
	foreach(lc, touched)
	{
		LimitKey   *key = (LimitKey *) lfirst(lc);
		LimitWaiting waiting;

		LimitTag	tag = limit_tag(key->name, key->key);

		if (key->due)
			continue;
		if (limit_room_is_open(&tag))
		{
			touched = foreach_delete_current(touched, lc);
			continue;
		}
		limit_lock(key->name, key->key, ExclusiveLock);
		limit_look_at_waiting(store, key, &waiting);
		limit_unlock(key);
		if (!waiting.any && !waiting.leaving)
			touched = foreach_delete_current(touched, lc);
	}
}

/* Forgets those that were touched (store/limit.h). */
void
limit_forget_touched(void)
{
	touched = NIL;
}

/* Forgets everything that was noted. */
void
limit_forget(void)
{
	touched = NIL;
	own = NIL;
	left = NIL;
	impatient = false;
}

/* Has what waits under this id begun to wait in this transaction? */
bool
limit_is_own(int64 queue_id)
{
	ListCell   *lc;

	foreach(lc, own)
		if (*(int64 *) lfirst(lc) == queue_id)
			return true;
	return false;
}

/* Has this transaction added anything that does not wait for a slot? */
bool
limit_any_impatient(void)
{
	return impatient;
}

/* Notes that an execution begins to wait in this transaction. */
static void
note_own(int64 queue_id)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	int64	   *id = palloc(sizeof(int64));

	*id = queue_id;
	own = lappend(own, id);
	MemoryContextSwitchTo(old);
}

/* SqlRow: notes that a slot was given up, or (column 3 false) a place among those that wait. */
static void
note_freed(void *arg, HeapTuple row, TupleDesc desc)
{
	const char *name = SPI_getvalue(row, desc, 1);
	const char *key = SPI_getvalue(row, desc, 2);

	if (DatumGetBool(sql_column(row, desc, 3)))
		limit_given_up(name, key);
	else
		limit_touch(name, key, false, false);
}

/* SqlRow: notes a slot that is held although nobody asked whether there is room. */
static void
note_held(void *arg, HeapTuple row, TupleDesc desc)
{
	const char *name = SPI_getvalue(row, desc, 1);
	const char *key = SPI_getvalue(row, desc, 2);
	LimitTag	tag = limit_tag(name, key);

	limit_room_begin_asking(&tag);
	limit_room_end_asking();
	limit_touch(name, key, false, false);
}

/* SqlRow: touches the limit and the key of a row; arg: NULL when its rule has changed. */
static void
touch_row(void *arg, HeapTuple row, TupleDesc desc)
{
	limit_touch(SPI_getvalue(row, desc, 1), SPI_getvalue(row, desc, 2), true, arg != NULL);
}

/* Ends a subtransaction (store/limit.h). */
void
limit_end_subtransaction(SubXactEvent event)
{
	int			level = GetCurrentTransactionNestLevel();
	ListCell   *lc;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	foreach(lc, left)
	{
		LeftSlot   *slot = (LeftSlot *) lfirst(lc);

		if (slot->level < level)
			continue;
		if (event == SUBXACT_EVENT_ABORT_SUB)
			left = foreach_delete_current(left, lc);
		else
			slot->level = level - 1;
	}
}

/* ---------------------------------------------------------------------------
 * Asking and giving up
 * ---------------------------------------------------------------------------
 */

/* Reads one limit of a list; returns how many the list has. */
static int
read_limit(const Jsonb *limits, int ordinal, JsonbValue *limit)
{
	JsonbValue *element;
	int			n = JB_ROOT_COUNT(limits);

	element = getIthJsonbValueFromContainer(unconstify(JsonbContainer *, &limits->root), ordinal);
	if (element == NULL)
		elog(ERROR, "a task has no limit number %d", ordinal);
	*limit = *element;
	return n;
}

/* Reads a limit of a list (store/limit.h). */
void
limit_read_spec(Jsonb *limits, int ordinal, LimitKey *key, LimitWaiter *asks)
{
	JsonbValue	limit;
	int64		number;

	asks->nlimits = read_limit(limits, ordinal, &limit);
	asks->terms.concurrency = json_get_int(&limit, "concurrency", &number) ? (int) number : -1;
	asks->terms.rate = json_get_int(&limit, "rate", &number) ? (int) number : 0;
	asks->terms.per = json_get_int(&limit, "per", &number) ? number : 0;
	asks->terms.burst = limit_burst(&asks->terms,
									json_get_int(&limit, "burst", &number) ? number : 1);
	asks->on_limit = json_get_text(&limit, "on_limit");
	key->name = json_get_text(&limit, "name");
	key->key = json_get_text(&limit, "key");
	key->due = key->passing = false;
}

/* Does a task of this status have its slots (store/limit.h)? */
bool
limit_is_held(const char *status)
{
	return strcmp(status, "queued") == 0 || strcmp(status, "leased") == 0 ||
		strcmp(status, "cancelled") == 0;
}

/* Returns the queue_id by which the slots of a task are stored. */
int64
limit_slot_id(TupleTableSlot *task)
{
	return DatumGetInt64(slot_column(task, slot_attisnull(task, QUEUE_COL_SLOT_OF) ?
									 QUEUE_COL_QUEUE_ID : QUEUE_COL_SLOT_OF));
}

/* Reads what a row says of its slots (store/limit.h). */
void
limit_read_holder(TupleTableSlot *task, Run *run)
{
	Jsonb	   *limits = slot_jsonb(task, QUEUE_COL_LIMITS);

	if (!slot_attisnull(task, QUEUE_COL_SLOT_OF))
		run->slot_of = DatumGetInt64(slot_column(task, QUEUE_COL_SLOT_OF));
	if (JB_ROOT_COUNT(limits) == 1 && limit_is_held(slot_text(task, QUEUE_COL_STATUS)))
		run->one_limit = limits;
}

/* A task that has ended leaves its slot (store/limit.h). */
void
limit_leave(int64 execution_id, int64 slot_id, Jsonb *limits)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	LeftSlot   *slot = palloc(sizeof(LeftSlot));
	JsonbValue	limit;

	(void) read_limit(limits, 0, &limit);
	slot->execution_id = execution_id;
	slot->slot_id = slot_id;
	slot->level = GetCurrentTransactionNestLevel();
	slot->name = json_get_text(&limit, "name");
	slot->key = json_get_text(&limit, "key");
	left = lappend(left, slot);
	MemoryContextSwitchTo(old);
}

/* Finds a slot that a task of an execution has left in this very transaction. */
static LeftSlot *
find_left(int64 execution_id, const LimitKey *key)
{
	int			level = GetCurrentTransactionNestLevel();
	ListCell   *lc;

	foreach(lc, left)
	{
		LeftSlot   *slot = (LeftSlot *) lfirst(lc);

		if (slot->execution_id == execution_id && slot->level == level &&
			strcmp(slot->name, key->name) == 0 && strcmp(slot->key, key->key) == 0)
			return slot;
	}
	return NULL;
}

/* Keeps the slot of the task before, if nobody waits (store/limit.h). */
bool
limit_keep(Store *store, int64 execution_id, Jsonb *limits, int64 *slot_of)
{
	LimitWaiter asks;
	LimitKey	key;
	LimitTag	tag;
	LeftSlot   *slot;

	if (left == NIL || JB_ROOT_COUNT(limits) != 1)
		return false;
	limit_read_spec(limits, 0, &key, &asks);
	/* who displaces others counts since when each has had its slot */
	if (asks.on_limit != NULL)
		return false;
	slot = find_left(execution_id, &key);
	if (slot == NULL)
		return false;
	limit_lock(key.name, NULL, ShareLock);
	limit_read_rule(store, key.name, &asks.terms);
	tag = limit_tag(key.name, key.key);
	if (!limit_room_keep(&tag, &asks.terms, GetCurrentTimestamp()))
	{
		/* then its row must not be counted any more */
		left = list_delete_ptr(left, slot);
		limit_free(store, slot->slot_id);
		return false;
	}
	left = list_delete_ptr(left, slot);
	*slot_of = slot->slot_id;
	return true;
}

/* Begins to wait for a limit (store/limit.h). */
void
limit_ask(int64 queue_id, int ordinal, int64 execution_id, bool task, Jsonb *limits)
{
	static SqlStatement insert = {
		"INSERT INTO noetl.slot (queue_id, ordinal, name, key, execution_id, task, spec)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)", 7,
		{INT8OID, INT4OID, TEXTOID, TEXTOID, INT8OID, BOOLOID, JSONBOID}, NULL
	};
	Datum		values[7];
	JsonbValue	limit;
	LimitTag	tag;
	char	   *name;
	char	   *key;

	(void) read_limit(limits, ordinal, &limit);
	name = json_get_text(&limit, "name");
	key = json_get_text(&limit, "key");
	if (json_get_text(&limit, "on_limit") != NULL)
		impatient = true;
	if (!task && ordinal == 0)
		note_own(queue_id);
	values[0] = Int64GetDatum(queue_id);
	values[1] = Int32GetDatum(ordinal);
	values[2] = CStringGetTextDatum(name);
	values[3] = CStringGetTextDatum(key);
	values[4] = Int64GetDatum(execution_id);
	values[5] = BoolGetDatum(task);
	values[6] = PointerGetDatum(limits);
	tag = limit_tag(name, key);
	limit_room_begin_asking(&tag);
	(void) execute(&insert, values, NULL, NULL);
	limit_room_end_asking();
	limit_touch(name, key, false, false);
}

/* Gives up the slots of a task that waits for one of them (store/limit.h). */
void
limit_withdraw(int64 queue_id)
{
	static SqlStatement delete = {
		"DELETE FROM noetl.slot WHERE queue_id OPERATOR(pg_catalog.=) $1"
		" RETURNING name, key, held", 1, {INT8OID}, NULL
	};
	Datum		values[1] = {Int64GetDatum(queue_id)};

	(void) execute(&delete, values, note_freed, NULL);
}

/* Gives up the slots of an execution itself (store/limit.h). */
void
limit_free_execution(int64 execution_id)
{
	static SqlStatement delete = {
		"DELETE FROM noetl.slot WHERE execution_id OPERATOR(pg_catalog.=) $1 AND NOT task"
		" RETURNING name, key, held", 1, {INT8OID}, NULL
	};
	Datum		values[1] = {Int64GetDatum(execution_id)};

	(void) execute(&delete, values, note_freed, NULL);
}

/* The slots of a task that becomes ready follow its new queue_id. */
static void
move_slots(int64 from, int64 to)
{
	static SqlStatement update = {
		"UPDATE noetl.slot SET queue_id = $2 WHERE queue_id OPERATOR(pg_catalog.=) $1", 2,
		{INT8OID, INT8OID}, NULL
	};
	Datum		values[2] = {Int64GetDatum(from), Int64GetDatum(to)};

	(void) execute(&update, values, NULL, NULL);
}

/* Gives a task all its slots, unasked: somebody works on it already. */
static void
hold_all(Store *store, TupleTableSlot *task)
{
	static SqlStatement insert = {
		"INSERT INTO noetl.slot (queue_id, ordinal, name, key, execution_id, task, held, spec)"
		" SELECT $1, (l.ordinality OPERATOR(pg_catalog.-) 1)::pg_catalog.int4,"
		"        l.value OPERATOR(pg_catalog.->>) 'name', l.value OPERATOR(pg_catalog.->>) 'key',"
		"        $2, true, true, $3"
		"   FROM pg_catalog.jsonb_array_elements($3) WITH ORDINALITY AS l"
		" RETURNING name, key", 3, {INT8OID, INT8OID, JSONBOID}, NULL
	};
	Datum		values[3] = {Int64GetDatum(limit_slot_id(task)),
		slot_column(task, QUEUE_COL_EXECUTION_ID),
	PointerGetDatum(slot_jsonb(task, QUEUE_COL_LIMITS))};

	limit_free(store, DatumGetInt64(values[0]));
	(void) execute(&insert, values, note_held, NULL);
}

/* Follows the row of a task that has limits (store/limit.h). */
void
limit_task_written(Store *store, TupleTableSlot *old, TupleTableSlot *new, int taken)
{
	int64		queue_id = DatumGetInt64(slot_column(new, QUEUE_COL_QUEUE_ID));
	int64		before = old == NULL ? queue_id : limit_slot_id(old);
	const char *status = slot_text(new, QUEUE_COL_STATUS);
	const char *was = old == NULL ? "" : slot_text(old, QUEUE_COL_STATUS);

	if (strcmp(status, "blocked") == 0)
	{
		if (before == queue_id && strcmp(was, "blocked") == 0)
			return;
		if (old != NULL)
			limit_free(store, before);
		limit_ask(queue_id, old == NULL ? taken : 0,
				  DatumGetInt64(slot_column(new, QUEUE_COL_EXECUTION_ID)), true,
				  slot_jsonb(new, QUEUE_COL_LIMITS));
	}
	else if (strcmp(status, "queued") == 0 && strcmp(was, "blocked") == 0)
		move_slots(before, queue_id);
	else if (strcmp(status, "leased") == 0 &&
			 (strcmp(was, "blocked") == 0 || strcmp(was, "paused") == 0))
		hold_all(store, new);
	else if (strcmp(status, "retry") == 0 || strcmp(status, "paused") == 0)
		limit_free(store, before);
}

/* ---------------------------------------------------------------------------
 * Handing out, under the lock of the limit and its key
 * ---------------------------------------------------------------------------
 */

/* SqlRow: reads the rule and the pace of a limit. */
static void
read_state(void *arg, HeapTuple row, TupleDesc desc)
{
	LimitBook *state = (LimitBook *) arg;
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, 2, &isnull);

	state->has_rule = DatumGetBool(sql_column(row, desc, 1));
	state->rule.concurrency = isnull ? -1 : DatumGetInt32(value);
	state->rule.rate = DatumGetInt32(sql_column(row, desc, 3));
	state->rule.per = DatumGetInt64(sql_column(row, desc, 4));
	state->rule.burst = limit_burst(&state->rule, DatumGetInt32(sql_column(row, desc, 5)));
	state->paced = DatumGetBool(sql_column(row, desc, 6));
	state->full_at = DatumGetTimestampTz(sql_column(row, desc, 7));
	state->changed = DatumGetTimestampTz(sql_column(row, desc, 8));
}

/* Reads what is known of a limit and a key (store/limit.h). */
void
limit_read_state(const LimitKey *key, LimitBook *state)
{
	static SqlStatement select = {
		"SELECT r.name IS NOT NULL, r.concurrency, r.rate, r.per, r.burst,"
		"       p.name IS NOT NULL, p.full_at, p.changed_at"
		"  FROM (VALUES ($1, $2)) AS k(name, key)"
		"  LEFT JOIN noetl.limit_rule AS r ON r.name OPERATOR(pg_catalog.=) k.name"
		"  LEFT JOIN noetl.limit_pace AS p ON p.name OPERATOR(pg_catalog.=) k.name"
		"   AND p.key OPERATOR(pg_catalog.=) k.key", 2, {TEXTOID, TEXTOID}, NULL
	};
	Datum		values[2] = {CStringGetTextDatum(key->name), CStringGetTextDatum(key->key)};

	memset(state, 0, sizeof(LimitBook));
	state->key = *key;
	state->held = -1;
	(void) execute(&select, values, read_state, state);
}

/* SqlRow: reads what waits for a slot or has one. */
static void
read_waiter(void *arg, HeapTuple row, TupleDesc desc)
{
	LimitWaiter *waiter = (LimitWaiter *) arg;
	LimitKey	key;

	waiter->queue_id = DatumGetInt64(sql_column(row, desc, 1));
	waiter->ordinal = DatumGetInt32(sql_column(row, desc, 2));
	waiter->execution_id = DatumGetInt64(sql_column(row, desc, 3));
	waiter->task = DatumGetBool(sql_column(row, desc, 4));
	waiter->spec = DatumGetJsonbPCopy(sql_column(row, desc, 5));
	limit_read_spec(waiter->spec, waiter->ordinal, &key, waiter);
}

/* Finds what waits longest (store/limit.h). */
bool
limit_next_waiter(const LimitKey *key, int64 after, bool only_impatient, LimitWaiter *waiter)
{
#define NEXT_WAITER(condition) \
		"SELECT s.queue_id, s.ordinal, s.execution_id, s.task, s.spec FROM noetl.slot AS s" \
		" WHERE s.name OPERATOR(pg_catalog.=) $1 AND s.key OPERATOR(pg_catalog.=) $2" \
		"   AND NOT s.held AND s.queue_id OPERATOR(pg_catalog.>) $3 " condition \
		" ORDER BY s.queue_id LIMIT 1", 3, {TEXTOID, TEXTOID, INT8OID}, NULL
	static SqlStatement first = {NEXT_WAITER("")};
	static SqlStatement first_impatient = {
		NEXT_WAITER("AND s.spec OPERATOR(pg_catalog.->) s.ordinal OPERATOR(pg_catalog.?) 'on_limit'")
	};
	Datum		values[3] = {CStringGetTextDatum(key->name), CStringGetTextDatum(key->key),
	Int64GetDatum(after)};

	return execute(only_impatient ? &first_impatient : &first, values, read_waiter, waiter) > 0;
}

/* Locks the row of what waits (store/limit.h). */
bool
limit_lock_waiter(const LimitWaiter *waiter)
{
	static SqlStatement select = {
		"SELECT FROM noetl.slot AS s WHERE s.queue_id OPERATOR(pg_catalog.=) $1"
		"   AND s.ordinal OPERATOR(pg_catalog.=) $2 AND NOT s.held FOR UPDATE SKIP LOCKED", 2,
		{INT8OID, INT4OID}, NULL
	};
	Datum		values[2] = {Int64GetDatum(waiter->queue_id), Int32GetDatum(waiter->ordinal)};

	return execute(&select, values, NULL, NULL) > 0;
}

/* SqlRow: reads a limit and its key. */
static void
read_key(void *arg, HeapTuple row, TupleDesc desc)
{
	LimitKey   *key = (LimitKey *) arg;

	key->name = SPI_getvalue(row, desc, 6);
	key->key = SPI_getvalue(row, desc, 7);
}

/* Reads one place among those that wait (store/limit.h). */
void
limit_read_waiter(int64 queue_id, int ordinal, LimitKey *key, LimitWaiter *waiter)
{
	static SqlStatement select = {
		"SELECT s.queue_id, s.ordinal, s.execution_id, s.task, s.spec, s.name, s.key"
		"  FROM noetl.slot AS s WHERE s.queue_id OPERATOR(pg_catalog.=) $1"
		"   AND s.ordinal OPERATOR(pg_catalog.=) $2", 2, {INT8OID, INT4OID}, NULL
	};
	Datum		values[2] = {Int64GetDatum(queue_id), Int32GetDatum(ordinal)};

	(void) execute(&select, values, read_waiter, waiter);
	(void) execute(&select, values, read_key, key);
}

/* Returns what a limit says: the rule, or else what the playbook says. */
static const LimitTerms *
terms_of(const LimitBook *state, const LimitWaiter *waiter)
{
	return state->has_rule ? &state->rule : &waiter->terms;
}

/* Does a limit let nothing begin (store/limit.h)? */
bool
limit_is_shut(const LimitBook *state, const LimitWaiter *waiter)
{
	return terms_of(state, waiter)->concurrency == 0;
}

/* Is a rate counted in noetl.limit_pace (store/limit.h)? */
bool
limit_is_paced(const LimitBook *state, const LimitWaiter *waiter)
{
	const LimitTerms *terms = terms_of(state, waiter);
	LimitTag	tag = limit_tag(state->key.name, state->key.key);
	TimestampTz full_at;

	return terms->rate > 0 && !limit_room_read_rate(&tag, terms, &full_at);
}

/*
 * Returns when a whole burst of what waits may begin again: what shared memory and the row
 * of noetl.limit_pace say, whichever is later.  Of the row of another rate no more than a
 * burst counts.
 */
static TimestampTz
rate_full_at(LimitBook *state, const LimitTerms *terms)
{
	LimitTag	tag = limit_tag(state->key.name, state->key.key);
	TimestampTz full_at;

	if (state->changed != 0)
		state->full_at = Min(state->full_at, state->changed +
							 terms->burst * (terms->per / terms->rate));
	state->changed = 0;
	(void) limit_room_read_rate(&tag, terms, &full_at);
	return Max(full_at, state->full_at);
}

/*
 * Has a limit room for what waits (store/limit.h)?  The rate is that of a token bucket:
 * full_at moves on by one interval for each that begins, and may lie a burst ahead.
 */
bool
limit_has_room(Store *store, LimitBook *state, const LimitWaiter *waiter,
			   TimestampTz now, TimestampTz *due)
{
	const LimitTerms *terms = terms_of(state, waiter);

	*due = 0;
	if (terms->concurrency == 0)
		return false;
	if (terms->concurrency > 0)
	{
		int			held = state->held >= 0 ? state->held :
			limit_count_held(store, state, terms->concurrency);

		if (held >= terms->concurrency)
			return false;
		state->held = held;		/* the count has not stopped at the limit */
	}
	if (terms->rate > 0)
	{
		TimestampTz begins = rate_full_at(state, terms) -
			(terms->burst - 1) * (terms->per / terms->rate);

		if (begins > now)
		{
			*due = begins;
			return false;
		}
	}
	return true;
}

/* Uses up what a rate gives to one that begins. */
static void
use_rate(LimitBook *state, const LimitTerms *terms, TimestampTz now)
{
	LimitTag	tag = limit_tag(state->key.name, state->key.key);
	TimestampTz full_at = Max(rate_full_at(state, terms), now) + terms->per / terms->rate;
	TimestampTz known;

	if (!limit_room_read_rate(&tag, terms, &known) ||
		!limit_room_write_rate(&tag, terms, full_at))
		state->full_at = full_at;
}

/* Gives a slot to what waits (store/limit.h). */
void
limit_grant(LimitBook *state, const LimitWaiter *waiter, TimestampTz now)
{
	static SqlStatement update = {
		"UPDATE noetl.slot SET held = true, since = pg_catalog.clock_timestamp()"
		" WHERE queue_id OPERATOR(pg_catalog.=) $1 AND ordinal OPERATOR(pg_catalog.=) $2", 2,
		{INT8OID, INT4OID}, NULL
	};
	const LimitTerms *terms = terms_of(state, waiter);
	LimitTag	tag = limit_tag(state->key.name, state->key.key);
	Datum		values[2] = {Int64GetDatum(waiter->queue_id), Int32GetDatum(waiter->ordinal)};

	(void) execute(&update, values, NULL, NULL);
	limit_room_note(&tag, false);
	if (state->held >= 0)
		state->held++;
	if (terms->rate > 0)
		use_rate(state, terms, now);
	if (waiter->ordinal + 1 < waiter->nlimits)
		limit_ask(waiter->queue_id, waiter->ordinal + 1, waiter->execution_id, waiter->task,
				  waiter->spec);
}

/* Lets what did not want to wait wait. */
void
limit_make_wait(const LimitWaiter *waiter)
{
	static SqlStatement update = {
		"UPDATE noetl.slot SET spec = spec OPERATOR(pg_catalog.#-)"
		" ARRAY[ordinal::pg_catalog.text, 'on_limit']"
		" WHERE queue_id OPERATOR(pg_catalog.=) $1 AND ordinal OPERATOR(pg_catalog.=) $2", 2,
		{INT8OID, INT4OID}, NULL
	};
	Datum		values[2] = {Int64GetDatum(waiter->queue_id), Int32GetDatum(waiter->ordinal)};

	(void) execute(&update, values, NULL, NULL);
}

/* Finds a holder by how long it has had a slot (store/limit.h). */
bool
limit_oldest_holder(const LimitKey *key, int64 except, int skip, LimitWaiter *holder)
{
	static SqlStatement select = {
		"SELECT COALESCE(q.queue_id, s.queue_id), s.ordinal, s.execution_id, s.task, s.spec"
		"  FROM noetl.slot AS s LEFT JOIN noetl.queue AS q ON s.task"
		"   AND q.execution_id OPERATOR(pg_catalog.=) s.execution_id"
		"   AND q.slot_of OPERATOR(pg_catalog.=) s.queue_id"
		" WHERE s.name OPERATOR(pg_catalog.=) $1 AND s.key OPERATOR(pg_catalog.=) $2"
		"   AND s.held AND s.execution_id OPERATOR(pg_catalog.<>) $3"
		" ORDER BY s.since, s.queue_id OFFSET $4 LIMIT 1", 4,
		{TEXTOID, TEXTOID, INT8OID, INT8OID}, NULL
	};
	Datum		values[4] = {CStringGetTextDatum(key->name), CStringGetTextDatum(key->key),
	Int64GetDatum(except), Int64GetDatum(skip)};

	return execute(&select, values, read_waiter, holder) > 0;
}

/* Writes when to look at a limit and a key again (store/limit.h). */
void
limit_write_pace(const LimitBook *state, TimestampTz due_at)
{
	static SqlStatement upsert = {
		"INSERT INTO noetl.limit_pace AS p (name, key, full_at, due_at) VALUES ($1, $2, $3, $4)"
		" ON CONFLICT ON CONSTRAINT limit_pace_pkey DO UPDATE"
		" SET full_at = excluded.full_at, due_at = excluded.due_at,"
		"     changed_at = CASE WHEN $5 THEN p.changed_at END", 5,
		{TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID}, NULL
	};
	static SqlStatement delete = {
		"DELETE FROM noetl.limit_pace WHERE name OPERATOR(pg_catalog.=) $1"
		" AND key OPERATOR(pg_catalog.=) $2", 2, {TEXTOID, TEXTOID}, NULL
	};
	Datum		values[5] = {CStringGetTextDatum(state->key.name),
		CStringGetTextDatum(state->key.key),
		TimestampTzGetDatum(state->full_at != 0 ? state->full_at : GetCurrentTimestamp()),
	TimestampTzGetDatum(due_at), BoolGetDatum(state->changed != 0)};

	if (due_at != 0)
		(void) execute(&upsert, values, NULL, NULL);
	else if (state->paced)
		(void) execute(&delete, values, NULL, NULL);
}

/* Touches the limits at which it is time to look (store/limit.h). */
int
limit_touch_due(int most)
{
	static SqlStatement select = {
		"SELECT p.name, p.key FROM noetl.limit_pace AS p"
		" WHERE p.due_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()"
		" ORDER BY p.due_at LIMIT $1", 1, {INT8OID}, NULL
	};
	Datum		values[1] = {Int64GetDatum(most)};

	return execute(&select, values, touch_row, "");
}

/* Touches all keys of a limit that something waits for (store/limit.h). */
int
limit_touch_all(const char *name)
{
	static SqlStatement select = {
		"SELECT DISTINCT s.name, s.key FROM noetl.slot AS s"
		" WHERE s.name OPERATOR(pg_catalog.=) $1 AND NOT s.held", 1, {TEXTOID}, NULL
	};
	Datum		values[1] = {CStringGetTextDatum(name)};

	return execute(&select, values, touch_row, NULL);
}

/* Another rate counts for a limit from now on (store/limit.h). */
void
limit_change_rate(const char *name)
{
	static SqlStatement update = {
		"UPDATE noetl.limit_pace SET changed_at = pg_catalog.clock_timestamp()"
		" WHERE name OPERATOR(pg_catalog.=) $1", 1, {TEXTOID}, NULL
	};
	Datum		values[1] = {CStringGetTextDatum(name)};

	limit_room_change_rate(name);
	(void) execute(&update, values, NULL, NULL);
}

/* Makes a blocked task ready (store/limit.h). */
bool
limit_unblock(Store *store, LimitWaiter *waiter, const char **type)
{
	QueueScan	scan;
	ScanKeyData key;
	bool		found;
	bool		locked = true;
	ItemPointerData tid;

	*type = NULL;
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(waiter->queue_id));
	queue_scan_open(&scan, store, REL_QUEUE_PKEY, &key, 1);
	found = queue_scan_next(&scan);
	if (found)
	{
		tid = scan.slot->tts_tid;
		locked = store_lock_row(scan.table, &tid, scan.snapshot, true, NULL);
	}
	if (!found)
		limit_free(store, waiter->queue_id);
	else if (locked && strcmp(slot_text(scan.slot, QUEUE_COL_STATUS), "blocked") == 0)
	{
		TupleTableSlot *new = queue_new_version(scan.table);

		waiter->queue_id = store_next_queue_id();
		slot_set(new, QUEUE_COL_QUEUE_ID, Int64GetDatum(waiter->queue_id));
		slot_set_text(new, QUEUE_COL_STATUS, "queued");
		*type = slot_text(scan.slot, QUEUE_COL_NODE_TYPE);
		queue_write_version(store, scan.table);
	}
	queue_scan_close(&scan);
	return locked;
}

/* ---------------------------------------------------------------------------
 * Checks
 * ---------------------------------------------------------------------------
 */

/* SqlRow: adds a text to a list. */
static void
add_text(void *arg, HeapTuple row, TupleDesc desc)
{
	List	  **texts = (List **) arg;

	*texts = lappend(*texts, SPI_getvalue(row, desc, 1));
}

/* Which tasks of an execution do not have the slots they need ($1). */
#define WRONG_TASKS \
	"SELECT q.queue_id, q.node_id FROM noetl.queue AS q" \
	" WHERE q.execution_id OPERATOR(pg_catalog.=) $1 AND q.limits IS NOT NULL" \
	"   AND CASE q.status WHEN 'blocked' THEN" \
	"            NOT EXISTS (SELECT FROM noetl.slot AS s" \
	"                         WHERE s.queue_id OPERATOR(pg_catalog.=) q.queue_id AND NOT s.held)" \
	"            WHEN 'retry' THEN false WHEN 'paused' THEN false" \
	"            ELSE (SELECT pg_catalog.count(*) FROM noetl.slot AS s" \
	"                   WHERE s.queue_id OPERATOR(pg_catalog.=) COALESCE(q.slot_of, q.queue_id)" \
	"                     AND s.held)" \
	"                 OPERATOR(pg_catalog.<>) pg_catalog.jsonb_array_length(q.limits) END"

/* Which slots belong to no task that needs them ($1). */
#define WRONG_SLOTS \
	"s.execution_id OPERATOR(pg_catalog.=) $1 AND s.task" \
	" AND NOT EXISTS (SELECT FROM noetl.queue AS q" \
	"                  WHERE q.execution_id OPERATOR(pg_catalog.=) $1" \
	"                    AND COALESCE(q.slot_of, q.queue_id) OPERATOR(pg_catalog.=) s.queue_id" \
	"                    AND q.limits IS NOT NULL AND q.status OPERATOR(pg_catalog.<>) ALL (ARRAY['retry', 'paused']))"

/* Returns which tasks do not have the slots they need (store/limit.h). */
List *
limit_problems(int64 execution_id)
{
	static SqlStatement select = {
		"SELECT t.node_id FROM (" WRONG_TASKS ") AS t UNION ALL"
		" SELECT DISTINCT s.name FROM noetl.slot AS s WHERE " WRONG_SLOTS,
		1, {INT8OID}, NULL
	};
	Datum		values[1] = {Int64GetDatum(execution_id)};
	List	   *texts = NIL;

	(void) execute(&select, values, add_text, &texts);
	return texts;
}

/* Gives tasks the slots that they need (store/limit.h). */
void
limit_repair(Store *store, int64 execution_id)
{
	static SqlStatement delete = {
		"DELETE FROM noetl.slot AS s WHERE " WRONG_SLOTS " RETURNING s.name, s.key, s.held",
		1, {INT8OID}, NULL
	};
	static SqlStatement select = {WRONG_TASKS, 1, {INT8OID}, NULL};
	Datum		values[1] = {Int64GetDatum(execution_id)};
	List	   *ids = NIL;
	ListCell   *lc;

	(void) execute(&delete, values, note_freed, NULL);
	(void) execute(&select, values, sql_add_id, &ids);
	foreach(lc, ids)
	{
		StoreTable *table = store_table(store, REL_QUEUE);
		const char *status;

		if (!queue_lock_row(store, *(int64 *) lfirst(lc)))
			continue;
		status = slot_text(table->scan_slot, QUEUE_COL_STATUS);
		if (strcmp(status, "leased") == 0 || strcmp(status, "cancelled") == 0)
		{
			hold_all(store, table->scan_slot);
			continue;
		}
		queue_make_ready(queue_new_version(table));
		queue_write_version(store, table);
	}
}
