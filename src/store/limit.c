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

#include "store/queue_row.h"
#include "store/sql.h"

void		(*limit_settle_hook) (void) = NULL;

/* What this transaction has done; lives in TopTransactionContext. */
static List *touched = NIL;		/* LimitKey * */
static List *own = NIL;			/* int64 *, queue_ids that it asked for */
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

/* Notes that the slots of a limit and a key have changed (store/limit.h). */
void
limit_touch(const char *name, const char *key, bool due)
{
	MemoryContext old;
	LimitKey   *entry;
	ListCell   *lc;
	LimitKey	given = {unconstify(char *, name), unconstify(char *, key), due};

	foreach(lc, touched)
	{
		entry = (LimitKey *) lfirst(lc);
		if (compare_keys(entry, &given) != 0)
			continue;
		entry->due = entry->due || due;
		return;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	entry = palloc(sizeof(LimitKey));
	entry->name = pstrdup(name);
	entry->key = pstrdup(key);
	entry->due = due;
	touched = lappend(touched, entry);
	MemoryContextSwitchTo(old);
}

/* Have any limits been touched? */
bool
limit_any_touched(void)
{
	return touched != NIL;
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

/* Forgets those that nothing waits for (store/limit.h). */
void
limit_forget_calm(Store *store)
{
	ListCell   *lc;

	foreach(lc, touched)
	{
		LimitKey   *key = (LimitKey *) lfirst(lc);
		LimitWaiting waiting;

		if (key->due)
			continue;
		limit_lock(key->name, key->key, ExclusiveLock);
		limit_look_at_waiting(store, key, &waiting);
		limit_unlock(key);
		if (!waiting.any)
			touched = foreach_delete_current(touched, lc);
	}
}

/* Forgets everything that was noted. */
void
limit_forget(void)
{
	touched = NIL;
	own = NIL;
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

/* SqlRow: touches the limit and the key of a row; arg: not NULL: it is due. */
static void
touch_row(void *arg, HeapTuple row, TupleDesc desc)
{
	limit_touch(SPI_getvalue(row, desc, 1), SPI_getvalue(row, desc, 2), arg != NULL);
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
	asks->terms.burst = json_get_int(&limit, "burst", &number) ? (int) number : 1;
	asks->on_limit = json_get_text(&limit, "on_limit");
	key->name = json_get_text(&limit, "name");
	key->key = json_get_text(&limit, "key");
	key->due = false;
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
	(void) execute(&insert, values, NULL, NULL);
	limit_touch(name, key, false);
}

/* Gives up the slots of a task that waits for one of them (store/limit.h). */
void
limit_withdraw(int64 queue_id)
{
	static SqlStatement delete = {
		"DELETE FROM noetl.slot WHERE queue_id OPERATOR(pg_catalog.=) $1 RETURNING name, key", 1,
		{INT8OID}, NULL
	};
	Datum		values[1] = {Int64GetDatum(queue_id)};

	(void) execute(&delete, values, touch_row, NULL);
}

/* Gives up the slots of an execution itself (store/limit.h). */
void
limit_free_execution(int64 execution_id)
{
	static SqlStatement delete = {
		"DELETE FROM noetl.slot WHERE execution_id OPERATOR(pg_catalog.=) $1 AND NOT task"
		" RETURNING name, key", 1, {INT8OID}, NULL
	};
	Datum		values[1] = {Int64GetDatum(execution_id)};

	(void) execute(&delete, values, touch_row, NULL);
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
	Datum		values[3] = {slot_column(task, QUEUE_COL_QUEUE_ID),
		slot_column(task, QUEUE_COL_EXECUTION_ID),
	PointerGetDatum(slot_jsonb(task, QUEUE_COL_LIMITS))};

	limit_free(store, DatumGetInt64(values[0]));
	(void) execute(&insert, values, touch_row, NULL);
}

/* Follows the row of a task that has limits (store/limit.h). */
void
limit_task_written(Store *store, TupleTableSlot *old, TupleTableSlot *new, int taken)
{
	int64		queue_id = DatumGetInt64(slot_column(new, QUEUE_COL_QUEUE_ID));
	int64		before = old == NULL ? queue_id :
		DatumGetInt64(slot_column(old, QUEUE_COL_QUEUE_ID));
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
	else if (strcmp(status, "queued") == 0 && before != queue_id)
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
	state->rule.burst = DatumGetInt32(sql_column(row, desc, 5));
	state->paced = DatumGetBool(sql_column(row, desc, 6));
	state->full_at = DatumGetTimestampTz(sql_column(row, desc, 7));
}

/* Reads what is known of a limit and a key (store/limit.h). */
void
limit_read_state(const LimitKey *key, LimitBook *state)
{
	static SqlStatement select = {
		"SELECT r.name IS NOT NULL, r.concurrency, r.rate, r.per, r.burst, p.name IS NOT NULL, p.full_at"
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

/* Does a limit count how many begin in a time (store/limit.h)? */
bool
limit_has_rate(const LimitBook *state, const LimitWaiter *waiter)
{
	return terms_of(state, waiter)->rate > 0;
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
			limit_count_held(store, &state->key, terms->concurrency, &state->by);

		if (held >= terms->concurrency)
			return false;
		state->held = held;		/* the count has not stopped at the limit */
	}
	if (terms->rate > 0 && state->full_at != 0)
	{
		int64		interval = terms->per / terms->rate;
		TimestampTz begins;

		/* it lies further ahead only if the rule has changed */
		if (state->has_rule)
			state->full_at = Min(state->full_at, now + terms->burst * interval);
		begins = state->full_at - (terms->burst - 1) * interval;

		if (begins > now)
		{
			*due = begins;
			return false;
		}
	}
	return true;
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
	Datum		values[2] = {Int64GetDatum(waiter->queue_id), Int32GetDatum(waiter->ordinal)};

	(void) execute(&update, values, NULL, NULL);
	if (state->held >= 0)
		state->held++;
	if (terms->rate > 0)
		state->full_at = Max(state->full_at, now) + terms->per / terms->rate;
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

/* Finds the holder that has had a slot longest (store/limit.h). */
bool
limit_oldest_holder(const LimitKey *key, int64 except, LimitWaiter *holder)
{
	static SqlStatement select = {
		"SELECT s.queue_id, s.ordinal, s.execution_id, s.task, s.spec FROM noetl.slot AS s"
		" WHERE s.name OPERATOR(pg_catalog.=) $1 AND s.key OPERATOR(pg_catalog.=) $2"
		"   AND s.held AND s.execution_id OPERATOR(pg_catalog.<>) $3"
		" ORDER BY s.since, s.queue_id LIMIT 1", 3, {TEXTOID, TEXTOID, INT8OID}, NULL
	};
	Datum		values[3] = {CStringGetTextDatum(key->name), CStringGetTextDatum(key->key),
	Int64GetDatum(except)};

	return execute(&select, values, read_waiter, holder) > 0;
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

	return execute(&select, values, NULL, NULL) >= nlimits;
}

/* Writes when to look at a limit and a key again (store/limit.h). */
void
limit_write_pace(const LimitBook *state, TimestampTz due_at)
{
	static SqlStatement upsert = {
		"INSERT INTO noetl.limit_pace (name, key, full_at, due_at) VALUES ($1, $2, $3, $4)"
		" ON CONFLICT ON CONSTRAINT limit_pace_pkey DO UPDATE"
		" SET full_at = excluded.full_at, due_at = excluded.due_at", 4,
		{TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}, NULL
	};
	static SqlStatement delete = {
		"DELETE FROM noetl.limit_pace WHERE name OPERATOR(pg_catalog.=) $1"
		" AND key OPERATOR(pg_catalog.=) $2", 2, {TEXTOID, TEXTOID}, NULL
	};
	Datum		values[4] = {CStringGetTextDatum(state->key.name),
		CStringGetTextDatum(state->key.key),
		TimestampTzGetDatum(state->full_at != 0 ? state->full_at : due_at),
	TimestampTzGetDatum(due_at)};

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

	return execute(&select, values, touch_row, "");
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
	"                   WHERE s.queue_id OPERATOR(pg_catalog.=) q.queue_id AND s.held)" \
	"                 OPERATOR(pg_catalog.<>) pg_catalog.jsonb_array_length(q.limits) END"

/* Which slots belong to no task that needs them ($1). */
#define WRONG_SLOTS \
	"s.execution_id OPERATOR(pg_catalog.=) $1 AND s.task" \
	" AND NOT EXISTS (SELECT FROM noetl.queue AS q" \
	"                  WHERE q.queue_id OPERATOR(pg_catalog.=) s.queue_id" \
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
		"DELETE FROM noetl.slot AS s WHERE " WRONG_SLOTS " RETURNING s.name, s.key",
		1, {INT8OID}, NULL
	};
	static SqlStatement select = {WRONG_TASKS, 1, {INT8OID}, NULL};
	Datum		values[1] = {Int64GetDatum(execution_id)};
	List	   *ids = NIL;
	ListCell   *lc;

	(void) execute(&delete, values, touch_row, NULL);
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
