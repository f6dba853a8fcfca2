/** Join tokens (JT-1, JT-2). */
import type { Policies } from '../../access/policies.ts';
import type { EnrolServices } from '../../enrol/enrol-services.ts';
import type { HandlersOf } from '../handler.ts';

type Names = 'list-tokens' | 'create-token' | 'get-token' | 'revoke-token';

export function tokenHandlers({
  people,
  policies,
}: {
  people: Pick<EnrolServices, 'tokens'>;
  policies: Policies;
}): HandlersOf<Names> {
  const { tokens } = people;
  return {
    'list-tokens': (call) => tokens.list(call.caller, call.query, policies.condition(call.subject, 'list', 'tokens')),
    'create-token': async (call) => {
      const made = await tokens.create(call.caller, call.body);
      const { type, kind, ttlMs } = call.body;
      call.note({ resource: `token/${made.prefix}`, resourceId: made.id, details: { type, kind, ttlMs } });
      return made;
    },
    'get-token': async (call) => {
      call.may('get', { kind: 'tokens', name: call.params['id'] ?? '' });
      return tokens.get(call.caller, call.params['id'] ?? '');
    },
    'revoke-token': async (call) => {
      call.may('revoke', { kind: 'tokens', name: call.params['id'] ?? '' });
      const token = await tokens.revoke(call.caller, call.params['id'] ?? '');
      call.note({ resource: `token/${token.prefix}`, resourceId: token.id });
      return token;
    },
  };
}
