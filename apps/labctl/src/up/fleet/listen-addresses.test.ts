import { describe, expect, test } from 'bun:test';
import { type AddressInfo, createServer } from 'node:net';
import { parseConfig } from '@labmesh/kit/config-file';
import type { CommandError } from '../../command-error.ts';
import { readFleetSettings } from './fleet-settings.ts';
import { listenAddresses } from './listen-addresses.ts';

/** Somebody else's listener. */
async function holdPort(): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())) };
}

const settingsOf = (toml: string, env: Record<string, string> = {}) =>
  readFleetSettings({ ...parseConfig('labmesh.toml', toml), known: [] }, env);

/** Settings nobody chose: the usual addresses, but on a port that the test may take. */
function usual(listen: string, agentListen = '127.0.0.1:0') {
  const { labd } = readFleetSettings(undefined, {});
  return { labd: { ...labd, listen, agentListen, conplaneListen: '127.0.0.1:0' }, isSet: () => false };
}

test('AG-2 labels of the agent stand as a table here, too', () => {
  const { agent } = settingsOf('[agent]\nlabels = { rack = "r1" }\n');
  expect(agent.labels).toEqual(['rack=r1']);
});

describe('where labd listens in labctl up', () => {
  test('LD-1 the usual ports when nobody has them', async () => {
    const { labd, isSet } = readFleetSettings(undefined, {});
    const { listen, agentListen, conplaneListen } = labd;
    expect([listen, agentListen, conplaneListen]).toEqual(['127.0.0.1:3100', '127.0.0.1:3101', '127.0.0.1:3102']);
    expect([isSet('listen'), isSet('dataDir'), isSet('adminSocket'), isSet('metricsListen')]).toEqual(
      Array(4).fill(false),
    );
    await using held = await holdPort();
    const { port } = held;
    await held[Symbol.asyncDispose]();
    expect(await listenAddresses(usual(`127.0.0.1:${port}`), false)).toEqual({
      listen: `127.0.0.1:${port}`,
      agentListen: '127.0.0.1:0',
      nodeListen: '127.0.0.1:0',
      notes: [],
    });
  });

  test('one that is taken, and that nobody chose, gives way to a free one and is told', async () => {
    await using held = await holdPort();
    const { listen, agentListen, notes } = await listenAddresses(
      usual(`127.0.0.1:${held.port}`, `127.0.0.1:${held.port}`),
      false,
    );
    expect([listen, agentListen]).toEqual(['127.0.0.1:0', '127.0.0.1:0']);
    expect(notes[0]).toStartWith(`port ${held.port} is in use by `);
    expect(notes[0]).toEndWith('labd took a free one for the API; labd.listen chooses');
    expect(notes[1]).toEndWith('labd took a free one for agents; labd.agent_listen chooses');
  });

  test('the listener for nodes may be left out', async () => {
    const settings = settingsOf('[conplane]\nlisten = ""\n');
    expect((await listenAddresses(settings, true)).nodeListen).toBe('');
  });

  test.each([
    ['labd', 'listen'],
    ['labd', 'agent_listen'],
    ['conplane', 'listen'],
  ])('a configured one that is taken ends the start: %s.%s', async (table, key) => {
    await using held = await holdPort();
    const settings = settingsOf(`[${table}]\n${key} = "127.0.0.1:${held.port}"\n`);
    const error = await listenAddresses(settings, true).then(
      () => undefined,
      (thrown: CommandError) => thrown,
    );
    expect(error?.message).toStartWith(`port ${held.port} is in use by `);
    expect(error?.message).toEndWith(` (pid ${process.pid}), and ${table}.${key} wants it`);
    expect(error?.hint).toContain('--no-fleet');
    expect(error?.exitCode).toBe(8);
  });

  test('LD-9 LABD_PORT is a choice, and --port 0 leaves choices alone', async () => {
    await using held = await holdPort();
    const { port } = held;
    await held[Symbol.asyncDispose]();
    expect(await listenAddresses(settingsOf('', { LABD_PORT: String(port) }), true)).toEqual({
      listen: `127.0.0.1:${port}`,
      agentListen: '127.0.0.1:0',
      nodeListen: '127.0.0.1:0',
      notes: [],
    });
  });

  test('what the file says of labd is set, with its place in errors', () => {
    const { labd, agent, isSet } = settingsOf(
      '[labd]\ndata_dir = "/srv/labd"\n[agent]\nhostname = "here"\n[ca]\nagent_ttl = "1h"\n',
    );
    expect([labd.dataDir, labd.agentTtlMs, agent.hostname]).toEqual(['/srv/labd', 3_600_000, 'here']);
    expect([isSet('dataDir'), isSet('agentTtlMs'), isSet('listen')]).toEqual([true, true, false]);
    expect(() => settingsOf('[labd]\nlissten = "x"\n')).toThrow('labmesh.toml:2: labd.lissten: unknown key');
  });
});
