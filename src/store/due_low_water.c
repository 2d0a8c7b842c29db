/*
 * store/due_low_water.c
 *		Where the due times of an index can begin.
 */
#include "common/common.h"

#include "store/full_scan.h"
#include "store/due_low_water.h"

/* An index that is read in less time is read in full every time */
#define CHEAP_SCAN_US		INT64CONST(1000)
/* Transactions that set a timer are expected to end within this time */
#define TIMER_SLACK_US		INT64CONST(1000000)

/* See time_mark.h. */
TimestampTz
time_mark_begin(TimeMark *mark)
{
	mark->scan_began = GetCurrentTimestamp();
	mark->full = mark->begin == 0 || mark->begin > mark->scan_began ||
		mark->scan_began >= mark->next_full;
	return mark->full ? DT_NOBEGIN : mark->begin;
}

/* See time_mark.h. */
void
time_mark_end(TimeMark *mark, bool emptied)
{
	if (emptied)
		mark->begin = mark->scan_began - TIMER_SLACK_US;
	if (!mark->full)
		return;
	mark->next_full = 0;
	if (emptied && GetCurrentTimestamp() - mark->scan_began >= CHEAP_SCAN_US)
		mark->next_full = next_full_scan_time(mark->scan_began, 0);
}
