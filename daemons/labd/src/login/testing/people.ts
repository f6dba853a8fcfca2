/** labd's people for tests: a store in memory, every write run twice (ST-3), and the services over it. */
import { FakeClock } from '@labmesh/kit/clock';
import type { InjectFaults } from '@labmesh/store/faults';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { seedBuiltinRoles } from '../../access/builtin-roles.ts';
import { LoginSessions } from '../login-sessions.ts';
import { PasswordLogin } from '../password-login.ts';
import { Passwords } from '../passwords.ts';
import { Tickets } from '../tickets.ts';
import { UserCertificates } from '../user-certificates.ts';
import { UserEnrol, userTokenIssuer } from '../user-enrol.ts';
import { UserAccess } from '../users/user-access.ts';
import { Users } from '../users/users.ts';
import { openCa, testDomain, testSealer } from './replica-ca.ts';

/** The services over a store, as one replica has them. */
export async function servePeople(store: Store, clock: FakeClock, sealer: ReturnType<typeof testSealer>) {
  const { authority, denials } = await openCa(store, clock, sealer);
  const target = () => ({ publicUrl: 'https://labd.test:3100', pin: authority.bundle().pins.join(',') });
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
type Replica = Awaited<ReturnType<typeof servePeople>>;

export type PeopleOptions = {
  /** A store in memory when it is left out. */
  url?: string;
  injectFaults?: InjectFaults;
  /** Of an earlier life of the same store. */
  clock?: FakeClock;
  sealer?: ReturnType<typeof testSealer>;
};

export async function openPeople(options: PeopleOptions = {}) {
  const { url = 'sqlite::memory:', injectFaults = 'twice', clock = new FakeClock(), sealer = testSealer() } = options;
  const store = await openStore({ url, clock, injectFaults });
  await store.write(system('seed-roles'), (tx) => seedBuiltinRoles(tx, clock.wall()));
  const first = await servePeople(store, clock, sealer);
  const replicas: Replica[] = [first];
  return {
    store,
    clock,
    sealer,
    ...first,
    /** Another replica over the same store. */
    replica: async () => {
      const replica = await servePeople(store, clock, sealer);
      replicas.push(replica);
      return replica;
    },
    [Symbol.asyncDispose]: async () => {
      for (const { authority, denials } of replicas) {
        await denials[Symbol.asyncDispose]();
        await authority[Symbol.asyncDispose]();
      }
      await store[Symbol.asyncDispose]();
    },
  };
}
export type People = Awaited<ReturnType<typeof openPeople>>;
