import { describe, expect, test } from 'bun:test';
import { closeSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { openTun } from '../ffi/open-tun.ts';
import { type DeviceConfig, TunnelError } from '../tunnel-device.ts';
import { chooseIsolation } from './choose-isolation.ts';
import { isInNetwork } from './cidr.ts';
import { exposedIn, exposedSockets, exposedText } from './exposed-sockets.ts';
import { checkInterfaceName, closeInterface, isForwarding } from './interface-settings.ts';
import { openIsolation } from './isolation.ts';
import { NetworkNamespace } from './network-namespace.ts';
import { hasRight, howToGrant, rightsIn } from './rights.ts';
import { canIsolate } from './testing/can-isolate.ts';

const config: DeviceConfig = {
  name: 'labman0',
  alias: 'labmesh:labman',
  role: { kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8080 },
  address: '10.90.0.2',
  range: '10.90.0.0/16',
  mtu: 1420,
  privateKey: new Uint8Array(32),
  isolation: 'netns',
};

describe('the choice (I5)', () => {
  const no = (why: string) => () => {
    throw new TunnelError('TUNNEL_ISOLATION_UNAVAILABLE', why);
  };
  const yes = () => {};

  test('namespace first, then filter, then nothing', () => {
    const both = { netns: yes, filter: yes };
    expect(chooseIsolation('auto', 'node', { probes: both })).toEqual({ kind: 'netns', rejected: [] });
    expect(chooseIsolation('auto', 'node', { probes: { netns: no('EPERM'), filter: yes } })).toEqual({
      kind: 'filter',
      rejected: [{ kind: 'netns', reason: 'EPERM' }],
    });
    expect(chooseIsolation('auto', 'hub', { probes: both }).kind).toBe('filter');
    expect(chooseIsolation('filter', 'node', { probes: both }).kind).toBe('filter');
  });

  test('the native data plane is a filter by itself; none must be written', () => {
    const probes = { netns: no('EPERM'), filter: no('no nf_tables') };
    expect(chooseIsolation('auto', 'node', { probes, innerFilter: true }).kind).toBe('filter');
    expect(chooseIsolation('none', 'node', { probes }).kind).toBe('none');
    expect(() => chooseIsolation('netns', 'hub', { probes })).toThrow('the gateway connects from the host');
    let refused: unknown;
    try {
      chooseIsolation('auto', 'node', { probes });
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({ code: 'TUNNEL_ISOLATION_UNAVAILABLE', exitCode: 5 });
    expect((refused as Error).message).toContain('netns: EPERM; filter: no nf_tables');
    expect((refused as Error).message).toContain('unit: AmbientCapabilities=CAP_SYS_ADMIN');
  });
});

test('networks', () => {
  expect(isInNetwork('10.90.3.4', '10.90.0.0/16')).toBe(true);
  expect(isInNetwork('10.91.0.1', '10.90.0.0/16')).toBe(false);
  expect(isInNetwork('10.90.128.1', '10.90.128.0/17')).toBe(true);
  expect(isInNetwork('10.90.127.1', '10.90.128.0/17')).toBe(false);
  expect(isInNetwork('fd00::7', 'fd00::/64')).toBe(true);
  expect(isInNetwork('10.90.0.1', 'fd00::/64')).toBe(false);
  expect(isInNetwork('1.2.3.4', '0.0.0.0/0')).toBe(true);
  for (const bad of ['10.0.0.0/33', '10.0.0.0/x', 'x/8', ''])
    expect(() => isInNetwork('10.0.0.1', bad)).toThrow(RangeError);
});

test('names of interfaces: none leads to another file', () => {
  for (const name of ['labman0', 'lab-hub.1', 'L']) expect(checkInterfaceName(name)).toBe(name);
  const bad = ['', 'all', 'default', '.', '..', '../x', 'a/b', 'a b', 'a\n', 'sixteen-letters-', '-x'];
  for (const name of bad) expect(() => checkInterfaceName(name), name).toThrow(RangeError);
});

test('rights', () => {
  expect([...rightsIn('CapInh:\t0\nCapEff:\t0000000000201000\n')].toSorted()).toEqual([
    'CAP_NET_ADMIN',
    'CAP_SYS_ADMIN',
  ]);
  expect([...rightsIn('CapEff:\t0000000000001000\n')]).toEqual(['CAP_NET_ADMIN']);
  expect(rightsIn('').size).toBe(0);
  expect(hasRight('CAP_NET_ADMIN')).toBe(canIsolate || hasRight('CAP_NET_ADMIN'));
  expect(howToGrant('CAP_NET_ADMIN')).toContain('--cap-add NET_ADMIN');
});

describe('exposed sockets', () => {
  const table = (rows: string[]) => `  sl  local_address rem_address   st\n${rows.join('\n')}\n`;

  test('listeners on a wildcard or another address are listed, loopback and connections are not', () => {
    const text = table([
      '   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000',
      '   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000',
      '   2: 0207A8C0:2328 00000000:0000 0A 00000000:00000000 00:00000000',
      '   3: 0207A8C0:2328 0107A8C0:1234 01 00000000:00000000 00:00000000',
    ]);
    expect(exposedIn(text, 'tcp')).toEqual([
      { protocol: 'tcp', address: '0.0.0.0', port: 22 },
      { protocol: 'tcp', address: '192.168.7.2', port: 9000 },
    ]);
    const v6 = table([
      '   0: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 0:0 00:0',
      '   1: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0',
    ]);
    expect(exposedIn(v6, 'udp')).toEqual([{ protocol: 'udp', address: '::', port: 5353 }]);
    const mapped = table([
      '   0: 0000000000000000FFFF00000100007F:0035 00000000000000000000000000000000:0000 0A 0:0 00:0',
      '   1: 0000000000000000FFFF00000207A8C0:0036 00000000000000000000000000000000:0000 0A 0:0 00:0',
    ]);
    expect(exposedIn(mapped, 'tcp')).toEqual([{ protocol: 'tcp', address: '192.168.7.2', port: 54 }]);
  });

  test('any text is read without a throw', () => {
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(exposedIn(text, 'tcp'))));
  });

  test.skipIf(process.platform !== 'linux')('of this machine (needs Linux)', async () => {
    await using server = Bun.serve({ hostname: '0.0.0.0', port: 0, fetch: () => new Response() });
    expect(exposedSockets()).toContainEqual({ protocol: 'tcp', address: '0.0.0.0', port: server.port ?? 0 });
    expect(exposedText()).not.toBe('nothing yet');
  });
});

