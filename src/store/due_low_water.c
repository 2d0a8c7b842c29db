/*
 * store/due_low_water.c
 *		The low-water mark of an index on due times.
 */
#include "common/common.h"

#include "store/due_low_water.h"
#include "store/full_scan.h"

/* When a full scan takes less time than this, every scan is a full one. */
#define CHEAP_SCAN_US		INT64CONST(1000)
/* A transaction that writes a due time is expected to end within this time. */
#define TIMER_SLACK_US		INT64CONST(1000000)

/* Begins a scan (store/due_low_water.h). */
TimestampTz
due_low_water_begin(DueLowWater *mark)
{
	mark->scan_began = GetCurrentTimestamp();
	mark->full = mark->begin == 0 || mark->begin > mark->scan_began ||
		mark->scan_began >= mark->next_full;
	return mark->full ? DT_NOBEGIN : mark->begin;
}

/* Ends a scan (store/due_low_water.h). */
void
due_low_water_end(DueLowWater *mark, bool emptied)
{
	if (emptied)
		mark->begin = mark->scan_began - TIMER_SLACK_US;
	if (!mark->full)
		return;
	mark->next_full = 0;
	if (emptied && GetCurrentTimestamp() - mark->scan_began >= CHEAP_SCAN_US)
		mark->next_full = next_full_scan_time(mark->scan_began, 0);
}

/* Returns where a search for the next due time starts. */
TimestampTz
due_low_water_first(const DueLowWater *mark)
{
	return mark->begin == 0 ? DT_NOBEGIN : mark->begin;
}

/* Makes the next scan a full one. */
void
due_low_water_reset(DueLowWater *mark)
{
	mark->next_full = 0;
}
