/*
 * playbook/node.h
 *		Reading the nodes of a YAML document, and making new ones.
 */
#ifndef NOETL_PLAYBOOK_NODE_H
#define NOETL_PLAYBOOK_NODE_H

#include "common/common.h"
#include "yaml/yaml.h"

/* Returns a member of a map that is there and not null; else NULL.  map may be NULL. */
extern const YamlNode *playbook_member(const YamlNode *map, const char *key);

/* Returns the first of several members that is there and not null; else NULL. */
extern const YamlNode *playbook_first_member(const YamlNode *map, const char *const *keys);

/* Returns the text of a scalar as written; NULL for null, lists, maps and "". */
extern char *playbook_scalar_text(const YamlNode *node);

/* Returns whether a name is a word, whatever its case and the space around it. */
extern bool playbook_name_is(const char *name, const char *word);

/* Returns a string at the place of another node. */
extern YamlNode *playbook_new_string(const YamlNode *like, const char *text);

/* Returns a map without members, with room for some, at the place of another node. */
extern YamlNode *playbook_new_map(const YamlNode *like, int capacity);

/* Appends a member to a map that has room for it. */
extern void playbook_add_pair(YamlNode *map, YamlNode *key, YamlNode *value);

#endif							/* NOETL_PLAYBOOK_NODE_H */