describe.skipIf(!canIsolate)('in force (needs root)', () => {
  test('a hub gets no namespace', () => {
    expect(() => openIsolation({ ...config, role: { kind: 'hub' } })).toThrow('gateway connects from the host');
  });

  test('netns leads inside, filter and none stay here', () => {
    const here = () => readlinkSync('/proc/thread-self/ns/net');
    using space = NetworkNamespace.create();
    using netns = openIsolation(config);
    expect(netns.inside(here)).not.toBe(here());
    expect(netns.broken()).toBeUndefined();
    using filter = space.inside(() => openIsolation({ ...config, isolation: 'filter' }));
    expect(filter.inside(here)).toBe(here());
    expect(filter).toMatchObject({ kind: 'filter', detail: 'nf_tables inet labman, owned by this process' });
    const again = () => openIsolation({ ...config, isolation: 'filter' });
    expect(() => space.inside(again)).toThrow('isolation filter');
    using alone = space.inside(() => openIsolation({ ...config, isolation: 'filter' }, { innerFilter: true }));
    expect(alone.detail).toContain('by the data plane alone');
    using none = openIsolation({ ...config, isolation: 'none' });
    expect(none.kind).toBe('none');
  });

  test('an interface is closed: no forwarding, no address of its own; nothing else is written (I1, I7)', () => {
    using space = NetworkNamespace.create();
    const tun = space.inside(() => openTun('labman0'));
    const conf = '/proc/sys/net/ipv4/conf';
    const read = (path: string) => space.inside(() => readFileSync(path, 'utf8').trim());
    space.inside(() => writeFileSync(`${conf}/all/forwarding`, '1'));
    expect(space.inside(() => isForwarding('labman0'))).toBe(true);
    space.inside(() => closeInterface('labman0', false));
    expect(space.inside(() => isForwarding('labman0'))).toBe(false);
    expect(read('/proc/sys/net/ipv6/conf/labman0/disable_ipv6')).toBe('1');
    expect([read(`${conf}/all/forwarding`), read(`${conf}/default/forwarding`), read(`${conf}/lo/forwarding`)]).toEqual(
      ['1', '1', '1'],
    );
    space.inside(() => closeInterface('labman0', true));
    expect(read('/proc/sys/net/ipv6/conf/labman0/addr_gen_mode')).toBe('1');
    expect(space.inside(() => isForwarding('labman1'))).toBeUndefined();
    expect(() => space.inside(() => closeInterface('labman1', false))).toThrow(TunnelError);
    closeSync(tun);
  });
});

test('sockets in words: some are named, the rest is counted', () => {
  expect(exposedText([])).toBe('nothing yet');
  const ssh = { protocol: 'tcp', address: '0.0.0.0', port: 22 } as const;
  expect(exposedText([ssh, { protocol: 'udp', address: '::', port: 5_353 }])).toBe('tcp 0.0.0.0 22, udp :: 5353');
  expect(exposedText(Array.from({ length: 40 }, () => ssh))).toEndWith('tcp 0.0.0.0 22 and 8 more');
});
