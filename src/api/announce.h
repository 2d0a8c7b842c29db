/*
 * api/announce.h
 *		Workers announce themselves by what they lease.
 */
#ifndef NOETL_API_ANNOUNCE_H
#define NOETL_API_ANNOUNCE_H

/*
 * Notes that a worker asks for types (a text[] without nulls; any_type: for
 * whatever there is), at most once a minute.  Never waits for anybody.
 */
extern void announce_lease(const char *worker_id, Datum types, bool any_type);

#endif							/* NOETL_API_ANNOUNCE_H */
