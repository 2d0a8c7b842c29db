/*
 * store/full_scan.h
 *		How often an index is read from its beginning although a low-water mark
 *		says that nothing is there.
 *
 * A user may change rows by hand so that they appear below a mark.  Full scans
 * find such rows.
 */
#ifndef NOETL_STORE_FULL_SCAN_H
#define NOETL_STORE_FULL_SCAN_H

#include "utils/timestamp.h"

/* The interval between full scans, */
#define FULL_SCAN_US		INT64CONST(10000000)
/* and how many times as long as a full scan the interval is at least. */
#define FULL_SCAN_SHARE		200

/*
 * Returns when the next full scan is due after one that began at "began" and
 * ends now.  interval: the shortest interval in microseconds.
 */
static inline TimestampTz
next_full_scan_time(TimestampTz began, int64 interval)
{
	TimestampTz now = GetCurrentTimestamp();

	return now + Max(interval, (now - began) * FULL_SCAN_SHARE);
}

#endif							/* NOETL_STORE_FULL_SCAN_H */
