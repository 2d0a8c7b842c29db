/*
 * server_shim.h
 *		See server_shim.c.
 */
#ifndef SERVER_SHIM_H
#define SERVER_SHIM_H

extern void shim_reset(void);

#endif							/* SERVER_SHIM_H */
