/*
 * playbook/node.c
 *		Reading the nodes of a YAML document, and making new ones.
 */
#include "common/common.h"

#include "playbook/node.h"

/* Returns a member of a map that is there and not null; else NULL.  map may be NULL. */
const YamlNode *
playbook_member(const YamlNode *map, const char *key)
{
	const YamlNode *value;

	if (map == NULL || map->kind != YN_MAP)
		return NULL;
	value = yaml_member(map, key);
	return value != NULL && value->kind != YN_NULL ? value : NULL;
}

/* Returns the first of several members that is there and not null; else NULL. */
const YamlNode *
playbook_first_member(const YamlNode *map, const char *const *keys)
{
	const YamlNode *value = NULL;

	for (int i = 0; value == NULL && keys[i] != NULL; i++)
		value = playbook_member(map, keys[i]);
	return value;
}

/*
 * Returns the text of a scalar as written, as a step may be called 1; NULL for
 * null, lists, maps and the empty string.
 */
char *
playbook_scalar_text(const YamlNode *node)
{
	if (node == NULL || node->kind == YN_NULL || node->kind == YN_LIST ||
		node->kind == YN_MAP || node->length == 0)
		return NULL;
	return pnstrdup(node->string, node->length);
}

/* Returns whether a name is a word, whatever its case and the space around it. */
bool
playbook_name_is(const char *name, const char *word)
{
	int			length = strlen(name);
	int			skip = strspn(name, " \t\r\n");

	while (length > skip && strchr(" \t\r\n", name[length - 1]) != NULL)
		length--;
	return length - skip == (int) strlen(word) &&
		pg_strncasecmp(name + skip, word, length - skip) == 0;
}

/* Returns a string at the place of another node. */
YamlNode *
playbook_new_string(const YamlNode *like, const char *text)
{
	YamlNode   *node = palloc0(sizeof(YamlNode));

	node->kind = YN_STRING;
	node->line = like->line;
	node->column = like->column;
	node->string = pstrdup(text);
	node->length = strlen(text);
	return node;
}

/* Returns a map without members, with room for some, at the place of another node. */
YamlNode *
playbook_new_map(const YamlNode *like, int capacity)
{
	YamlNode   *map = palloc0(sizeof(YamlNode));

	map->kind = YN_MAP;
	map->line = like->line;
	map->column = like->column;
	map->pairs = palloc_extended(sizeof(YamlPair) * (capacity + 1),
								 MCXT_ALLOC_HUGE);
	return map;
}

/* Appends a member to a map that has room for it. */
void
playbook_add_pair(YamlNode *map, YamlNode *key, YamlNode *value)
{
	map->pairs[map->count].key = key;
	map->pairs[map->count].value = value;
	map->count++;
}
