/*
 * store/due_low_water.h
 *		Where the due times of an index can begin.
 */
#ifndef NOETL_STORE_DUE_LOW_WATER_H
#define NOETL_STORE_DUE_LOW_WATER_H

#include "datatype/timestamp.h"

/*
 * Of an index on a time everything up to now is read again and again.  Times lie
 * in the future when they are written, so what has been read to its end a moment
 * ago stays empty.  Everything is read whenever that is cheap, and otherwise as
 * often as is affordable: for stragglers, and for times that somebody has changed
 * by hand.
 */
typedef struct TimeMark
{
	TimestampTz begin;			/* 0: the beginning */
	TimestampTz next_full;		/* 0: at once */
	TimestampTz scan_began;
	bool		full;
} TimeMark;

extern TimestampTz time_mark_begin(TimeMark *mark);
/* emptied: the scan found nothing that is still there. */
extern void time_mark_end(TimeMark *mark, bool emptied);

#endif							/* NOETL_STORE_DUE_LOW_WATER_H */
