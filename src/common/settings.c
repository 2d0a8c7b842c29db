/*
 * common/settings.c
 *		Settings that change decisions.
 */
#include "common/common.h"

#include <limits.h>

const Settings default_settings = {
	.template_coerce = COERCE_CONTAINERS,
	.template_max_output = DEFAULT_TEMPLATE_MAX_OUTPUT,
	.template_max_iterations = DEFAULT_TEMPLATE_MAX_ITERATIONS,
	.template_max_memory = DEFAULT_TEMPLATE_MAX_MEMORY,
	.template_max_time = DEFAULT_TEMPLATE_MAX_TIME,
	.max_visits = DEFAULT_MAX_VISITS,
	.max_depth = DEFAULT_MAX_DEPTH,
	.max_family = DEFAULT_MAX_FAMILY,
	.max_family_live = DEFAULT_MAX_FAMILY_LIVE,
	.max_lost_leases = DEFAULT_MAX_LOST_LEASES,
	.on_error = ON_ERROR_SETTING_FAIL
};

const Settings *settings_in_force = NULL;

/* The members that are numbers, and the least that each can be */
static const struct
{
	const char *name;
	size_t		offset;
	int			least;
}			members[] = {
	{"template_max_output", offsetof(Settings, template_max_output), 1},
	{"template_max_iterations", offsetof(Settings, template_max_iterations), 1},
	{"template_max_memory", offsetof(Settings, template_max_memory), 1},
	{"template_max_time", offsetof(Settings, template_max_time), 0},
	{"max_visits", offsetof(Settings, max_visits), 1},
	{"max_depth", offsetof(Settings, max_depth), 1},
	{"max_family", offsetof(Settings, max_family), 1},
	{"max_family_live", offsetof(Settings, max_family_live), 1},
	{"max_lost_leases", offsetof(Settings, max_lost_leases), 0}
};

/* The words of noetl.template_coerce */
static const char *const coerce_words[] = {
	[COERCE_OFF] = "off",
	[COERCE_CONTAINERS] = "containers",
	[COERCE_ALL] = "all"
};

/* Returns the settings of the session. */
Settings
settings_of_session(void)
{
	Settings	settings = {
		.template_coerce = noetl_template_coerce,
		.template_max_output = noetl_template_max_output,
		.template_max_iterations = noetl_template_max_iterations,
		.template_max_memory = noetl_template_max_memory,
		.template_max_time = noetl_template_max_time,
		.max_visits = noetl_max_visits,
		.max_depth = noetl_max_depth,
		.max_family = noetl_max_family,
		.max_family_live = noetl_max_family_live,
		.max_lost_leases = noetl_max_lost_leases,
		.on_error = noetl_on_error
	};

	return settings;
}

/* Returns the number of a member. */
static int
member(const Settings *settings, int i)
{
	return *(const int *) ((const char *) settings + members[i].offset);
}

/* Returns an object of the settings that differ from the defaults, or NULL. */
Jsonb *
settings_describe(const Settings *settings)
{
	JsonBuilder builder;
	JsonbValue	object;

	if (memcmp(settings, &default_settings, sizeof(Settings)) == 0)
		return NULL;
	json_begin_object(&builder);
	if (settings->template_coerce != default_settings.template_coerce)
		json_add_text(&builder, "template_coerce", coerce_words[settings->template_coerce]);
	if (settings->on_error == ON_ERROR_SETTING_HOLD)
		json_add_text(&builder, "on_error", "hold");
	for (int i = 0; i < lengthof(members); i++)
		if (member(settings, i) != member(&default_settings, i))
			json_add_int(&builder, members[i].name, member(settings, i));
	json_end_object(&builder, &object);
	return json_to_jsonb(&object);
}

/* Returns what an object says; a member that it does not have is the default. */
Settings
settings_read(const JsonbValue *object)
{
	Settings	settings = default_settings;
	char	   *word = json_get_text(object, "template_coerce");
	int64		number;

	for (int i = 0; word != NULL && i < lengthof(coerce_words); i++)
		if (strcmp(word, coerce_words[i]) == 0)
			settings.template_coerce = i;
	word = json_get_text(object, "on_error");
	if (word != NULL && strcmp(word, "hold") == 0)
		settings.on_error = ON_ERROR_SETTING_HOLD;
	for (int i = 0; i < lengthof(members); i++)
		if (json_get_int(object, members[i].name, &number) && number >= members[i].least &&
			number <= INT_MAX)
			*(int *) ((char *) &settings + members[i].offset) = (int) number;
	return settings;
}
