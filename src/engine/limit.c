/*
 * engine/limit.c
 *		Limits: free slots are handed to what waits for them.
 *
 *		a task or an execution ends, is given back, asks ──> limit_touch()
 *		the outermost store is closed ──> engine_settle_limits(): in the same commit
 *
 * Slots are counted as transactions under way leave them (store/limit_slot.c), so the lock
 * of a limit and its key ends before the transaction does.  Then two of them could each
 * leave a slot to the other: one waits and does not see that the other frees one, who does
 * not see that it waits.  So whoever waits first, or frees a slot, and finds such a
 * transaction waits for its end for a moment, and has the timer look again if that takes
 * longer.  Where a rate is counted the lock lasts until the transaction ends: what others
 * have not committed yet they look at themselves, when they get the lock.  Who looks only
 * because it is time, or makes tasks of others ready, does not wait for it.  Locks of limits
 * are taken after those of executions, and in the order of names and keys.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "engine/internal.h"
#include "playbook/playbook.h"
#include "wakeup/wakeup.h"

/* Whoever hands out slots waits so long for transactions that are about to end */
#define PATIENCE_US	INT64CONST(50000)

/* Of so many holders of a limit one is looked for that may be displaced */
#define MOST_HOLDERS	100

/* What waits is looked at again so much later when others were busy with its row */
#define BUSY_US		INT64CONST(100000)

/* Is this session handing out slots? */
static bool settling = false;

/* Returns why something is not done: "limit "api" is reached". */
static char *
limit_reason(const LimitKey *key, const char *what)
{
	return key->key[0] == '\0' ? psprintf("%s: limit \"%s\" is reached", what, key->name) :
		psprintf("%s: limit \"%s\" is reached for \"%s\"", what, key->name, key->key);
}

/* ---------------------------------------------------------------------------
 * What does not wait
 * ---------------------------------------------------------------------------
 */

/* Ends a task without a worker: completed without a value, or (error) failed. */
static void
end_task(Store *store, int64 queue_id, const char *limit, const char *error)
{
	QueueRow	row;
	JsonBuilder builder;
	JsonbValue	value;

	if (!store_get_task(store, queue_id, &row))
		return;
	if (strcmp(row.status, "leased") != 0)
		row.attempts++;
	if (error != NULL)
	{
		engine_ingest_task_event(store, &row, EVENT_ACTION_ERROR, NULL, error, NULL);
		return;
	}
	json_begin_object(&builder);
	json_add_text(&builder, "status", "skipped");
	json_null(&value);
	json_add(&builder, "data", &value);
	json_add_text(&builder, "limit", limit);
	json_end_object(&builder, &value);
	engine_ingest_task_event(store, &row, EVENT_ACTION_COMPLETED, json_to_jsonb(&value), NULL,
							 NULL);
}

/*
 * Finds the task or the execution that has had a slot longest and may be displaced by an
 * execution: one of a role for which that one's may act.
 */
static bool
find_displaced(Store *store, const LimitKey *key, int64 execution_id, LimitWaiter *oldest)
{
	Execution	asks;
	Execution	holds;

	if (!store_get_execution(store, execution_id, &asks))
		return false;
	for (int i = 0; i < MOST_HOLDERS && limit_oldest_holder(key, execution_id, i, oldest); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!store_get_execution(store, oldest->execution_id, &holds) ||
			engine_role_acts_for(asks.started_by, holds.started_by))
			return true;
	}
	return false;
}

/* Cancels the execution that has had a slot longest; false: the caller must wait for its end. */
static bool
displace_oldest(Store *store, const LimitKey *key, int64 execution_id)
{
	LimitWaiter oldest;

	if (!find_displaced(store, key, execution_id, &oldest) ||
		!execution_trylock(oldest.execution_id))
		return false;
	if (oldest.task)
		end_task(store, oldest.queue_id, key->name,
				 limit_reason(key, "displaced by a newer task"));
	else
		execution_cancel(oldest.execution_id,
						 limit_reason(key, psprintf("displaced by execution " INT64_FORMAT,
													execution_id)));
	return true;
}

