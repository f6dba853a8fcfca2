/**
 * A thread that waits until a TUN has packets, so that the event loop need not: the runtime's own pool of threads for
 * files has as many as the machine has cores, and a read pending in each would stop all other file access. Reads
 * nothing itself. An entry point of its own in the single-file program.
 */
import { libc } from '../ffi/libc.ts';
import { type FromTunWaiter, pollError, pollIn, type ToTunWaiter, waiterStates } from './tun-waiter-messages.ts';

declare const self: Worker;

/** It looks this often whether it should end. */
const pollMs = 500;

const tell = (message: FromTunWaiter) => self.postMessage(message, []);

function wait({ fd, cell }: ToTunWaiter): void {
  // struct pollfd: descriptor, asked events, found events.
  const asked = Int32Array.of(fd, 0);
  for (;;) {
    Atomics.wait(cell, 0, waiterStates.paused);
    if (Atomics.load(cell, 0) === waiterStates.stopped) return;
    asked[1] = pollIn;
    const ready = libc().poll(asked, 1, pollMs);
    if (ready === 0) continue;
    // Paused before it is told, so that being armed again comes after.
    Atomics.compareExchange(cell, 0, waiterStates.armed, waiterStates.paused);
    const events = ready < 0 ? 0 : (asked[1] ?? 0) >>> 16;
    if ((events & pollError) !== 0) return;
    tell('readable');
  }
}

self.addEventListener('message', ({ data }: MessageEvent<ToTunWaiter>) => {
  wait(data);
  tell('ended');
});
