/*
 * store/limit_room.h
 *		Whether a limit and a key have room, as shared memory knows it, so that a task
 *		that finds room and nobody who waits needs neither a lock nor a scan.
 *
 * The rows of noetl.slot are what counts.  A place in shared memory has, for a limit and a
 * key, a number that is never below that of the slots that are held: it is raised before
 * a row is written, and lowered after the transaction that gives a slot up, or takes one
 * and rolls back, has ended and others can see that.  As long as the place is open, a
 * task takes a slot by raising the number, if that stays within the limit.
 *
 * A place is open only while nothing waits.  It is closed by whoever is going to write
 * that something waits, and by whoever counts the rows; then everybody takes the lock of
 * the limit and its key, and counts rows.  It is opened under that lock, by who has found
 * that nothing waits and has counted the slots, with a new epoch.  Transactions that were
 * under way then, and have noted something in an earlier epoch, do not lower the number
 * any more.  So it may be too high; then a task counts the rows although there is room,
 * and opens the place again.  It is never too low:
 *
 *	- a slot that was taken before the count is in its row, or is being written: then the
 *	  place is not opened;
 *	- of a transaction under way the count has what it takes, or what it gives up, whichever
 *	  is more, as its row says; whether it commits or rolls back, no more are held;
 *	- what the transaction that opens the place has given up itself is added, as it may
 *	  roll back, and taken off when it commits.
 *
 * Nobody is forgotten: who waits closes the place, writes the row and counts; who gives a
 * slot up deletes the row and looks whether the place is open.  If it is open, it is closed
 * only later, and the count sees that the row is being deleted, or gone.  If it is closed
 * the one who gives up looks at the rows (engine/limit.c).
 *
 * A rate whose interval is a second at most is counted here only, from the server's start
 * on, as if a burst had just begun.  What a transaction takes and rolls back is lost, so no
 * lock is held until a transaction ends.  Slower rates are rows of noetl.limit_pace.  When
 * noetl.set_limit() says another rate, a place keeps how many of the burst were used up, in
 * place of a time: whoever asks first counts them by the rate that counts for it.
 *
 * Prepared transactions lower nothing.  Rows that a user writes by hand are seen when the
 * rows are counted, each ROOM_US at least.  When there are more limits and keys than places
 * the one that was not used for longest is forgotten; without shared memory rows are
 * counted always.
 */
#ifndef NOETL_STORE_LIMIT_ROOM_H
#define NOETL_STORE_LIMIT_ROOM_H

#include "store/store.h"

/* How long a count of rows is good for. */
#define ROOM_US			INT64CONST(10000000)

/* How many slots are held when they were not counted: more than any limit allows. */
#define ROOM_UNCOUNTED	(PG_INT32_MAX / 2)

/* A limit and a key of a database. */
typedef struct LimitTag
{
	uint64		name;
	uint64		key;
} LimitTag;

/* What is known when a place is closed. */
typedef struct LimitRoomLook
{
	bool		known;			/* there is a place */
	uint32		asked;
	bool		asking;			/* somebody is writing that something waits */
	int			writing;		/* how many slots are taken whose rows are being written */
} LimitRoomLook;

/* Returns the tag of a limit and a key. */
extern LimitTag limit_tag(const char *name, const char *key);

/*
 * Takes a slot, and what the rate asks for, if the place is open and has room.  The caller
 * then writes the row, and calls limit_room_written().
 */
extern bool limit_room_take(const LimitTag *tag, const LimitTerms *terms, TimestampTz now);
extern void limit_room_written(const LimitTag *tag);

/*
 * A task keeps the slot of the one before it, and takes what the rate asks for; false: the
 * place is closed, or has no room for those that are held already.
 */
extern bool limit_room_keep(const LimitTag *tag, const LimitTerms *terms, TimestampTz now);

/* Notes that this transaction takes a slot under the lock, or gives one up. */
extern void limit_room_note(const LimitTag *tag, bool given);

/* Is the place open: nothing waits? */
extern bool limit_room_is_open(const LimitTag *tag);

/* Closes the place: the rows are going to be counted. */
extern LimitRoomLook limit_room_close(const LimitTag *tag);

/*
 * Opens the place that was closed, unless something begins to wait: "held" slots are held,
 * with those of this transaction, and nothing waits.  The caller holds the lock of the limit
 * and its key.
 */
extern void limit_room_open(const LimitTag *tag, const LimitRoomLook *look, int held,
							TimestampTz now);

/* Surrounds the writing of rows that say that something waits; closes the place. */
extern void limit_room_begin_asking(const LimitTag *tag);
extern void limit_room_end_asking(void);

/* Is a rate counted in shared memory, if there is a place? */
extern bool limit_room_counts(const LimitTerms *terms);

/*
 * Returns when a whole burst may begin again, by what shared memory knows (*full_at, 0: now);
 * false: the rate is not counted there.  Under the lock of the limit and its key.
 */
extern bool limit_room_read_rate(const LimitTag *tag, const LimitTerms *terms,
								 TimestampTz *full_at);

/*
 * Writes when a whole burst may begin again, also where others have taken the place since it
 * was read; false: shared memory has no room for it.  Under the same lock.
 */
extern bool limit_room_write_rate(const LimitTag *tag, const LimitTerms *terms,
								  TimestampTz full_at);

/*
 * Another rate counts for a limit: as many of its burst are used up as of the burst before it,
 * or all of it.  Undone when the transaction rolls back.  Under the lock of all of the limit.
 */
extern void limit_room_change_rate(const char *name);

/* Reads what noetl.set_limit() says of a limit; leaves the terms when it says nothing. */
extern void limit_read_rule(struct Store *store, const char *name, LimitTerms *terms);

#endif							/* NOETL_STORE_LIMIT_ROOM_H */
