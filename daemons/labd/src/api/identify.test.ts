import { beforeEach, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { leafKinds } from '@labmesh/pki/spiffe-id';
import type { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import fc from 'fast-check';
import { knownPeer } from '../../../../tests/harness/labd-app.ts';
import { codeOf } from '../login/testing/callers.ts';
import type { Connection, ListenerName, Peer } from './connection.ts';
import { identify, type IdentifyParts, strangerAt } from './identify.ts';
import { allowedHosts, guardRequest, pathOf, urlBytesMax } from './request-guard.ts';

const clock = new FakeClock();
const live = { notBefore: 0, notAfter: clock.wall() + 1_000 };
const user = { kind: 'user', id: 'u1', name: 'ada' } as const;
let denied: string | undefined;
let parts: IdentifyParts;

beforeEach(() => {
  denied = undefined;
  parts = {
    clock,
    denyList: { check: () => denied } as unknown as IdentifyParts['denyList'],
    loginOfKey: async (keyHash) => (keyHash === 'known' ? { groups: ['ops'] } : undefined),
    nameOf: async (kind, id) => `${kind}-${id}`,
    checkSession: async (text) =>
      text === 'lms_good' ? { id: 's1', user, groups: ['g'], expiresAt: clock.wall() + 5 } : undefined,
    trustedProxies: ['10.0.0.1'],
  };
});

const at = (listener: ListenerName, peer: Peer = { state: 'none' }, remoteAddress = '192.0.2.1'): Connection => ({
  listener,
  remoteAddress,
  peer,
});
const ask = (connection: Connection, headers: Record<string, string> = {}) =>
  identify(connection, new Headers(headers), 'req_1', parts);
const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

describe('LD-8 who calls', () => {
  test.each([...leafKinds])('a %s is what its certificate says, with its stored name', async (kind) => {
    const found = await ask(at('api', knownPeer(kind, 'x1', { ...live, keyHash: 'known' })));
    expect(found).toMatchObject({ principal: { kind, id: 'x1', name: `${kind}-x1` }, method: 'certificate' });
    expect(found.groups).toEqual(kind === 'user' ? ['ops'] : undefined);
  });

  test('a user without a live login is nobody, whatever the certificate says', async () => {
    expect(await codeOf(ask(at('api', knownPeer('user', 'u1', live))))).toBe('UNAUTHENTICATED');
  });

  test('a session counts on the API alone', async () => {
    expect(await ask(at('api'), bearer('lms_good'))).toMatchObject({
      principal: user,
      session: 's1',
      method: 'session',
    });
    expect(await codeOf(ask(at('agent'), bearer('lms_good')))).toBe('UNAUTHENTICATED');
    expect(await codeOf(ask(at('api'), bearer('lms_bad')))).toBe('UNAUTHENTICATED');
  });

  test('a certificate goes before a session, and the socket before both', async () => {
    const peer = knownPeer('agent', 'a1', live);
    expect((await ask(at('api', peer), bearer('lms_good'))).principal.kind).toBe('agent');
    expect((await ask(at('socket', peer), bearer('lms_good'))).principal).toEqual({
      kind: 'local',
      id: 'root',
      name: 'root',
    });
  });

  test('what does not verify is a stranger, not an error', async () => {
    for (const reason of ['untrusted', 'wrong-identity', 'not-yet-valid', 'malformed', 'wrong-usage'] as const) {
      expect((await ask(at('api', { state: 'refused', reason }))).principal.kind).toBe('anonymous');
    }
  });
});

describe('LD-4 per request', () => {
  test.each([
    ['serial', 'REVOKED'],
    ['identity', 'REVOKED'],
    ['key', 'BANNED'],
    ['machine', 'BANNED'],
  ])('denied by %s is %s, in the middle of a connection', async (why, code) => {
    const connection = at('agent', knownPeer('agent', 'a1', live));
    expect((await ask(connection)).principal.kind).toBe('agent');
    denied = why;
    expect(await codeOf(ask(connection))).toBe(code);
  });

  test('a certificate that ends while the connection lives is told as expired', async () => {
    const connection = at('agent', knownPeer('agent', 'a1', live));
    expect((await ask(connection)).isExpired).toBe(false);
    await clock.advance(1_000);
    expect((await ask(connection)).isExpired).toBe(true);
  });
});

test('LD-6 a node is refused on every door, whatever else it shows', async () => {
  const peer = knownPeer('agent', 'a1', { notBefore: 0, notAfter: clock.wall() + 1_000 });
  for (const door of ['api', 'agent', 'socket'] as const)
    for (const shown of [{ state: 'none' } as const, peer])
      for (const text of ['lmn_', 'lmn_0123456789_x', `lmn_${'x'.repeat(54)}`])
        expect(await codeOf(ask(at(door, shown), bearer(text)))).toBe('PERMISSION_DENIED');
});

describe('where from', () => {
  test('the last address that a trusted proxy adds; nobody else is believed', async () => {
    const forwarded = { 'x-forwarded-for': '1.1.1.1, 203.0.113.9' };
    expect((await ask(at('api', undefined, '10.0.0.1'), forwarded)).sourceIp).toBe('203.0.113.9');
    expect((await ask(at('api', undefined, '10.0.0.1'))).sourceIp).toBe('10.0.0.1');
    expect((await ask(at('api', undefined, '192.0.2.1'), forwarded)).sourceIp).toBe('192.0.2.1');
  });

  test('a row of what was refused names the certificate only when it is ours', () => {
    const named = (peer: Peer) => strangerAt(at('api', peer), new Headers(), 'r', parts).principal;
    expect(named(knownPeer('agent', 'a1'))).toEqual({ kind: 'agent', id: 'a1', name: 'a1' });
    expect(named({ state: 'refused', reason: 'untrusted' }).kind).toBe('anonymous');
    expect(named({ state: 'none' }).kind).toBe('anonymous');
  });
});

describe('LD-5 guard', () => {
  const rules = { hosts: allowedHosts(['https://lab.example:3100', undefined]), origins: [] };
  const refused = (path: string, host: string) => {
    try {
      guardRequest(path, new Headers({ host }), rules);
      return undefined;
    } catch (error) {
      return (error as FleetError).code;
    }
  };

  test('public names and loopback, with any port', () => {
    for (const host of ['lab.example', 'LAB.example:1', 'localhost', '127.0.0.1:99', '[::1]']) {
      expect(refused('/', host)).toBeUndefined();
    }
  });

  test('no other text is one of them', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\x21-\x7e]{1,40}$/), (host) => {
        const isOurs = /^(lab\.example|localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host);
        expect(refused('/', host)).toBe(isOurs ? undefined : 'ORIGIN_REFUSED');
      }),
    );
  });

  test('AP-4 an address of 8 KiB passes, one byte more does not', () => {
    const path = `/${'x'.repeat(urlBytesMax - 1)}`;
    expect([refused(path, 'localhost'), refused(`${path}x`, 'localhost')]).toEqual([undefined, 'VALIDATION_FAILED']);
    expect(pathOf(`https://labd${path}`)).toBe(path);
    expect(pathOf('https://labd')).toBe('/');
  });
});
