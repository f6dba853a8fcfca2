import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { readTrusted } from '../conplane/trusted-key.ts';
import type { Site } from '../site.ts';
import { adminAnswer } from './admin-routes.ts';
import { nodeStatusSchema } from './node-status.ts';

let stateDir = '';
beforeEach(() => (stateDir = mkdtempSync(join(tmpdir(), 'labmesh-admin-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const sha256 = `sha256:${'a'.repeat(64)}`;
/** A site whose tunnel is down, unless a part says otherwise. */
const site = (change: object = {}): Site =>
  ({
    keys: {
      wireguard: { publicKey: new Uint8Array(32), privateKey: new Uint8Array(32).fill(9) },
      ownKey: { fingerprint: sha256 },
      nextKey: undefined,
    },
    tunnel: {
      view: () => undefined,
      device: undefined,
      fault: undefined,
      exchangeNow: () => Promise.resolve(undefined),
    },
    registration: { phase: 'starting', detail: 'no answer', state: undefined, again: () => undefined },
    rotation: { rotate: () => Promise.resolve({ state: 'done', rosenpassSha256: sha256, trust: null }) },
    ...change,
  }) as unknown as Site;

async function ask(route: string, change?: object | 'no tunnel', body?: unknown) {
  const [method = 'GET', path = '/'] = route.split(' ');
  const request = new Request(`http://labman${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const parts = { site: change === 'no tunnel' ? undefined : site(change), stateDir, log: silentLogger };
  const response = await adminAnswer(request, parts);
  const answer = (await response.json()) as { error?: { code: string; message: string } };
  return { status: response.status, code: answer.error?.code, message: answer.error?.message, answer };
}

describe('the routes of labmand', () => {
  test.each(['GET /', 'GET /toString', 'POST /tunnel', 'DELETE /tunnel/rotate', 'GET /keys/secret'])(
    '%s is none',
    async (route) => {
      expect(await ask(route)).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    },
  );

  test.each([
    'GET /keys',
    'GET /node',
    'GET /tunnel',
    'GET /tunnel/device',
    'POST /tunnel/exchange',
    'POST /tunnel/rotate',
  ])('%s without a tunnel says so', async (route) =>
    expect(await ask(route, 'no tunnel')).toMatchObject({ status: 409, code: 'NO_TUNNEL' }),
  );

  test.each(['GET /tunnel', 'GET /tunnel/device', 'POST /tunnel/exchange'])(
    '%s of one that is down says why',
    async (route) => {
      expect((await ask(route)).message).toBe('the tunnel is not open; registration is starting: no answer');
      const tunnel = { view: () => undefined, exchangeNow: () => undefined, fault: 'the device is gone' };
      expect((await ask(route, { tunnel })).message).toContain('the device is gone');
    },
  );

  test('keys are public ones', async () => {
    const { answer } = await ask('GET /keys');
    expect(answer).toEqual({
      wireguard: `${'A'.repeat(43)}=`,
      rosenpassSha256: sha256,
      nextRosenpassSha256: null,
    } as never);
  });

  test('the node tells how it stands', async () => {
    expect(nodeStatusSchema.parse((await ask('GET /node')).answer)).toEqual({
      registration: { phase: 'starting', detail: 'no answer', nodeId: null },
      tunnel: { isOpen: false, fault: null },
    });
    const alone = nodeStatusSchema.parse((await ask('GET /node', { registration: undefined })).answer);
    expect(alone.registration).toBeNull();
  });

  test('rotation: done, without a Conplane, refused, not reached', async () => {
    expect((await ask('POST /tunnel/rotate')).answer).toMatchObject({ state: 'done' });
    const nobody = await ask('POST /tunnel/rotate', { registration: undefined });
    expect(nobody).toMatchObject({ status: 409, code: 'NO_CONPLANE' });
    const failing = (fault: Error) => ({ rotation: { rotate: () => Promise.reject(fault) } });
    const refused = failing(new FleetError('CONFLICT', { message: 'another node has it' }));
    expect(await ask('POST /tunnel/rotate', refused)).toMatchObject({ status: 502, code: 'CONFLICT' });
    const away = await ask('POST /tunnel/rotate', failing(new Error('ECONNREFUSED')));
    expect(away).toMatchObject({ status: 502, code: 'CONPLANE_UNREACHABLE' });
    expect(away.message).toContain('the pair is kept');
  });

  test('trust takes a fingerprint as people paste it, and nothing else', async () => {
    for (const body of [undefined, {}, { key: 'x' }, { key: sha256, more: 1 }, { key: [sha256] }]) {
      expect(await ask('POST /tunnel/trust', {}, body)).toMatchObject({ status: 400, code: 'VALIDATION_FAILED' });
    }
    expect(readTrusted(stateDir)).toBeUndefined();
    const pasted = sha256.slice(7).replaceAll(/(.{8})/g, '$1 ');
    expect((await ask('POST /tunnel/trust', {}, { key: pasted })).status).toBe(200);
    expect(readTrusted(stateDir)).toBe(sha256);
  });
});
