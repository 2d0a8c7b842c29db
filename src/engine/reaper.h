/*
 * engine/reaper.h
 *		What becomes due by the passing of time alone.
 */
#ifndef NOETL_ENGINE_REAPER_H
#define NOETL_ENGINE_REAPER_H

/*
 * Retries whose time has come become ready; leases that ran out are taken back;
 * what took longer than its timeout fails.  Of one execution or of all (0).
 * Returns how many tasks became ready.  Never waits: what others are busy with
 * is theirs, or the next call's.  asked: by somebody who wants decisions even
 * while the broker is off.
 */
extern int	reaper_run(int64 execution_id, bool asked);

#endif							/* NOETL_ENGINE_REAPER_H */
