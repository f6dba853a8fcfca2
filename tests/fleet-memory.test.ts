/**
 * Memory while somebody else is away or slow (AG-5, P4; MeshAgent#281, salt#27323, ws#1218): an agent without its labd, and
 * labd and agent between a command that never stops talking and a reader that has stopped.
 */
import { expect, test } from 'bun:test';
import { openClient } from './harness/fleet/fleet-exec.ts';
import { rssMiB, waitFor } from './harness/fleet/look.ts';
import { freePorts } from './harness/fleet/two-replicas.ts';
import { startAgent, startLabd } from './harness/start-labd.ts';
import { openSchema } from '@labmesh/wire/frame/open';

const longMs = 300_000;
/** RSS also grows for reasons of its own, such as code that is compiled; what piles up would show in each of them. */
const windowsMax = 6;

/**
 * The least that these processes grew, MiB each, over windows that `pass` makes; ends with the first below `maxMib`. What
 * `pass` gives is called after the look at them.
 */
async function leastGrowth(
  pids: readonly number[],
  maxMib: number,
  pass: () => Promise<void | (() => Promise<void>)>,
): Promise<number[]> {
  const windows: number[][] = [];
  while (windows.length < windowsMax && !windows.some((grown) => grown.every((mib) => mib < maxMib))) {
    const before = pids.map(rssMiB);
    const after = await pass();
    windows.push(pids.map((pid, at) => rssMiB(pid) - before[at]!));
    await after?.();
  }
  console.log('grew, MiB:', windows.map((grown) => grown.map((mib) => mib.toFixed(1)).join(' ')).join(', '));
  return windows.toSorted((one, other) => Math.max(...one) - Math.max(...other))[0]!;
}

test(
  'AG-5 labd is away: an agent that tries again and again grows by less than 4 MiB',
  async () => {
    const [api = 0, agents = 0] = await freePorts(2);
    const labd = await startLabd({ ports: [api, agents] });
    await using opened = new AsyncDisposableStack();
    opened.defer(() => labd[Symbol.asyncDispose]());
    await using agent = await startAgent(labd, 'web-1', {
      toml: 'reconnect_min = "20ms"\nreconnect_max = "60ms"',
    });
    labd.daemon.signal('SIGKILL');
    await labd.daemon.exited;
    const tries = () => agent.daemon.said.split('labd cannot be reached').length - 1;
    const more = async (count: number) => {
      const from = tries();
      await waitFor(() => tries() >= from + count, longMs);
    };
    await more(20);
    const [grown] = await leastGrowth([agent.daemon.pid], 4, () => more(30));
    expect(grown).toBeLessThan(4);
  },
  longMs,
);

test(
  'T5 `yes` and a reader that has stopped: labd and the agent grow by less than 8 MiB each, and it goes on',
  async () => {
    await using labd = await startLabd({ logLevel: 'info' });
    await using agent = await startAgent(labd, 'web-1', { logLevel: 'info' });
    await using client = openClient([{ socket: labd.socket }]);
    const channel = await client.open(openSchema.parse({ kind: 'exec', server: 'web-1', argv: ['yes'], stdin: false }));
    let bytes = 0;
    let isWrong = false;
    let held: Promise<void> | undefined;
    channel.handle({
      data: (_stream, part) => {
        for (const [at, byte] of part.entries()) isWrong ||= byte !== ((bytes + at) % 2 === 0 ? 0x79 : 0x0a);
        bytes += part.length;
        return held;
      },
    });
    const reads = (more: number) => {
      const from = bytes;
      return waitFor(() => bytes > from + more, longMs);
    };
    await reads(20_000_000);
    // What is under way may still fill windows; then everybody waits.
    const isStill = async () => {
      const had = bytes;
      await Bun.sleep(500);
      return bytes === had;
    };
    const stop = async () => {
      const stopped = Promise.withResolvers<void>();
      held = stopped.promise;
      await waitFor(isStill, longMs);
      await Bun.sleep(1_000);
      return async () => {
        held = undefined;
        stopped.resolve();
        await reads(5_000_000);
      };
    };
    const grown = await leastGrowth([labd.daemon.pid, agent.daemon.pid], 8, stop);
    for (const mib of grown) expect(mib).toBeLessThan(8);
    expect(isWrong).toBe(false);
    channel.sendSignal('KILL');
    expect(await channel.closed).toMatchObject({ reason: 'ok' });
  },
  longMs,
);

test(
  'AG-5 a clock that is ten minutes off: the agent says so, and works; one minute is nothing to speak of',
  async () => {
    const text = 'differ by more than 5 minutes';
    // Behind: certificates of a labd that is far ahead are not valid yet, and that is told elsewhere.
    for (const [minutes, isTold] of [
      [10, true],
      [1, false],
    ] as const) {
      await using labd = await startLabd({ clockOffMs: -minutes * 60_000, logLevel: 'info' });
      await using agent = await startAgent(labd, 'web-1');
      if (isTold) await agent.daemon.says(text);
      expect(agent.daemon.said.includes(text)).toBe(isTold);
      const ran = await labd.labctl('exec', 'web-1', '--local', '--', 'echo', 'here');
      expect(ran).toMatchObject({ exitCode: 0, stdout: 'here\n' });
    }
  },
  longMs,
);