/*
 * Does what on_limit says of something for which there is no room.  Where noetl.set_limit()
 * lets nothing begin, nothing is displaced for it.
 */
static void
refuse(Store *store, const LimitBook *state, const LimitWaiter *waiter)
{
	const LimitKey *key = &state->key;
	bool		skip = strcmp(waiter->on_limit, "skip") == 0;

	if (!execution_trylock(waiter->execution_id))
		return;
	if (strcmp(waiter->on_limit, "cancel_oldest") == 0)
	{
		limit_make_wait(waiter);
		if (!limit_is_shut(state, waiter))
			(void) displace_oldest(store, key, waiter->execution_id);
	}
	else if (waiter->task)
		end_task(store, waiter->queue_id, key->name,
				 skip ? NULL : limit_reason(key, "not started"));
	else
		execution_cancel(waiter->execution_id,
						 limit_reason(key, skip ? "skipped" : "not started"));
}

/* ---------------------------------------------------------------------------
 * Handing out
 * ---------------------------------------------------------------------------
 */

/*
 * Gives a slot to an execution that waits, and has it begin: at once if this transaction has
 * it wait, else when its time is looked at, which is now.  One that a user has deleted gives
 * up its place.  Returns false when another session is busy with it.
 */
static bool
grant_execution(Store *store, LimitBook *state, const LimitWaiter *waiter, TimestampTz now)
{
	Execution	execution;

	if (!execution_trylock(waiter->execution_id))
		return false;
	if (!store_get_execution(store, waiter->execution_id, &execution))
	{
		limit_free_execution(waiter->execution_id);
		return true;
	}
	limit_grant(state, waiter, now);
	if (limit_is_own(waiter->queue_id))
	{
		(void) start_begin(store, &execution);
		return true;
	}
	store_reschedule_execution(store, waiter->execution_id, now);
	wake_for_timer(now);
	return true;
}

/* Gives a slot to what waits; returns false when another session is busy with it. */
static bool
grant(Store *store, LimitBook *state, LimitWaiter *waiter, TimestampTz now)
{
	const char *type = NULL;

	if (waiter->ordinal + 1 < waiter->nlimits)
	{
		limit_grant(state, waiter, now);
		return true;
	}
	if (!waiter->task)
		return grant_execution(store, state, waiter, now);
	if (!limit_unblock(store, waiter, &type))
		return false;
	limit_grant(state, waiter, now);
	if (type != NULL)
		wake_at_commit(type);
	return true;
}

/*
 * Writes when to look again: when the rate lets the next begin, soon if others were busy,
 * or when a whole burst may begin again, to forget the limit.
 */
static void
write_pace(const LimitBook *state, TimestampTz full_before, TimestampTz due, bool busy,
		   TimestampTz now)
{
	TimestampTz due_at = due;

	if (busy)
		due_at = due == 0 ? now + BUSY_US : Min(due, now + BUSY_US);
	if (due_at == 0 && state->full_at > now)
		due_at = state->full_at;
	if (due_at == 0 && !state->paced)
		return;
	/* a limit that has no row has no full_at, either */
	if (due_at == state->full_at && state->full_at == full_before && due == 0)
		return;
	limit_write_pace(state, due_at);
	if (due_at != 0)
		wake_for_timer(due_at);
}

/*
 * The transaction under way for which nobody else will look at the key once it has ended, or
 * none.  FULL: what waits first finds no room.  UNTIL_DUE: the rate alone keeps it waiting,
 * so that the timer looks.
 */
static TransactionId
whom_to_await(const LimitBook *state, const LimitWaiting *waiting, bool full, bool until_due)
{
	if (!waiting->any || until_due)
		return InvalidTransactionId;
	if (!full)
		return waiting->by;
	/* what another transaction has wait, that transaction looks at */
	return waiting->own ? state->by : InvalidTransactionId;
}

/*
 * Whether the timer has to look at the key soon: others are BUSY with what waits, or it is
 * not known yet whether a slot is free.  AWAITED: a transaction is in the way that is not
 * waited for.  RATED: a rate counts for what waits.
 */
