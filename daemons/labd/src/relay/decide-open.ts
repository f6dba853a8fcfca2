/** What an OPEN needs to be allowed (AP-1's last rows): each is judged for itself, never as a read (KEP-4006). */
import type { Verb } from '@labmesh/wire/fleet/access-words';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import type { Open } from '@labmesh/wire/frame/open';
import type { Decision, Limit, Policies, Subject, Target } from '../access/policies.ts';
import type { FleetServer } from '../hub/fleet-view.ts';
import type { Caller } from '../login/caller.ts';

export type Need = { verb: Verb; limit?: Limit };

const accountOf = (open: { login?: string | undefined }) => open.login ?? 'root';

/**
 * The verbs an OPEN needs on its server, all of them. `attached`: the command that an attach names; who may not be its
 * account may not type into it either.
 */
export function needsOf(open: Open, attached?: Open): readonly Need[] {
  switch (open.kind) {
    case 'exec': {
      const exec: Need = { verb: 'exec', limit: { account: accountOf(open) } };
      return open.noRecord ? [exec, { verb: 'exec-unrecorded' }] : [exec];
    }
    case 'copy-in':
    case 'copy-out':
      return [{ verb: open.kind, limit: { account: accountOf(open) } }];
    case 'forward':
      return [{ verb: 'forward', limit: { forward: `${open.host}:${open.port}` } }];
    case 'attach': {
      const command = attached?.kind === 'exec' ? attached : undefined;
      const attach: Need = { verb: 'attach', limit: { account: accountOf(command ?? {}) } };
      // What is typed into an unrecorded session is recorded nowhere either.
      return command?.noRecord === true ? [attach, { verb: 'exec-unrecorded' }] : [attach];
    }
    case 'logs':
      return [{ verb: 'logs' }];
    case 'facts':
      return [{ verb: 'get' }];
  }
}

export const subjectOf = ({ principal, groups }: Pick<Caller, 'principal' | 'groups'>): Subject => ({
  principal,
  ...(groups !== undefined && { groups }),
});

export const targetOf = ({ row, targetLabels }: Pick<FleetServer, 'row' | 'targetLabels'>): Target => ({
  kind: 'servers',
  name: row.hostname,
  labels: targetLabels,
});

export type OpenRefusal = { reason: CloseReason; text: string; rule?: string };

/** Why an OPEN is refused, or undefined. Who may not list servers cannot tell forbidden from absent (AP-5). */
export function refusalOf(
  policies: Policies,
  subject: Subject,
  open: Open,
  server: FleetServer | undefined,
  attached?: Open,
): OpenRefusal | undefined {
  const hidden: OpenRefusal = { reason: 'not-found', text: 'there is no such server, or you may not see it' };
  const needs = needsOf(open, attached);
  const canList = policies.mayAny(subject, 'list', 'servers');
  if (server === undefined) return canList ? { reason: 'not-found', text: 'there is no such server' } : hidden;
  for (const { verb, limit } of needs) {
    const decision: Decision = policies.decide(subject, verb, targetOf(server), limit);
    if (decision.allowed) continue;
    if (!canList) return hidden;
    const what = `${verb} on server/${server.row.hostname}`;
    if (decision.rule === undefined) return { reason: 'denied', text: `${what} denied: no rule allows it` };
    return {
      reason: 'denied',
      text: `${what} denied by role ${decision.role ?? '?'}: "${decision.rule}"`,
      rule: decision.rule,
    };
  }
  return undefined;
}

/** Why a server without its agent cannot be reached now. */
export const lastSeen = ({ row }: FleetServer): string =>
  `server/${row.hostname} is not connected, ${row.last_seen_at === null ? 'never seen' : `last seen ${new Date(row.last_seen_at).toISOString()}`}`;
