import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OptionsError, parseOptions } from '@labmesh/kit/options';
import { layGround } from './ground.ts';
import { labdOptions, type LabdOptions } from './labd-options.ts';

let dataDir: string;
beforeAll(() => void (dataDir = mkdtempSync(join(tmpdir(), 'labmesh-ground-'))));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const { values } = parseOptions(labdOptions, { argv: [], env: {} });
const lay = (settings: Partial<LabdOptions>) => layGround({ ...values, dataDir, ...settings });

/** What is said of settings, and the exit code. */
function refused(settings: Partial<LabdOptions>): string {
  try {
    lay(settings);
    return 'none';
  } catch (error) {
    const { exitCode, message } = error as OptionsError;
    return `${exitCode} ${message}`;
  }
}

describe('what nodes need', () => {
  test('usual: loopback, and a range whose first address is the hub’s', () => {
    expect(lay({})).toMatchObject({ node: { host: '127.0.0.1', port: 3102 }, range: { hub: '10.90.0.1' } });
    expect(lay({ conplaneListen: '' }).node).toBeUndefined();
  });

  test.each([
    [{ conplaneListen: '0.0.0.0:3102' }, 'conplane.url'],
    [{ conplaneListen: '3102' }, 'conplane.listen'],
    [{ conplaneUrl: 'http://lab.test' }, 'conplane.url'],
    [{ conplaneRange: '10.90.0.1/16' }, 'conplane.range'],
    [{ conplaneRange: 'fd00::/64' }, 'conplane.range'],
  ] satisfies [Partial<LabdOptions>, string][])('%p is refused', (settings, key) => {
    expect(refused(settings)).toStartWith('3 ');
    expect(refused(settings)).toContain(key);
  });

  test('who listens for others says by which name', () => {
    expect(refused({ conplaneListen: '0.0.0.0:3102', conplaneUrl: 'https://lab.test:3102' })).toBe('none');
  });
});

describe('what people and agents need', () => {
  test.each([
    [{ listen: '0.0.0.0:3100' }, 'labd.public_url'],
    [{ agentListen: '192.0.2.1:3101' }, 'labd.agent_url'],
    [{ publicUrl: 'ftp://lab.test' }, 'labd.public_url'],
    [{ peerUrl: 'nonsense' }, 'labd.peer_url'],
    [{ listen: '127.0.0.1:99999' }, 'labd.listen'],
    [{ replicaId: 'one' }, 'labd.replica_id'],
    [{ frameBytesMax: 32_768 }, 'hub.frame_max: is 64KiB'],
    [{ windowBytes: 131_072 }, 'hub.window: is 256KiB'],
    [{ windowBytesMax: 8_388_608 }, 'hub.window_max: is 4MiB'],
  ] satisfies [Partial<LabdOptions>, string][])('%p is refused', (settings, key) =>
    expect(refused(settings)).toContain(key),
  );

  test('the replica’s id is made once', () => {
    expect(lay({}).replicaId).toBe(lay({}).replicaId);
  });
});
