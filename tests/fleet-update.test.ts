/**
 * Updates of real agents under a supervisor, from a real labd (AG-8, AG-9, acceptance 13): a good release arrives, every
 * kind of bad one leaves the old one running and is not tried twice.
 */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { utimesSync, writeFileSync } from 'node:fs';
import { Link, LinkClosed } from '@labmesh/link/link';
import type { Rollout } from '@labmesh/wire/fleet/resources/rollouts';
import type { Agent } from '@labmesh/wire/fleet/resources/servers';
import { agentProgram, arch, InstalledAgent, ReleaseMaker } from './harness/fleet/agent-install.ts';
import { enrolMachine } from './harness/fleet/fleet-identities.ts';
import { dialSocket, helloOf, upgradeStatus } from './harness/fleet/fleet-sockets.ts';
import { doorOf, HttpsLine } from './harness/raw-https.ts';
import { type RunningLabd, startLabd } from './harness/start-labd.ts';

const maker = new ReleaseMaker();
let labd: RunningLabd;
let agent: InstalledAgent;
let program: string;
/** Another machine, which asks by hand. */
let probe: HttpsLine;

beforeAll(async () => {
  [labd, program] = await Promise.all([startLabd(), agentProgram('0.2.0')]);
  probe = new HttpsLine(doorOf(labd.agents), await enrolMachine(labd, 'agent', 'probe'));
  agent = new InstalledAgent('web-1');
  await agent.start(labd, '0.1.0', await agentProgram('0.1.0'), { releaseKey: maker.text });
}, 60_000);
afterAll(async () => {
  probe[Symbol.dispose]();
  await agent[Symbol.asyncDispose]();
  await labd[Symbol.asyncDispose]();
});

/** The same program as another version. */
const as = (version: string) => program.replaceAll('"0.2.0"', JSON.stringify(version));
const artifact = (version: string, headers = {}) =>
  probe.call('GET', `/api/agent/artifacts/${version}/${arch}`, { headers });
const seen = (name = 'web-1') => labd.call<Agent>('GET', `/api/agents/${name}`);
const update = (version: string, more = {}) => labd.call('POST', '/api/agents/web-1/update', { version, ...more });

/** Wishes for a version and waits until the agent has called it bad. */
async function turnsOutBad(version: string): Promise<string | undefined> {
  await update(version);
  await agent.until(async () => (await seen()).badVersions.includes(version), `rid of ${version}`);
  await agent.until(async () => (await seen()).status === 'online', 'back');
  return agent.memory().bad?.find((one) => one.version === version)?.reason;
}

test('AG-8 a signed release is fetched, tried, confirmed; the one before stays as the way back', async () => {
  maker.publish(labd, '0.2.0', program);
  await update('0.2.0');
  await agent.until(() => agent.link('confirmed') === '0.2.0', 'confirmed');
  await agent.until(async () => (await seen()).updateState === 'idle', 'at rest');
  expect(await seen()).toMatchObject({ version: '0.2.0', desiredVersion: '0.2.0', badVersions: [], status: 'online' });
  expect(agent.link('current')).toBe('0.2.0');
  expect(agent.versions().toSorted()).toEqual(['0.1.0', '0.2.0']);
  expect(agent.memory().trial).toBeUndefined();
  expect(agent.starts).toEqual(['0.1.0', '0.2.0']);
}, 90_000);

