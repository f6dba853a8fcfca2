/** Columns of what labd remembers: certificates, sessions, audit rows; and of bastions with their machines (CT-6). */
import type {
  auditRowSchema,
  bastionSchema,
  certificateSchema,
  machineSchema,
  Session,
} from '@labmesh/wire/fleet/resources/records';
import type { z } from 'zod';
import { ago, span, until } from '../terminal/span.ts';
import type { View } from './column.ts';

type Certificate = z.infer<typeof certificateSchema>;

function certificateState({ revokedAt, notBefore, notAfter }: Certificate, now: number): string {
  if (revokedAt !== null) return 'revoked';
  const [from, to] = [Date.parse(notBefore), Date.parse(notAfter)];
  if (now >= to) return 'expired';
  // CA-12 warns at a quarter of the life.
  return to - now < (to - from) / 4 ? 'expiring' : 'live';
}

export const certificateView: View<Certificate> = {
  name: ({ serial }) => `certificate/${serial}`,
  columns: [
    { header: 'SERIAL', value: ({ serial }) => serial },
    { header: 'STATE', value: certificateState, state: true },
    { header: 'KIND', value: ({ kind }) => kind },
    { header: 'NAME', value: ({ name }) => name },
    { header: 'EXPIRES', value: ({ notAfter }, now) => until(notAfter, now) },
    { header: 'BY', value: ({ issuedBy }) => issuedBy, wide: true },
    { header: 'IDENTITY', value: ({ identity }) => identity, wide: true },
    { header: 'KEY', value: ({ keyHash }) => keyHash.slice(0, 16), wide: true },
  ],
};

/** What EXIT said (EX-4), in a word: `0`, `1`, `TERM`, `timed out`. */
function exitText(exit: unknown): string | undefined {
  if (typeof exit !== 'object' || exit === null) return undefined;
  const { code, signal, timedOut } = exit as { code?: unknown; signal?: unknown; timedOut?: unknown };
  if (timedOut === true) return 'timed out';
  if (typeof signal === 'string') return signal;
  return typeof code === 'number' ? String(code) : undefined;
}

export const sessionView: View<Session> = {
  name: ({ id }) => `session/${id}`,
  columns: [
    { header: 'ID', value: ({ id }) => id },
    { header: 'STATE', value: ({ state }) => state, state: true },
    { header: 'KIND', value: ({ kind }) => kind },
    { header: 'SERVER', value: ({ hostname }) => hostname },
    { header: 'WHO', value: ({ principal }) => principal },
    { header: 'EXIT', value: ({ exit }) => exitText(exit) },
    { header: 'STARTED', value: ({ startedAt }, now) => ago(startedAt, now) },
    { header: 'COMMAND', value: ({ command }) => command ?? undefined },
    {
      header: 'LASTED',
      value: ({ startedAt, endedAt }, now) =>
        span((endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt)),
      wide: true,
    },
    { header: 'JOB', value: ({ job }) => job ?? undefined, wide: true },
    { header: 'RECORDING', value: ({ recordingId }) => recordingId ?? undefined, wide: true },
  ],
};

export const recordingView: View<Session> = {
  name: ({ recordingId }) => `recording/${recordingId ?? ''}`,
  columns: [
    { header: 'ID', value: ({ recordingId }) => recordingId ?? undefined },
    { header: 'SERVER', value: ({ hostname }) => hostname },
    { header: 'WHO', value: ({ principal }) => principal },
    { header: 'STARTED', value: ({ startedAt }, now) => ago(startedAt, now) },
    { header: 'COMMAND', value: ({ command }) => command ?? undefined },
    { header: 'SESSION', value: ({ id }) => id, wide: true },
    { header: 'STATE', value: ({ state }) => state, state: true, wide: true },
    { header: 'JOB', value: ({ job }) => job ?? undefined, wide: true },
  ],
};

/** `server/web-1` names the thing; a bare kind gets the id behind it. */
function resourceText({ resource, resourceId }: z.infer<typeof auditRowSchema>): string | undefined {
  if (resource === undefined || /[/:]/.test(resource)) return resource;
  return resourceId === undefined || resourceId === resource ? resource : `${resource}/${resourceId}`;
}

export const auditView: View<z.infer<typeof auditRowSchema>> = {
  name: ({ chain, seq }) => `${chain}:${seq}`,
  columns: [
    { header: 'SEQ', value: ({ seq }) => seq },
    { header: 'WHEN', value: ({ at }, now) => ago(at, now) },
    { header: 'WHO', value: ({ principal }) => `${principal.kind}:${principal.name}` },
    { header: 'ACTION', value: ({ action }) => action },
    { header: 'RESULT', value: ({ result }) => result, state: true },
    { header: 'RESOURCE', value: resourceText },
    { header: 'PHASE', value: ({ phase }) => phase, wide: true },
    { header: 'CODE', value: ({ code }) => code, wide: true },
    { header: 'FROM', value: ({ sourceIp }) => sourceIp, wide: true },
    { header: 'REQUEST', value: ({ requestId }) => requestId, wide: true },
    { header: 'CHAIN', value: ({ chain }) => chain, wide: true },
  ],
};

export const bastionView: View<z.infer<typeof bastionSchema>> = {
  name: ({ name }) => `bastion/${name}`,
  columns: [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'URL', value: ({ url }) => url ?? undefined },
    { header: 'LAST SEEN', value: ({ lastSeenAt }, now) => ago(lastSeenAt ?? undefined, now) },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};

export const machineView: View<z.infer<typeof machineSchema>> = {
  name: ({ mac }) => `machine/${mac}`,
  columns: [
    { header: 'MAC', value: ({ mac }) => mac },
    { header: 'HOSTNAME', value: ({ hostname }) => hostname ?? undefined },
    { header: 'ROLE', value: ({ role }) => role ?? undefined },
    { header: 'STATE', value: ({ state }) => state },
    { header: 'BASTION', value: ({ bastion }) => bastion },
    { header: 'UPDATED', value: ({ updatedAt }, now) => ago(updatedAt, now) },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};
