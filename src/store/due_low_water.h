/*
 * store/due_low_water.h
 *		The low-water mark of an index on due times: a time before which the index
 *		finds no row.
 *
 * An index on due times is read up to now, again and again.  A due time lies in
 * the future when it is written.  So the part that a scan has found empty stays
 * empty, apart from times that become visible late or that a user changes by
 * hand.  Full scans find those.  As long as a full scan takes little time, every
 * scan is a full one.  Otherwise full scans are made as often as their share of
 * the time allows (store/full_scan.h).
 */
#ifndef NOETL_STORE_DUE_LOW_WATER_H
#define NOETL_STORE_DUE_LOW_WATER_H

#include "datatype/timestamp.h"

typedef struct DueLowWater
{
	TimestampTz begin;			/* the mark; 0: none is known */
	TimestampTz next_full;		/* when the next full scan is due; 0: at once */
	TimestampTz scan_began;
	bool		full;			/* the scan is a full one */
} DueLowWater;

/* Begins a scan; returns the time at which it starts, DT_NOBEGIN for a full scan. */
extern TimestampTz due_low_water_begin(DueLowWater *mark);

/*
 * Ends a scan.  emptied: the scan has left no row that is due.  Only then the
 * mark is raised; the caller must not count rows whose removal may roll back.
 */
extern void due_low_water_end(DueLowWater *mark, bool emptied);

/* Returns the time at which a search for the next due time starts. */
extern TimestampTz due_low_water_first(const DueLowWater *mark);

/* Makes the next scan a full one. */
extern void due_low_water_reset(DueLowWater *mark);

#endif							/* NOETL_STORE_DUE_LOW_WATER_H */