static bool
must_look_soon(const LimitBook *state, const LimitWaiting *waiting, bool full, bool rated,
			   bool busy, bool awaited)
{
	bool		others_changed = TransactionIdIsValid(state->by);

	if (waiting->leaving && (busy || (full && (state->writing || others_changed))))
		return true;
	if (!waiting->any)
		return false;
	if (busy || awaited)
		return true;
	if (full ? state->writing : !rated)
		return true;
	return state->key.due && others_changed;
}

/*
 * Hands the free slots of a limit and a key to what waits for them, under the lock of the
 * key.  Returns a transaction that may leave another slot free, or another one waiting,
 * for which nobody else will look; in the last round that is left to the timer.
 * *paced is set when noetl.limit_pace counts.
 */
static TransactionId
settle_round(Store *store, const LimitKey *key, bool last, bool *paced)
{
	LimitBook	state;
	LimitWaiter waiter;
	LimitWaiting waiting;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz due = 0;
	TimestampTz full_before;
	TransactionId by;
	int64		after = PG_INT64_MIN;
	bool		full = false;
	bool		busy = false;
	bool		rated = false;

	limit_look_at_waiting(store, key, &waiting);
	if (!waiting.any && !waiting.leaving && !key->due)
		return InvalidTransactionId;
	limit_read_state(key, &state);
	*paced = state.paced;
	full_before = state.full_at;
	while (!full && limit_next_waiter(key, after, false, &waiter))
	{
		CHECK_FOR_INTERRUPTS();
		after = waiter.queue_id;
		rated = rated || limit_is_paced(&state, &waiter);
		full = !limit_has_room(store, &state, &waiter, now, &due);
		if (!full && (!limit_lock_waiter(&waiter) || !grant(store, &state, &waiter, now)))
			busy = true;
	}
	CommandCounterIncrement();
	limit_look_at_waiting(store, key, &waiting);
	by = whom_to_await(&state, &waiting, full, due != 0 || (rated && !full));
	if (TransactionIdIsValid(by) && !last && !rated)
		return by;
	busy = must_look_soon(&state, &waiting, full, rated, busy, TransactionIdIsValid(by));
	*paced = *paced || rated || due != 0 || busy;
	write_pace(&state, full_before, due, busy, now);
	after = PG_INT64_MIN;
	while (full && limit_any_impatient() && limit_next_waiter(key, after, true, &waiter))
	{
		if (limit_lock_waiter(&waiter))
			refuse(store, &state, &waiter);
		after = waiter.queue_id;
	}
	return InvalidTransactionId;
}

/* Locks a limit, or a key of it; returns false when that is not waited for. */
static bool
lock_touched(const LimitKey *touched, const char *key, LOCKMODE mode)
{
	if (touched->passing)
		return limit_try_lock(touched->name, key, mode);
	limit_lock(touched->name, key, mode);
	return true;
}

/*
 * Hands the free slots of a limit and a key to what waits for them.  The lock of the key
 * ends here, unless a rate is counted.  A key that is only due, and that another
 * transaction has locked, stays due.
 */
static void
settle_key(Store *store, const LimitKey *key)
{
	TimestampTz until = GetCurrentTimestamp() + PATIENCE_US;
	TransactionId by;
	bool		paced = false;

	if (!lock_touched(key, NULL, ShareLock))
		return;
	do
	{
		if (!lock_touched(key, key->key, ExclusiveLock))
			return;
		by = settle_round(store, key, GetCurrentTimestamp() >= until, &paced);
		if (TransactionIdIsValid(by) || !paced)
			limit_unlock(key);
		if (TransactionIdIsValid(by))
			limit_await_end(by, until);
	} while (TransactionIdIsValid(by));
}

/* Hands out the free slots of the limits that have been touched so far. */
static void
settle_touched(void)
{
	Store	   *store = store_open(InvalidOid);
	LimitKey	key;

	while (limit_next_touched(&key))
	{
		CHECK_FOR_INTERRUPTS();
		settle_key(store, &key);
	}
	/* what was displaced has left its slots; only an outermost store gives them up itself */
	if (limit_any_touched())
		limit_forget_calm(store);
	store_close(store);
}

