/** Between a TUN and the thread that waits for its packets. */

export const pollIn = 0x1;
/** POLLERR, POLLHUP or POLLNVAL: the interface is gone. */
export const pollError = 0x8 | 0x10 | 0x20;

/** Values of the shared cell: the waiter is idle, waits for packets, or is to end. */
export const waiterStates = { paused: 0, armed: 1, stopped: 2 } as const;

export type ToTunWaiter = { fd: number; cell: Int32Array };
export type FromTunWaiter = 'readable' | 'ended';
