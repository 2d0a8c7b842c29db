/*
 * common/guc.h
 *		The settings of the extension (GUCs), except those of the background
 *		processes.
 */
#ifndef NOETL_COMMON_GUC_H
#define NOETL_COMMON_GUC_H

/* noetl.template_coerce: which rendered text becomes a JSON value. */
typedef enum TemplateCoerce
{
	COERCE_OFF,
	COERCE_CONTAINERS,
	COERCE_ALL
} TemplateCoerce;

/* noetl.isolation: from whom events about an execution are accepted. */
typedef enum Isolation
{
	ISOLATION_OFF,				/* from everybody with the privilege */
	ISOLATION_OWNER				/* from members of its role, and the role that leased the task */
} Isolation;

/* noetl.on_error: what becomes of a step that fails and has no on_error. */
typedef enum OnErrorSetting
{
	ON_ERROR_SETTING_FAIL,		/* its execution fails */
	ON_ERROR_SETTING_HOLD		/* it is held until somebody sees to it */
} OnErrorSetting;

/* The defaults of settings that executions record. */
#define DEFAULT_MAX_VISITS				10000
#define DEFAULT_MAX_DEPTH				32
#define DEFAULT_MAX_FAMILY				1000000
#define DEFAULT_MAX_FAMILY_LIVE			100000
#define DEFAULT_TEMPLATE_MAX_OUTPUT		(64 * 1024 * 1024)
#define DEFAULT_TEMPLATE_MAX_ITERATIONS	1000000
#define DEFAULT_TEMPLATE_MAX_MEMORY		(256 * 1024)	/* kB */
#define DEFAULT_TEMPLATE_MAX_TIME		5000	/* ms */
#define DEFAULT_MAX_LOST_LEASES			3

/* Of those that executions record, SETTING() has the value that counts (settings.h). */
extern int	noetl_isolation;	/* noetl.isolation */
extern int	noetl_on_error;		/* noetl.on_error */
extern bool noetl_broker;		/* noetl.broker: decide on insert */
extern bool noetl_notify;		/* noetl.notify: NOTIFY noetl_queue */
extern bool noetl_superuser_saves;	/* noetl.superuser_saves */
extern int	noetl_max_visits;	/* noetl.max_visits */
extern int	noetl_max_lost_leases;	/* noetl.max_lost_leases */
extern int	noetl_max_family;	/* noetl.max_family: children, also of children */
extern int	noetl_max_family_live;	/* noetl.max_family_live: that run */
extern int	noetl_max_depth;	/* noetl.max_depth: child playbooks */
extern int	noetl_priority_age; /* noetl.priority_age: waiting so long, in ms, is worth a
								 * step of priority; 0: never */
extern int	noetl_node_id;		/* noetl.node_id: node bits of new ids */
extern int	noetl_template_coerce;
extern int	noetl_template_max_output;	/* bytes */
extern int	noetl_template_max_iterations;
extern int	noetl_template_max_memory;	/* kB */
extern int	noetl_template_max_time;	/* ms; 0: no bound */

/* Defines the settings; called once by each process that loads the library. */
extern void guc_define(void);

#endif							/* NOETL_COMMON_GUC_H */