describe('update kills the agent: the old one is back, and it is not tried again', () => {
  const bad: [string, string, string, string][] = [
    ['that exits at once', '0.3.1', '#!/bin/sh\nexit 1\n', 'exits'],
    ['that is no program', '0.3.2', 'no program at all', 'exits'],
    ['that hangs', '0.3.3', '#!/bin/sh\nexec sleep 600\n', 'not-confirmed'],
  ];
  test.each(bad)(
    'a version %s',
    async (_how, version, content, reason) => {
      maker.publish(labd, version, content);
      expect(await turnsOutBad(version)).toBe(reason);
      expect([agent.link('current'), agent.link('confirmed')]).toEqual(['0.2.0', '0.2.0']);
      expect((await seen()).version).toBe('0.2.0');
    },
    90_000,
  );

  test('a version that cannot connect', async () => {
    maker.publish(labd, '0.3.4', as('0.3.4').replaceAll('}/ws/agent', '}/ws/nowhere'));
    expect(await turnsOutBad('0.3.4')).toBe('not-confirmed');
    expect(agent.link('current')).toBe('0.2.0');
  }, 90_000);

  test('a version that somebody else signed is not even fetched', async () => {
    const other = new ReleaseMaker();
    const content = as('0.3.5');
    maker.publish(labd, '0.3.5', content, other.sign('0.3.5', Buffer.from(content)));
    expect(await turnsOutBad('0.3.5')).toBe('signature');
    // Signed by the right one, but as another version or for another machine.
    maker.publish(labd, '0.3.6', content, maker.sign('0.2.0', Buffer.from(content)));
    expect(await turnsOutBad('0.3.6')).toBe('signature');
    maker.publish(labd, '0.3.7', content, maker.sign('0.3.7', Buffer.from(content), 'riscv'));
    expect(await turnsOutBad('0.3.7')).toBe('signature');
    expect(agent.versions().toSorted()).toEqual(expect.not.arrayContaining(['0.3.5', '0.3.6', '0.3.7']));
  }, 90_000);

  test('a file that is another than the one that was signed never becomes executable', async () => {
    const content = as('0.3.8');
    const path = maker.publish(labd, '0.3.8', content);
    await changeOnTheWay('0.3.8', path, content);
    expect(await turnsOutBad('0.3.8')).toBe('sha256');
    expect(agent.versions()).not.toContain('0.3.8');
    expect(agent.versions().filter((name) => name.endsWith('.part'))).toEqual([]);
  }, 90_000);

  test('none of them is tried again when it is wished for again', async () => {
    const before = agent.starts.length;
    for (const version of ['0.3.1', '0.3.4', '0.3.5', '0.3.8']) await update(version);
    await Bun.sleep(2_500);
    expect(agent.starts.length).toBe(before);
    expect(agent.link('current')).toBe('0.2.0');
    const begun = [...agent.said.matchAll(/"the update begins","version":"([\d.]+)"/g)].map(([, version]) => version);
    expect(new Set(begun).size).toBe(begun.length);
  }, 90_000);
});

/** labd has read the file, and then it changes in a way that labd does not see: size, time and inode stay. */
async function changeOnTheWay(version: string, path: string, content: string): Promise<void> {
  const noon = new Date('2026-01-01T12:00:00Z');
  utimesSync(path, noon, noon);
  const answer = await artifact(version, { range: 'bytes=0-9' });
  expect([answer.status, answer.body]).toEqual([206, content.slice(0, 10)]);
  const other = content.replace('nothing listens here', 'NOTHING listens here');
  expect(other).not.toBe(content);
  writeFileSync(path, other);
  utimesSync(path, noon, noon);
}

describe('AG-9 sessions, pins, the way back', () => {
  const exec = (seconds: number) =>
    labd.labctl('exec', 'web-1', '--local', '--', 'sh', '-c', `sleep ${seconds}; echo through`);

  test('an update waits for the session that runs', async () => {
    maker.publish(labd, '0.4.0', as('0.4.0'));
    const running = exec(4);
    await agent.until(
      async () => (await labd.call<{ items: unknown[] }>('GET', '/api/sessions?state=open')).items.length > 0,
      'busy',
    );
    await update('0.4.0');
    await agent.until(async () => (await seen()).updateState === 'waiting', 'waiting');
    expect(agent.link('current')).toBe('0.2.0');
    expect(await running).toMatchObject({ exitCode: 0, stdout: 'through\n' });
    await agent.until(() => agent.link('confirmed') === '0.4.0', 'confirmed');
  }, 90_000);

  test('--now ends it; rollback takes the version before', async () => {
    await agent.until(async () => (await seen()).updateState === 'idle', 'at rest');
    const running = exec(30);
    await agent.until(
      async () => (await labd.call<{ items: unknown[] }>('GET', '/api/sessions?state=open')).items.length > 0,
      'busy',
    );
    const back = await labd.labctl('agents', 'rollback', 'web-1', '--now', '--local', '-o', 'json');
    expect(JSON.parse(back.stdout)).toMatchObject({ desiredVersion: '0.2.0' });
    expect((await running).exitCode).not.toBe(0);
    await agent.until(() => agent.link('confirmed') === '0.2.0', 'confirmed');
    expect((await seen()).version).toBe('0.2.0');
  }, 90_000);

  test('a pinned agent is not updated; off it is', async () => {
    await agent.until(async () => (await seen()).updateState === 'idle', 'at rest');
    expect((await labd.labctl('agents', 'pin', 'web-1', '0.2.0', '--local')).exitCode).toBe(0);
    expect(await thrower(update('0.4.0'))).toThrow('pinned to 0.2.0');
    await labd.call('POST', '/api/agents/update', { version: '0.4.0' });
    await Bun.sleep(2_500);
    expect(agent.link('current')).toBe('0.2.0');
    expect((await labd.labctl('agents', 'pin', 'web-1', '--off', '--local')).exitCode).toBe(0);
    await agent.until(() => agent.link('confirmed') === '0.4.0', 'confirmed');
    await labd.call('POST', '/api/agents/update', { version: null });
  }, 90_000);
});

