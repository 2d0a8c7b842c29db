/*
 * notify.h
 *		Telling systemd about the state of the worker: sd_notify() without its library.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

extern void notify_init(void);
extern void notify_state(const char *fmt,...)
			__attribute__((format(printf, 1, 2)));
extern void notify_reloading(void);

#endif							/* NOTIFY_H */
