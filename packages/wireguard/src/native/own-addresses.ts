import { networkInterfaces } from 'node:os';

/** A look costs 0.1 ms. */
const lookMs = 1_000;

/** The machine's own addresses but those of loopback and of one interface, as text to compare. */
function ownAddresses(except: string): string {
  const interfaces = Object.entries(networkInterfaces()).filter(([name]) => name !== except);
  const addresses = interfaces.flatMap(([, found = []]) => found).filter((one) => !one.internal);
  return addresses
    .map((one) => one.address)
    .toSorted()
    .join();
}

/**
 * Calls `onMoved` when the machine's addresses changed: sockets that are connected keep the address they began with, even
 * when it is no longer ours (spec tunnel.md N3). Ends with what it gives.
 */
export function watchOwnAddresses(except: string, onMoved: () => void): Disposable {
  let known = ownAddresses(except);
  const timer = setInterval(() => {
    const found = ownAddresses(except);
    if (found === known) return;
    known = found;
    onMoved();
  }, lookMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
