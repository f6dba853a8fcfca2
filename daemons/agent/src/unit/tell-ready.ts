/**
 * What systemd hears from the agent (AG-10): READY once this version is beyond doubt, its state as status, and the
 * watchdog's beat as long as the event loop turns. Outside systemd it does nothing.
 */
import { notifySystemd } from './notify-socket.ts';

/** A third of WatchdogSec of the unit. */
const beatMs = 20_000;

/** @param ready resolves when READY may be told; never, for a version that does not prove itself. */
export function tellReady(state: () => string, ready: Promise<void>): Disposable {
  const path = process.env['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return { [Symbol.dispose]: () => {} };
  const tell = (...lines: string[]) => {
    // A beat that is lost is followed by the next; if none gets through, systemd restarts us, which is its purpose.
    try {
      notifySystemd(path, [...lines, `STATUS=${state()}`]);
    } catch {}
  };
  let isOver = false;
  void ready.then(() => {
    if (!isOver) tell('READY=1');
  });
  const timer = setInterval(() => tell('WATCHDOG=1'), beatMs);
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      clearInterval(timer);
      tell('STOPPING=1');
    },
  };
}
