/*
 * api/sleep.h
 *		What the procedures share in which a session sleeps.
 */
#ifndef NOETL_API_SLEEP_H
#define NOETL_API_SLEEP_H

#include "fmgr.h"
#include "utils/timestamp.h"

/*
 * Raises unless a procedure was called by a CALL outside of a transaction block,
 * which may commit; reason: why it must be, as a sentence.
 */
extern void sleep_require_nonatomic(FunctionCallInfo fcinfo, const char *procedure,
									const char *reason);

/* Returns when a sleep ends that is as long as an interval argument; NULL: never. */
extern TimestampTz sleep_deadline(FunctionCallInfo fcinfo, int argument);

/*
 * Sleeps until the latch is set, until a time, or until it is time to look again in
 * any case; returns whether the latch was set.  No transaction that holds a snapshot
 * may be open.
 */
extern bool sleep_until(TimestampTz until);

/* Returns the row of a procedure whose only INOUT argument is set to a value. */
extern Datum sleep_result(FunctionCallInfo fcinfo, NullableDatum *outcome);

#endif							/* NOETL_API_SLEEP_H */
