/*
 * job.h
 *		A task with what it saves: the task first, then each of its saves, which
 *		are tasks again.
 *
 *		job_begin --> job_next --> (execute) --> job_next --> ... --> NULL
 *
 * The caller executes what job_next() returns and leaves the outcome in
 * job_outcome(); at the end job->out is the outcome of the whole.
 */
#ifndef JOB_H
#define JOB_H

#include "broker.h"

typedef struct Job
{
	Task	   *task;
	bool		wants_value;
	bool		begun;
	Outcome		out;
	char	   *value;			/* JSON, once the task is done */
	SaveList	saves;
	int			save;			/* the one at hand; -1: none yet */
	Outcome		save_out;
} Job;

extern void job_begin(Job *job, Task *task, bool wants_value);
extern Task *job_next(Job *job);
extern Outcome *job_outcome(Job *job);
extern void job_end(Job *job);
extern OutcomeKind job_run(Job *job);

#endif							/* JOB_H */
