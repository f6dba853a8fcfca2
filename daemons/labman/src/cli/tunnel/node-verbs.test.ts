/** What the operator sees of an interface that was taken down (N9), by the commands and a labmand's socket. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TunnelView } from '@labmesh/wire/tunnel';
import type { TunnelConfig } from '../../config/read-tunnel.ts';
import { machineChecks } from '../check/machine-checks.ts';
import type { LabmanFlags } from '../labman-options.ts';
import { status } from './node-verbs.ts';

const sha256 = `sha256:${'ab'.repeat(32)}`;
const view: TunnelView = {
  role: 'node',
  backend: 'native',
  backendRejected: [],
  aead: 'libcrypto',
  isolation: 'netns',
  isolationDetail: 'interface alone in a network namespace',
  interface: 'labman0',
  address: '10.90.0.2',
  mtu: 1_420,
  wireguardPublicKey: `${'A'.repeat(43)}=`,
  rosenpassSha256: sha256,
  listenPort: 0,
  queue: { depth: 0, dropped: 0 },
  drops: {},
  peers: [
    {
      id: 'hub',
      name: 'hub',
      wireguardPublicKey: `${'A'.repeat(43)}=`,
      rosenpassSha256: sha256,
      address: '10.90.0.1',
      endpoint: '203.0.113.4:51820',
      mode: 'strict',
      pq: 'active',
      pqReason: 'ok',
      pqSince: '2026-01-01T00:00:00.000Z',
      exchangeAgeS: 43,
      nextExchangeS: 71,
      lastRole: 'initiator',
      version: 'V03',
      ciphertext: 'pc188',
      handshakeAgeS: 12,
      pskKind: 'rosenpass',
      generation: 3,
      rxBytes: 1,
      txBytes: 1,
      exchanges: 3,
      failures: {},
      lastError: null,
    },
  ],
};
const fault = 'isolation_lost: more than 3 repairs within a minute, now MTU 9000; the interface is down';

let folder = '';
let shown: TunnelView = view;
let labmand: Bun.Server<undefined> | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-verbs-'));
  const node = () => ({ registration: null, tunnel: { isOpen: true, fault: shown.fault ?? null } });
  const fetch = ({ url }: Request) => Response.json(new URL(url).pathname === '/node' ? node() : shown);
  labmand = Bun.serve({ unix: join(folder, 'sock'), fetch });
});
afterEach(async () => {
  await labmand?.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

async function run(check: boolean) {
  let text = '';
  const flags = { socket: join(folder, 'sock'), check, json: false } as LabmanFlags;
  const code = await status({ flags, words: [], print: (more) => void (text += more) });
  return { code, text };
}

describe('lost isolation', () => {
  test('stands in the status, which is no success any more', async () => {
    shown = view;
    expect(await run(true)).toMatchObject({ code: 0, text: expect.stringContaining(' post-quantum (') as string });
    shown = { ...view, fault };
    const { code, text } = await run(true);
    expect(code).toBe(1);
    expect(text).toContain(`FAULT      ${fault}\n`);
    expect(text).not.toContain(' post-quantum (');
    expect((await run(false)).code).toBe(0);
  });

  test('fails the check of a tunnel that is open', async () => {
    const [rights, isolation] = await machineChecks({} as TunnelConfig, { ...view, fault });
    expect(rights?.result).toBe('pass');
    expect(isolation).toMatchObject({ name: 'isolation', result: 'fail', detail: fault });
    expect(isolation?.fix).toContain('restart labmand');
    expect((await machineChecks({} as TunnelConfig, view)).every(({ result }) => result === 'pass')).toBe(true);
  });
});

test('without isolation the status lists what the peer reaches (I5)', async () => {
  const exposed = [{ protocol: 'tcp' as const, address: '0.0.0.0', port: 22 }];
  shown = { ...view, isolation: 'none', isolationDetail: 'as written', exposed };
  const { text } = await run(false);
  expect(text).toMatch(/WARNING .*every service of this machine\n {11}by now tcp 0\.0\.0\.0 22\n/);
  const [, isolation] = await machineChecks({} as TunnelConfig, shown);
  expect(isolation?.detail).toBe('none, as written: the hub reaches tcp 0.0.0.0 22');
});
