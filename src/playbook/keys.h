/*
 * playbook/keys.h
 *		The keys of a playbook's maps: which there are, and what they are for.
 *
 * A list of keys ends with NULL.
 */
#ifndef NOETL_PLAYBOOK_KEYS_H
#define NOETL_PLAYBOOK_KEYS_H

#include "common/common.h"

/* Input of a step and of a transition, in order of increasing precedence. */
#define STEP_INPUT_KEYS		6
extern const char *const step_input_keys[STEP_INPUT_KEYS + 1];
#define TARGET_INPUT_KEYS	5
extern const char *const target_input_keys[TARGET_INPUT_KEYS + 1];

/* Keys that steer a step and never reach a worker. */
extern const char *const control_keys[];
/* Keys of a step that a misspelling is compared with, besides control_keys. */
extern const char *const common_keys[];
/* Keys of known actions that resemble another key and are not misspelled. */
extern const char *const action_keys[];
/* Keys that only an action needs: a step with one of them should have a type. */
extern const char *const action_marks[];
/* Keys of a transition and of its targets. */
extern const char *const target_keys[];
extern const char *const retry_keys[];
/* Keys of a step of type wait. */
extern const char *const wait_keys[];
/* Keys of a save, of a loop, and of a document. */
extern const char *const save_keys_known[];
extern const char *const loop_keys[];
extern const char *const document_keys[];
/* Keys of a test of the playbook, of what it expects, and of what it expects of a step. */
extern const char *const test_keys[];
extern const char *const expect_keys[];
extern const char *const expect_step_keys[];
/* Types of actions that workers of NoETL do, besides those of the broker. */
extern const char *const action_types[];

/* Keys that a workbook task does not decide for its step. */
extern const char *const graph_keys[];
/* Keys that name the type of an action. */
extern const char *const type_keys[];
/* Keys of a limit. */
extern const char *const limit_keys[];
extern const char *const fairness_keys[];
/* Keys of a step with "loop" that belong to the step, not to each item. */
extern const char *const whole_step_keys[];
/* Keys of a step with "loop" that belong to neither. */
extern const char *const loop_frame_keys[];

/* A part of an iterator, and the keys under which it may be written. */
typedef struct IteratorKey
{
	const char *key;
	const char *names[4];
} IteratorKey;

#define ITERATOR_KEYS	9
extern const IteratorKey iterator_keys[ITERATOR_KEYS];

/* Keys under which a step of type sql has its statement. */
extern const char *const statement_keys[];
/* Keys by which a save says where it goes, and keys of that map. */
extern const char *const storage_keys[];
extern const char *const storage_kind_keys[];
/* Keys of a save that name another connection than the broker's own. */
extern const char *const connection_keys[];

/* Returns whether a list contains a key. */
extern bool key_in(const char *key, const char *const *list);

/* Returns whether a key of a step reaches the worker. */
extern bool key_is_forwarded(const char *key);

/* Returns whether the value of a key is program text, in which braces mean nothing. */
extern bool key_is_code(const char *key);

/*
 * Returns whether the value of a key of an action is left as written: its names
 * exist only when the worker renders it.
 */
extern bool key_is_raw(const char *key, const char *action_type);

/* What a key of an SQL task (postgres, duckdb) is for. */
typedef enum SqlSetting
{
	SETTING_NONE,
	SETTING_CREDENTIAL,			/* it names a credential */
	SETTING_DATABASE,			/* it says where the database is */
	SETTING_COMMAND				/* it is SQL */
} SqlSetting;

/*
 * Returns which setting of an SQL task a key is.  A step may write settings as members
 * of its input; they count where the step itself has no setting of that kind.
 */
extern SqlSetting key_sql_setting(const char *key, const char *action_type);

/* Returns whether the broker itself completes steps of a type. */
extern bool type_is_control(const char *type);

#endif							/* NOETL_PLAYBOOK_KEYS_H */
