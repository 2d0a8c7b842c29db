/*
 * bgworker/bgworker.h
 *		The entry points of the background processes.
 *
 * The launcher runs in the server as a whole.  It starts a worker in a database
 * when something is due there.
 */
#ifndef NOETL_BGWORKER_BGWORKER_H
#define NOETL_BGWORKER_BGWORKER_H

extern PGDLLEXPORT void noetl_timer_launcher(Datum arg);
/* slot: the number of the database's slot in the schedule. */
extern PGDLLEXPORT void noetl_timer_worker(Datum slot);

#endif							/* NOETL_BGWORKER_BGWORKER_H */
