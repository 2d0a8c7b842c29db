/*
 * store/full_scan.h
 *		How often an index is read from its beginning although a mark says that
 *		nothing is there: for what somebody has changed by hand.
 */
#ifndef NOETL_STORE_FULL_SCAN_H
#define NOETL_STORE_FULL_SCAN_H

#include "utils/timestamp.h"

/* This often, or less often if that takes long: it shall cost no more than its share. */
#define FULL_SCAN_US		INT64CONST(10000000)
#define FULL_SCAN_SHARE		200

/* When the next one is due after one that began then; interval: at the earliest. */
static inline TimestampTz
next_full_scan_time(TimestampTz began, int64 interval)
{
	TimestampTz now = GetCurrentTimestamp();

	return now + Max(interval, (now - began) * FULL_SCAN_SHARE);
}

#endif							/* NOETL_STORE_FULL_SCAN_H */
