/** How people log in and out (ID-2 … ID-4). */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import type { Policies } from '../../access/policies.ts';
import type { DenyList } from '../../ca/deny-list.ts';
import type { LoginServices } from '../../login/login-services.ts';
import { logout } from '../../login/logout.ts';
import { noted, type HandlersOf } from '../handler.ts';
import type { Identified } from '../identify.ts';
import type { World } from '../../settings/world.ts';

type Names =
  | 'user-enroll'
  | 'login'
  | 'logout'
  | 'create-certificate'
  | 'create-ticket'
  | 'start-oidc'
  | 'finish-oidc'
  | 'start-device'
  | 'poll-device'
  | 'whoami';

export type LoginHandlerParts = {
  store: World['store'];
  clock: World['clock'];
  denyList: DenyList;
  policies: Policies;
  people: LoginServices;
  options: { loginMethods: readonly string[] };
};

const noOidc = () =>
  new FleetError('NOT_AVAILABLE', {
    message: 'no OpenID Connect issuer is configured',
    hint: 'set [login.oidc] issuer and client_id, and add oidc to login.methods',
  });

function assertMethod({ options }: LoginHandlerParts, method: 'token' | 'password'): void {
  if (options.loginMethods.includes(method)) return;
  throw new FleetError('NOT_AVAILABLE', { message: `login by ${method} is switched off here (login.methods)` });
}

export function loginHandlers(parts: LoginHandlerParts): HandlersOf<Names> {
  const { people, policies } = parts;
  const oidc = () => {
    if (people.oidc === undefined) throw noOidc();
    return people.oidc;
  };
  return {
    'user-enroll': async (call) => {
      assertMethod(parts, 'token');
      return noted(call, people.userEnrol.enroll(call.caller, call.body));
    },
    login: async (call) => {
      assertMethod(parts, 'password');
      return noted(call, people.passwordLogin.login(call.caller, call.body));
    },
    logout: async (call) => {
      await logout(call.caller, { ...parts, logins: people.logins });
      return { ok: true };
    },
    'create-certificate': (call) => noted(call, people.certificates.forSession(call.caller, call.body)),
    'create-ticket': (call) => people.tickets.create(call.caller),
    'start-oidc': async (call) => oidc().start(call.caller, call.body),
    'finish-oidc': async (call) => noted(call, oidc().callback(call.caller, call.query)),
    'start-device': async (call) => oidc().device(call.caller),
    'poll-device': async (call) => noted(call, oidc().poll(call.caller, call.body)),
    whoami: async (call) => {
      const { principal, groups = [], serial, method, expiresAt } = call.caller as Identified;
      return {
        principal,
        groups: [...groups],
        roles: [...policies.rolesOf(call.subject)],
        method: method === 'none' ? 'session' : method,
        expiresAt: timeTextOrNull(expiresAt ?? null),
        serial: serial ?? null,
      };
    },
  };
}
