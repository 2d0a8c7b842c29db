/*
 * engine/save_timeout.c
 *		A limit of time on one statement that the broker executes.
 *
 * Statements nest: one may start an execution whose steps are statements with a
 * timeout of their own.  The one that ends first counts.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "engine/save_session.h"

static TimeoutId save_timeout = MAX_TIMEOUTS;
static TimestampTz deadline = 0;	/* of the statement under way; 0: none */
static volatile sig_atomic_t expired = false;

/* Timeout handler: cancels the statement. */
static void
expire(void)
{
	expired = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

/* Begins the limit of a statement, in microseconds; 0: it has none of its own. */
void
save_timeout_begin(SaveTimeout *timeout, int64 us)
{
	TimestampTz end = us > 0 ? GetCurrentTimestamp() + us : 0;

	timeout->outer = deadline;
	timeout->is_set = end != 0 && (deadline == 0 || end < deadline);
	if (!timeout->is_set)
		return;
	if (save_timeout == MAX_TIMEOUTS)
		save_timeout = RegisterTimeout(USER_TIMEOUT, expire);
	deadline = end;
	expired = false;
	enable_timeout_at(save_timeout, deadline);
}

/*
 * Ends the limit of a statement, and goes on with that of the statement around it.
 * Returns whether the limit has cancelled the statement; raises nothing.
 */
bool
save_timeout_end(SaveTimeout *timeout)
{
	bool		had_expired;

	if (!timeout->is_set)
		return false;
	timeout->is_set = false;
	disable_timeout(save_timeout, false);
	had_expired = expired;
	if (had_expired)
		QueryCancelPending = false;
	expired = false;
	deadline = timeout->outer;
	if (deadline != 0)
		enable_timeout_at(save_timeout, deadline);
	return had_expired;
}
