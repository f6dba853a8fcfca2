import { afterAll, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { networkNodeSign, OnNetworkNode } from './network-node.ts';

const root = mkdtempSync(join(tmpdir(), 'executor-node-'));
afterAll(() => rmSync(root, { recursive: true }));
const signs = { netDir: join(root, 'net'), procDir: join(root, 'proc'), socketPath: join(root, 'x.sock') };

function addInterface(name: string, alias = '\n'): void {
  mkdirSync(join(signs.netDir, name), { recursive: true });
  writeFileSync(join(signs.netDir, name, 'ifalias'), alias);
}

/** A process as /proc shows it: its words, its network namespace and what its descriptors lead to. */
function addProcess(pid: string, words: readonly string[], net = 'net:[1]', fds: readonly string[] = []): void {
  const folder = join(signs.procDir, pid);
  mkdirSync(join(folder, 'ns'), { recursive: true });
  mkdirSync(join(folder, 'fd'));
  writeFileSync(join(folder, 'cmdline'), [...words, ''].join('\0'));
  symlinkSync(net, join(folder, 'ns/net'));
  fds.forEach((to, fd) => symlinkSync(to, join(folder, 'fd', `${fd}`)));
}

beforeEach(() => {
  for (const folder of [signs.netDir, signs.procDir]) rmSync(folder, { recursive: true, force: true });
  addInterface('lo');
  addInterface('eth0', 'uplink\n');
  addProcess('self', ['bun']);
});

test('a machine without labmand is none', async () => {
  addProcess('7', ['/usr/bin/editor', 'labmand'], 'net:[1]', ['/dev/null']);
  expect(await networkNodeSign(signs)).toBeUndefined();
  expect(await networkNodeSign({ netDir: '/none', procDir: '/none', socketPath: '/none' })).toBeUndefined();
});

test('an interface tells by its name or its mark', async () => {
  addInterface('labman0');
  expect(await networkNodeSign(signs)).toBe('interface labman0');
  rmSync(join(signs.netDir, 'labman0'), { recursive: true });
  addInterface('site', 'labmesh:labman\n');
  expect(await networkNodeSign(signs)).toBe('interface site');
});

test('an interface of the network we are in counts, whatever /sys was mounted in', async () => {
  mkdirSync(join(signs.procDir, 'self/net'));
  const head = 'Inter-|   Receive |  Transmit\n face |bytes    packets|bytes\n';
  writeFileSync(join(signs.procDir, 'self/net/dev'), `${head}    lo:       0       0\nlabman0:       0       0\n`);
  expect(await networkNodeSign(signs)).toBe('interface labman0');
});

test('a hub is no node: its interface has another mark', async () => {
  addInterface('labhub0', 'labmesh:labd\n');
  expect(await networkNodeSign(signs)).toBeUndefined();
});

test('a labmand here that holds another namespace has its tunnel in there', async () => {
  addProcess('8', ['/opt/labmand'], 'net:[1]', ['/dev/null', 'net:[1]']);
  expect(await networkNodeSign(signs)).toBeUndefined();
  addProcess('9', ['/opt/bun', '--no-install', '/x/main.ts', 'labmand'], 'net:[1]', ['net:[1]', 'net:[2]']);
  expect(await networkNodeSign(signs)).toBe('labmand holds a tunnel as pid 9');
});

test('a labmand of another network, a container for one, is not this machine’s', async () => {
  addProcess('9', ['labmand'], 'net:[3]', ['net:[4]']);
  expect(await networkNodeSign(signs)).toBeUndefined();
});

test('its socket tells when somebody answers, not when it was left behind', async () => {
  writeFileSync(signs.socketPath, '');
  expect(await networkNodeSign(signs)).toBeUndefined();
  rmSync(signs.socketPath);
  await using _ = Bun.serve({ unix: signs.socketPath, fetch: () => new Response() });
  expect(await networkNodeSign(signs)).toBe('labmand answers at its socket');
});

test('the refusal has its code, what was seen and the way out', () => {
  const error = new OnNetworkNode('interface labman0');
  expect([error.code, error.exitCode]).toEqual(['EXECUTOR_ON_NETWORK_NODE', 8]);
  expect(error.message).toMatch(/^EXECUTOR_ON_NETWORK_NODE: .*interface labman0.*; use another machine/);
});
