/**
 * Rotation of the root with agents that live (CA-10, CA-11): who is connected learns the new roots at once, so that no
 * step needs --force; who was away for a step, or joins during one, is fine when it is over.
 */
import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { waitFor } from './harness/fleet/look.ts';
import { type RunningAgent, type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';

const toml = '[hub]\nheartbeat = "1s"\n[ca]\nphase_min = "1ms"';
const quick = 'reconnect_min = "200ms"\nreconnect_max = "1s"';
const longMs = 120_000;
/** Of one rotation, after `init`. */
const steps = ['update_clients', 'update_servers', 'standby'] as const;

type Ca = { phase: string; pins: string[]; behind: string[] };

const caOf = (labd: RunningLabd) => labd.call<Ca>('GET', '/api/ca');
const step = (labd: RunningLabd, to: string, force = false) => labd.call<Ca>('POST', '/api/ca/rotation', { to, force });
/** Until nobody but these lacks the roots of now. */
const behindAre = (labd: RunningLabd, names: readonly string[]) =>
  waitFor(async () => JSON.stringify((await caOf(labd)).behind) === JSON.stringify(names), 30_000);

async function worksOn(labd: RunningLabd, name: string): Promise<void> {
  const ran = await labd.labctl('exec', name, '--local', '--', 'echo', 'here');
  expect(ran).toMatchObject({ exitCode: 0, stdout: 'here\n' });
}

const timesConnected = ({ daemon }: RunningAgent) => daemon.said.split('"connected"').length - 1;

test(
  'CA-10 with a live agent every step goes by itself, twice in a row, and nothing is restarted',
  async () => {
    await using labd = await startLabd({ toml });
    await using agent = await startAgent(labd, 'live', { toml: quick });
    const first = (await caOf(labd)).pins;
    for (let round = 0; round < 2; round++) {
      const before = (await caOf(labd)).pins;
      expect((await step(labd, 'init')).pins).toHaveLength(2);
      for (const to of steps) {
        await behindAre(labd, []);
        expect((await step(labd, to)).phase).toBe(to);
      }
      await behindAre(labd, []);
      expect((await caOf(labd)).pins).not.toEqual(before);
    }
    expect((await caOf(labd)).pins).not.toEqual(first);
    await worksOn(labd, 'live');
    expect(timesConnected(agent)).toBe(1);
    // It dials by the new roots alone from here on.
    agent.daemon.signal('SIGTERM');
    await agent.daemon.exited;
    await using again = await agent.again();
    await worksOn(labd, again.hostname);
  },
  longMs,
);

test(
  'CA-11 in each phase one agent is off and one joins: all of them are fine after the last step',
  async () => {
    await using labd = await startLabd({ toml });
    await using all = new AsyncDisposableStack();
    const start = async (name: string) => all.use(await startAgent(labd, name, { toml: quick }));
    await start('always');
    const sleepers: RunningAgent[] = [];
    for (const name of ['asleep-1', 'asleep-2', 'asleep-3']) sleepers.push(await start(name));
    const names = ['always', 'joined-1', 'joined-2', 'joined-3'];

    for (const [index, to] of (['init', 'update_clients', 'update_servers'] as const).entries()) {
      const sleeper = sleepers[index]!;
      sleeper.daemon.signal('SIGKILL');
      await sleeper.daemon.exited;
      // Only who slept through `init` lacks the new root; it is named, and a step without --force is refused.
      if (index > 0) expect(await thrower(step(labd, to))).toThrow('asleep-1');
      await step(labd, to, index > 0);
      await start(`joined-${index + 1}`);
      // Who is to sleep next says with a heartbeat first that it has the roots.
      await behindAre(labd, ['asleep-1']);
    }
    await step(labd, 'standby', true);
    await behindAre(labd, ['asleep-1', 'asleep-2', 'asleep-3']);

    for (const sleeper of sleepers) all.use(await sleeper.again());
    await behindAre(labd, []);
    for (const name of [...names, ...sleepers.map(({ hostname }) => hostname)]) await worksOn(labd, name);
  },
  longMs,
);
