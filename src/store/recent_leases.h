/*
 * store/recent_leases.h
 *		Which ready tasks have just been taken.
 *
 * Until a lease is committed others see its row as ready, and later its entry in
 * the index of ready rows as one that may be: to find out that it is not, they
 * visit the row and ask who has changed it.  With many workers each meets the rows
 * of all others, so it is noted in shared memory, for the latest thousand, that
 * they are held or gone.  A task that becomes ready again takes a new id, so that
 * what is gone remains so, unless somebody changes rows by hand.
 *
 * Without shared memory nothing is noted, and rows are looked at.
 */
#ifndef NOETL_STORE_RECENT_LEASES_H
#define NOETL_STORE_RECENT_LEASES_H

#include "utils/relcache.h"

typedef enum TakenState
{
	TAKEN_UNKNOWN,				/* look at the row */
	TAKEN_HELD,					/* by a transaction that may still fail */
	TAKEN_GONE
} TakenState;

/* This transaction takes a ready task. */
extern void taken_note(Relation queue, int64 queue_id);
extern TakenState taken_state(Relation queue, int64 queue_id);

#endif							/* NOETL_STORE_RECENT_LEASES_H */
