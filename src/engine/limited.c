/*
 * engine/limited.c
 *		Work for an execution that is not the caller's: in a subtransaction, with
 *		limits of time, so that its failure is nobody else's.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "engine/internal.h"

/* How long the work for one execution may take, and may wait for a lock */
#define PASSING_LIMIT_MS	500
#define ASKED_LIMIT_MS		10000
#define PASSING_LOCK_MS		50
#define ASKED_LOCK_MS		1000

/* Failures that this session remembers, recorded or not */
#define REMEMBERED			64
/* How long this session leaves an execution alone that it has failed with */
#define LEAVE_ALONE_US		INT64CONST(1000000)

static TimeoutId limit_timeout = MAX_TIMEOUTS;
static volatile sig_atomic_t limit_exceeded = false;
static bool running = false;

static struct
{
	int64		execution_id;
	TimestampTz until;
}			remembered[REMEMBERED];

static int	next_remembered = 0;

/* Returns whether an error is not about the work itself (engine/internal.h). */
bool
error_is_passing(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return true;
		default:
			return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	}
}

/* Timeout handler: cancels the work. */
static void
exceed_limit(void)
{
	limit_exceeded = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

/* Returns whether this session is inside limited_run(). */
bool
limited_is_running(void)
{
	return running;
}

/* Returns whether this session has failed with an execution a moment ago. */
bool
limited_must_wait(int64 execution_id)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < REMEMBERED; i++)
		if (remembered[i].until > now && remembered[i].execution_id == execution_id &&
			remembered[i].until <= now + LEAVE_ALONE_US)
			return true;
	return false;
}

/* Leaves an execution alone for a moment. */
static void
remember(int64 execution_id)
{
	remembered[next_remembered].execution_id = execution_id;
	remembered[next_remembered].until = GetCurrentTimestamp() + LEAVE_ALONE_US;
	next_remembered = (next_remembered + 1) % REMEMBERED;
}

/* Sets the limits; the subtransaction ends that of locks. */
static void
set_limits(bool asked)
{
	int			lock_ms = asked ? ASKED_LOCK_MS : PASSING_LOCK_MS;
	char		text[32];

	if (limit_timeout == MAX_TIMEOUTS)
		limit_timeout = RegisterTimeout(USER_TIMEOUT, exceed_limit);
	if (LockTimeout == 0 || LockTimeout > lock_ms)
	{
		snprintf(text, sizeof(text), "%d", lock_ms);
		(void) set_config_option("lock_timeout", text, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	limit_exceeded = false;
	enable_timeout_after(limit_timeout, asked ? ASKED_LIMIT_MS : PASSING_LIMIT_MS);
}

/* Ends the limit of time; a cancellation that it has asked for is taken back. */
static void
end_limit(void)
{
	disable_timeout(limit_timeout, false);
	if (limit_exceeded)
		QueryCancelPending = false;
}

/* Returns whether an error ends the caller's statement, and not only the limited work. */
static bool
concerns_caller(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED &&
		(!limit_exceeded ||
		 (StatementTimeout > 0 && !get_timeout_active(STATEMENT_TIMEOUT)));
}

/*
 * Hands out the slots that the caller has freed.  Returns whether those of the work can be
 * handed out with it: not when a trigger of a user has called, while decisions are written
 * or slots are handed out.
 */
static bool
settle_limits(void)
{
	if (frame_add_writing(NIL) != NIL)
		return false;
	engine_settle_limits();
	return !limit_any_touched();
}

/*
 * Runs the work in a subtransaction; returns its error, or NULL.  Slots that it frees are
 * handed out with it: who waited for the locks of others' limits when the store of the
 * caller is closed would wait without a limit.
 */
static ErrorData *
run_in_subtransaction(bool asked, LimitedWork work, void *arg)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	bool		settles = settle_limits();

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	running = true;
	PG_TRY();
	{
		int			nest_level = NewGUCNestLevel();

		set_limits(asked);
		work(arg);
		if (settles)
			engine_settle_limits();
		end_limit();
		AtEOXact_GUC(true, nest_level);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		end_limit();
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (settles)
			limit_forget_touched();
	}
	PG_END_TRY();
	running = false;
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	return error;
}

/* LimitedWork: records a failure, unless another session is busy with the execution. */
static void
record_work(void *arg)
{
	const ReaperFailure *failure = (ReaperFailure *) arg;

	if (failure->execution_id == 0 || execution_trylock(failure->execution_id))
		reaper_failure_record(failure);
}

/* Records why the work for an execution has failed; logs what cannot be recorded. */
static void
record(int64 execution_id, const ErrorData *error)
{
	ReaperFailure failure;
	const ErrorData *second;

	memset(&failure, 0, sizeof(failure));
	failure.execution_id = execution_id;
	failure.sqlstate = pstrdup(unpack_sql_state(error->sqlerrcode));
	failure.error = limit_exceeded && error->sqlerrcode == ERRCODE_QUERY_CANCELED ?
		"the decision took too long" : error->message;
	remember(execution_id);
	second = run_in_subtransaction(false, record_work, &failure);
	if (second != NULL)
		ereport(LOG,
				(errmsg("the reaper could not finish execution " INT64_FORMAT ": %s",
						execution_id, failure.error),
				 errdetail("The failure could not be recorded: %s", second->message)));
}

/*
 * Runs work for an execution (0: for no single one) in a subtransaction with a
 * limit of time and of waiting for locks; asked: with wide ones.  Returns false
 * when it failed, which is recorded in noetl.reaper_failure.  Raises only when the
 * statement that calls is cancelled itself.
 */
bool
limited_run(int64 execution_id, bool asked, LimitedWork work, void *arg)
{
	ErrorData  *error = run_in_subtransaction(asked, work, arg);

	if (error == NULL)
		return true;
	if (concerns_caller(error))
		ReThrowError(error);
	record(execution_id, error);
	return false;
}
