/*
 * signals.h
 *		Signals that the program receives.
 *
 * A handler only sets a flag and writes a byte into a pipe.  signal_fd() is the
 * end of that pipe to poll: it becomes readable when a signal has arrived.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stdbool.h>
#include <sys/types.h>

extern void install_signals(void);
extern int	signal_fd(void);
extern bool drain_signals(void);
extern bool stopping(void);
extern int	stop_count(void);
extern bool stop_overdue(void);
extern double stop_deadline(void);
extern bool reload_wanted(void);
extern void track_child(pid_t pid, bool running);

#endif							/* SIGNALS_H */