/* Hands out the free slots of all limits that this transaction has touched. */
void
engine_settle_limits(void)
{
	if (settling || !limit_any_touched())
		return;
	settling = true;
	PG_TRY();
	{
		/* triggers of users, which fire when the store is closed, may touch more */
		while (limit_any_touched())
		{
			CHECK_FOR_INTERRUPTS();
			settle_touched();
		}
	}
	PG_FINALLY();
	{
		settling = false;
	}
	PG_END_TRY();
}

/* Looks at all keys of a limit whose rule has changed; returns how many there are. */
int
engine_limit_changed(const char *name)
{
	int			n;

	limit_lock(name, NULL, ExclusiveLock);
	limit_change_rate(name);
	n = limit_touch_all(name);
	engine_settle_limits();
	return n;
}

/* ---------------------------------------------------------------------------
 * Executions
 * ---------------------------------------------------------------------------
 */

/* Have the executions of a playbook limits?  One that does not exist has none. */
bool
limit_of_executions(int64 catalog_id)
{
	const char *path;
	int			version;

	if (!playbook_is_cached(catalog_id) && !catalog_describe(catalog_id, &path, &version))
		return false;
	return playbook_get(catalog_id)->nlimits > 0;
}

/*
 * Returns the limits of an execution that is going to begin.  A key that cannot be
 * rendered is the empty key: the execution then fails for the same reason, or not at all.
 */
static Jsonb *
render_limits(const Execution *execution, const Event *start)
{
	const Playbook *playbook = playbook_get(execution->catalog_id);
	TemplateScope scope = start_scope(playbook, execution->execution_id, execution->path,
									  start);
	Jsonb	   *limits;
	SourceError error;
	LimitSpec  *plain;

	memset(&error, 0, sizeof(error));
	if (limits_render(playbook->limits, playbook->nlimits, &scope, &limits, &error))
		return limits;
	plain = palloc(sizeof(LimitSpec) * playbook->nlimits);
	memcpy(plain, playbook->limits, sizeof(LimitSpec) * playbook->nlimits);
	for (int i = 0; i < playbook->nlimits; i++)
		plain[i].key = NULL;
	(void) limits_render(plain, playbook->nlimits, &scope, &limits, &error);
	return limits;
}

/* Has an execution wait for its slots. */
void
limit_await(const Execution *execution, const Event *start)
{
	limit_free_execution(execution->execution_id);
	limit_ask(store_next_queue_id(), 0, execution->execution_id, false,
			  render_limits(execution, start));
}

/*
 * Gives an execution that was over, and goes on, its slots at once; raises when a limit
 * has no room.
 */
void
limit_take_again(Store *store, const Execution *execution, const Event *start)
{
	Jsonb	   *limits = render_limits(execution, start);
	int64		queue_id = store_next_queue_id();
	int			n = playbook_get(execution->catalog_id)->nlimits;

	limit_free_execution(execution->execution_id);
	limit_ask(queue_id, 0, execution->execution_id, false, limits);
	for (int i = 0; i < n; i++)
	{
		LimitWaiter waiter;
		LimitBook	state;
		LimitKey	key;
		TimestampTz due;
		TimestampTz now = GetCurrentTimestamp();

		limit_read_waiter(queue_id, i, &key, &waiter);
		limit_lock(key.name, NULL, ShareLock);
		limit_lock(key.name, key.key, ExclusiveLock);
		limit_read_state(&key, &state);
		if (!limit_has_room(store, &state, &waiter, now, &due))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the execution cannot go on now: limit \"%s\" is reached", key.name),
					 errhint("Try again when other executions have ended, or change the limit with noetl.set_limit().")));
		limit_grant(&state, &waiter, now);
		if (state.full_at > now)
			limit_write_pace(&state, state.full_at);
	}
}

/* Has the execution that a stored event starts wait for its slots. */
void
limit_await_start(Store *store, const Event *start)
{
	Execution	execution;

	execution_get(store, start->execution_id, &execution);
	limit_await(&execution, start);
}

/* Gives a forked execution its slots at once; raises when there is no room. */
void
limit_take_at_start(Store *store, const Event *start)
{
	Execution	execution;

	execution_get(store, start->execution_id, &execution);
	limit_take_again(store, &execution, start);
}
