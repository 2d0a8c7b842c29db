/*
 * worker.h
 *		The door of the program: one function for each way in which it runs.
 *
 *		main.c		reads the command line and calls one of them
 *		loop.c		leases tasks, executes them, reports how they ended
 *		supervisor.c	keeps a worker process for each of several databases
 *		helper.c	a process of a worker that executes tasks or items of an iterator
 *		desk.c		the commands at the desk
 *
 * Each function returns the exit code of the process.
 */
#ifndef WORKER_H
#define WORKER_H

extern int	run_worker(void);
extern int	run_supervisor(void);
extern int	run_helper(void);
extern int	run_desk(void);

#endif							/* WORKER_H */