test('AG-9 a rollout: one at a time, the others stay connected; who takes none is left out', async () => {
  const settings = { releaseKey: maker.text, token: { labels: { ring: 'canary' } } };
  const first = await agentProgram('0.1.0');
  await using one = await new InstalledAgent('ring-1').start(labd, '0.1.0', first, settings);
  await using two = await new InstalledAgent('ring-2').start(labd, '0.1.0', first, settings);
  const off = { ...settings, toml: 'update = false' };
  await using three = await new InstalledAgent('ring-3').start(labd, '0.1.0', first, off);
  const words = ['--version', '0.4.0', '--ring', 'canary', '--max-unavailable', '10%', '--local', '-o', 'json'];
  expect((await labd.labctl('agents', 'update', ...words)).exitCode).toBe(0);
  const state = async () => (await labd.call<{ items: Rollout[] }>('GET', '/api/rollouts')).items[0]!;
  let mostAway = 0;
  await one.until(async () => {
    const { updating, away, state: now } = await state();
    mostAway = Math.max(mostAway, updating + away);
    return now === 'done';
  }, 'rolled out');
  expect(mostAway).toBe(1);
  expect([one.link('current'), two.link('current'), three.link('current')]).toEqual(['0.4.0', '0.4.0', '0.1.0']);
  expect(await state()).toMatchObject({ ring: 'canary', agents: 3, done: 2, left: 1, bad: 0 });
  expect((await seen('ring-3')).updateState).toBe('off');
}, 40_000);

describe('HB-3 labd and agents of other versions', () => {
  const greet = async (more: Record<string, unknown>) => {
    const machine = await enrolMachine(labd, 'agent', `old-${++machines}`);
    const socket = await dialSocket(doorOf(labd.agents), '/ws/agent', { identity: machine });
    if (typeof socket === 'number') throw new Error(`the agents' door answered ${socket}`);
    const link = new Link(socket, {}, { side: 'odd' });
    return link.hello({ ...helloOf('agent', machine.serverId), ...more }).finally(() => link.close('goingAway'));
  };
  let machines = 0;

  test('an agent to come speaks our version too, and says things that we do not know', async () => {
    expect(await greet({ protocols: [3, 2, 1], version: '9.0.0', weather: { rain: true } })).toMatchObject({
      protocol: 1,
    });
  });

  test('an agent of the version before says less', async () => {
    expect(await greet({ arch: undefined, capabilities: undefined, sessions: undefined })).toMatchObject({
      protocol: 1,
    });
  });

  test('a link of another time is refused before it opens: 426 VERSION_UNSUPPORTED', async () => {
    const identity = await enrolMachine(labd, 'agent', `old-${++machines}`);
    const later = { 'sec-websocket-protocol': 'labmesh.link.v9' };
    expect(await upgradeStatus(doorOf(labd.agents), '/ws/agent', { identity, headers: later })).toBe(426);
    const both = { 'sec-websocket-protocol': 'labmesh.link.v9, labmesh.link.v1' };
    expect(await upgradeStatus(doorOf(labd.agents), '/ws/agent', { identity, headers: both })).toBe(101);
  });

  test('one that has left our version behind is told so: 4426', async () => {
    const refused = await greet({ protocols: [2, 3] }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(LinkClosed);
    expect((refused as LinkClosed).code).toBe(4426);
  });
});
