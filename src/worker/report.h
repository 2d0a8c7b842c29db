/*
 * report.h
 *		Telling the broker how tasks ended, through lost sessions and trouble.
 */
#ifndef REPORT_H
#define REPORT_H

#include "broker.h"

extern bool report_gave_up(void);
extern bool report_in_trouble(void);
extern void report_back_off(double seconds, bool patient);
extern double report_trouble(void);
extern void report_pause(void);
extern void report_end_trouble(void);
extern bool report_connect(const TaskList *list, bool patient);
extern DbStatus report_outcome(Task *task, Outcome *out, const TaskList *list, TaskList *next);
extern bool report_ahead(Task *task, Outcome *out, double took);
extern void report_settle(const TaskList *list, bool all);
extern void report_give_back(Task *task);
extern void report_log(const Task *task, const Outcome *out, DbStatus status, double took);

#endif							/* REPORT_H */
