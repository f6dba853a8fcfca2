/** What `crowd.ts` looks at a hub with. */
import { expect, test } from 'bun:test';
import { Lateness } from './lateness.ts';
import { spentSince, threadCpu } from './thread-cpu.ts';

const patienceMs = 20_000;

function busyFor(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

test('a timer is as late as the thread was busy', async () => {
  const lateness = new Lateness();
  const seen: number[] = [];
  for (const until = performance.now() + patienceMs; Math.max(0, ...seen) < 40 && performance.now() < until;) {
    await Bun.sleep(10);
    busyFor(60);
    // The late timer comes first, then this.
    await Bun.sleep(10);
    seen.push(...lateness.take());
  }
  expect(Math.max(...seen)).toBeGreaterThanOrEqual(40);
  expect(seen.every((ms) => ms >= 0)).toBe(true);
});

test('CPU of the first thread and of workers is told apart', async () => {
  const before = threadCpu(process.pid);
  const source = 'postMessage(1); for (const until = performance.now() + 20000; performance.now() < until;);';
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  await new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }));
  let spent = spentSince(threadCpu(process.pid), before);
  for (const until = performance.now() + patienceMs; spent.workersMs < 50 && performance.now() < until;) {
    busyFor(20);
    await Bun.sleep(5);
    spent = spentSince(threadCpu(process.pid), before);
  }
  worker.terminate();
  expect(spent.workersMs).toBeGreaterThanOrEqual(50);
  // By different clocks of the kernel: what all threads took is told in ticks, and later.
  for (const ms of [spent.allMs, spent.mainMs]) expect(ms).toBeGreaterThanOrEqual(0);
  expect(spent.mainWaitedMs).toBeGreaterThanOrEqual(0);
});
