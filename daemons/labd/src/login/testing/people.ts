/** labd's people for tests: a store in memory, every write run twice (ST-3), and the services over it. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { FakeClock } from '@labmesh/kit/clock';
import { createCsr } from '@labmesh/pki/csr';
import { generateKey } from '@labmesh/pki/keys';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { seedBuiltinRoles } from '../../access/builtin-roles.ts';
import type { Sealer } from '../../secrets/sealer.ts';
import type { Caller } from '../caller.ts';
import { LoginSessions } from '../login-sessions.ts';
import { PasswordLogin } from '../password-login.ts';
import { Passwords } from '../passwords.ts';
import { Tickets } from '../tickets.ts';
import { UserCertificates } from '../user-certificates.ts';
import { UserEnrol, userTokenIssuer } from '../user-enrol.ts';
import { UserAccess } from '../users/user-access.ts';
import { Users } from '../users/users.ts';
import { FakeAuthority, FakeDenials, testDomain, testPin } from './fake-ca.ts';

export const localRoot: Caller = {
  principal: { kind: 'local', id: 'root', name: 'root' },
  sourceIp: '127.0.0.1',
  requestId: 'req_test',
};
export const stranger: Caller = {
  principal: { kind: 'anonymous', id: '', name: 'anonymous' },
  sourceIp: '192.0.2.7',
  requestId: 'req_test',
};
/** The caller that a user is. */
export const asUser = (user: { id: string; name: string }, more: Partial<Caller> = {}): Caller => ({
  ...stranger,
  principal: { kind: 'user', id: user.id, name: user.name },
  ...more,
});

/** A key's request and hash. */
export async function newRequest(): Promise<{ csrPem: string; keyHash: string }> {
  const key = await generateKey();
  return { csrPem: await createCsr(key), keyHash: key.keyHash };
}

/** Seals with a key of its own, bound to table, row and field like the real one. */
export function testSealer(): Sealer {
  const key = randomBytes(32);
  const bound = (...words: string[]) => Buffer.from(words.join('\n'));
  return {
    seal(table, rowId, field, plain) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(bound(table, rowId, field));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return `enc:v1:${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`;
    },
    open(table, rowId, field, text) {
      const bytes = Buffer.from(text.slice('enc:v1:'.length), 'base64url');
      try {
        const opener = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAAD(bound(table, rowId, field));
        opener.setAuthTag(bytes.subarray(12, 28));
        return new Uint8Array(Buffer.concat([opener.update(bytes.subarray(28)), opener.final()]));
      } catch (cause) {
        throw new FleetError('INTERNAL', { cause });
      }
    },
  };
}

const target = () => ({ publicUrl: 'https://labd.test:3100', pin: testPin });

/** The services over a store, as one replica has them. */
export function servePeople(store: Store, clock: FakeClock, sealer: Sealer) {
  const authority = new FakeAuthority(clock);
  const denials = new FakeDenials(clock);
  const logins = new LoginSessions({ store, clock });
  const certificates = new UserCertificates({ store, clock, authority, logins });
  const passwords = new Passwords();
  const passwordLogin = new PasswordLogin({ store, clock, sealer, passwords, logins });
  const issueToken = userTokenIssuer(target);
  return {
    authority,
    denials,
    logins,
    certificates,
    passwordLogin,
    userEnrol: new UserEnrol({ store, clock, certificates }),
    tickets: new Tickets({ store, clock, logins }),
    users: new Users({ store, clock, denials, trustDomain: testDomain, issueToken }),
    access: new UserAccess({ store, clock, denials, sealer, passwords, passwordLogin, issueToken }),
  };
}

export async function openPeople() {
  const clock = new FakeClock();
  const store = await openStore({ url: 'sqlite::memory:', clock, injectFaults: 'twice' });
  await store.write(system('seed-roles'), (tx) => seedBuiltinRoles(tx, clock.wall()));
  const sealer = testSealer();
  return {
    store,
    clock,
    sealer,
    ...servePeople(store, clock, sealer),
    /** Another replica over the same store. */
    replica: () => servePeople(store, clock, sealer),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
export type People = Awaited<ReturnType<typeof openPeople>>;

/** Every text that the store holds, for looking whether a secret is among them. */
export async function storedText(store: Store): Promise<string> {
  const tables = [
    'users',
    'user_credentials',
    'login_sessions',
    'join_tokens',
    'token_uses',
    'servers',
    'agents',
    'settings',
    'events',
    'certificates',
    'denials',
  ] as const;
  const parts = await Promise.all(
    tables.map((table) => store.read(system('test'), (db) => db.selectFrom(table).selectAll().execute())),
  );
  return JSON.stringify(parts);
}

/** The code of the FleetError that a promise rejects with; 'none' when it does not. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    if (error instanceof FleetError) return error.code;
    throw error;
  }
}
