/*
 * common/settings.h
 *		Settings that change decisions.
 *
 * An execution is decided on by the settings of the session that started it,
 * whoever decides: its execution_start records those that differ from the
 * defaults, as meta.settings.  Without an execution those of the session count.
 */
#ifndef NOETL_COMMON_SETTINGS_H
#define NOETL_COMMON_SETTINGS_H

#include "utils/jsonb.h"

/* Each member is named as its setting. */
typedef struct Settings
{
	int			template_coerce;
	int			template_max_output;
	int			template_max_iterations;
	int			template_max_memory;
	int			template_max_time;
	int			max_visits;
	int			max_depth;
	int			max_family;
	int			max_family_live;
	int			max_lost_leases;
	int			on_error;
} Settings;

/* The settings of an execution whose start records none. */
extern const Settings default_settings;

/*
 * The settings of the execution that is decided on; NULL: none is.  Who sets it
 * restores it, also after an error.
 */
extern const Settings *settings_in_force;

/* The value that counts now */
#define SETTING(name) (settings_in_force != NULL ? settings_in_force->name : noetl_##name)

/* Returns the settings of the session. */
extern Settings settings_of_session(void);

/* Returns an object of the settings that differ from the defaults; NULL: none does. */
extern Jsonb *settings_describe(const Settings *settings);

/* Returns what such an object says; a member that it does not have is the default. */
extern Settings settings_read(const JsonbValue *object);

#endif							/* NOETL_COMMON_SETTINGS_H */
