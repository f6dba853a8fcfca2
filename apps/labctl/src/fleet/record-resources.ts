/** What labd remembers: certificates, sessions; and bastions, machines and replicas. */
import type {
  bastionSchema,
  certificateSchema,
  machineSchema,
  replicaSchema,
  Session,
} from '@labmesh/wire/fleet/resources/records';
import type { z } from 'zod';
import type { LabdClient } from '../client/labd-client.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { bastionView, certificateView, machineView, recordingView, sessionView } from '../output/record-views.ts';
import { replicaView } from '../output/trust-views.ts';
import { span, until } from '../terminal/span.ts';
import { type Filters, moment, oneOf, pick, type Resource } from './resource.ts';

export const certificateResource: Resource<z.infer<typeof certificateSchema>> = {
  type: 'certificate',
  view: certificateView,
  filters: ['status', 'match'],
  list: (labd, { status, match }) =>
    labd.listAll('list-certificates', {
      query: {
        // The API takes a word and not a JSON boolean.
        ...(oneOf('status', status, ['live']) !== undefined && { live: 'true' }),
        identity: match,
      },
    }),
  get: async (labd, name) =>
    pick((await labd.listAll('list-certificates')).items, 'certificate', name, ({ serial }) => serial === name),
  describe(_labd, one, now) {
    return {
      object: one,
      fields: [
        ['Serial', one.serial],
        ['Identity', one.identity],
        ['Kind', one.kind],
        ['Name', one.name],
        ['Key', `sha256:${one.keyHash}`],
        ['Issuer key', one.issuerKey],
        ['Valid from', moment(one.notBefore, now)],
        ['Valid until', `${one.notAfter} (${until(one.notAfter, now)})`],
        ['Issued by', one.issuedBy],
        ['Revoked', moment(one.revokedAt, now)],
      ],
    };
  },
};

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** @throws CommandError (exit 2) */
function jobId(text: string | undefined): string | undefined {
  if (text === undefined || uuidPattern.test(text)) return text;
  throw new CommandError(`--job: found ${JSON.stringify(text)}, expected the id of a job`, {
    hint: 'labctl get sessions -o wide shows the jobs',
    exitCode: exitCodes.usage,
  });
}

const sessionsOf = (labd: LabdClient, { status, server, job }: Filters) =>
  labd.listAll('list-sessions', {
    query: {
      state: oneOf('status', status, ['open', 'detached', 'ended', 'lost']),
      server: server?.replace(/^(?:server|servers|srv)\//i, ''),
      job: jobId(job),
    },
  });

export const sessionResource: Resource<Session> = {
  type: 'session',
  view: sessionView,
  filters: ['status', 'server', 'job'],
  list: sessionsOf,
  get: (labd, name) => labd.call('get-session', { params: { id: name } }),
  describe(_labd, one, now) {
    const endedAt = one.endedAt === null ? now : Date.parse(one.endedAt);
    const isLive = one.state === 'open' || one.state === 'detached';
    const recording = one.recordingId === null ? 'none' : `${one.recordingId}: labctl play session/${one.id}`;
    return {
      object: one,
      fields: [
        ['Id', one.id],
        ['State', one.state],
        ['Kind', one.kind],
        ['Server', one.hostname],
        ['Who', one.principal],
        ['Command', one.command],
        ['Terminal', one.tty ? 'yes' : 'no'],
        ['Job', one.job],
        ['Started', moment(one.startedAt, now)],
        ['Ended', moment(one.endedAt, now)],
        ['Lasted', span(endedAt - Date.parse(one.startedAt))],
        ['Exit', one.exit],
        ['Close code', one.closeCode],
        ['Recording', recording],
      ],
      ...(isLive && { below: `\nlabctl attach session/${one.id} joins it, labctl kill session/${one.id} ends it\n` }),
    };
  },
};

const isRecorded = ({ recordingId }: Session) => recordingId !== null;

/** Every recording is one session's, and the session tells all there is to tell of it. */
export const recordingResource: Resource<Session> = {
  type: 'recording',
  view: recordingView,
  filters: ['status', 'server', 'job'],
  list: async (labd, filters) => ({
    items: (await sessionsOf(labd, filters)).items.filter(isRecorded),
    nextCursor: null,
  }),
  async get(labd, name) {
    const recorded = (await labd.listAll('list-sessions')).items.filter(isRecorded);
    return pick(recorded, 'recording', name, ({ recordingId, id }) => recordingId === name || id === name);
  },
  describe(_labd, one, now) {
    return {
      object: one,
      fields: [
        ['Id', one.recordingId],
        ['Session', one.id],
        ['Kind', one.kind],
        ['Server', one.hostname],
        ['Who', one.principal],
        ['Command', one.command],
        ['Started', moment(one.startedAt, now)],
        ['Ended', moment(one.endedAt, now)],
      ],
      below: `\nlabctl play session/${one.id} plays it, in a pipe it is the asciicast file\n`,
    };
  },
};

export const bastionResource: Resource<z.infer<typeof bastionSchema>> = {
  type: 'bastion',
  view: bastionView,
  filters: [],
  list: (labd) => labd.listAll('list-bastions'),
  get: async (labd, name) =>
    pick((await labd.listAll('list-bastions')).items, 'bastion', name, (one) => one.name === name || one.id === name),
  describe(_labd, one, now) {
    return {
      object: one,
      fields: [
        ['Name', one.name],
        ['Id', one.id],
        ['URL', one.url],
        ['Last seen', moment(one.lastSeenAt, now)],
        ['Created', moment(one.createdAt, now)],
      ],
    };
  },
};

/** As labels and firmware screens print them: parted by colons or dashes. */
const macPattern = /^[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}$/;

export const machineResource: Resource<z.infer<typeof machineSchema>> = {
  type: 'machine',
  view: machineView,
  filters: ['role', 'status', 'match'],
  async list(labd, { role, status, match }) {
    const { items } = await labd.listAll('list-machines');
    const fits = (one: (typeof items)[number]) =>
      (role === undefined || one.role === role) &&
      (status === undefined || one.state === status) &&
      (match === undefined || one.hostname?.includes(match) === true || one.mac.includes(match));
    return { items: items.filter(fits), nextCursor: null };
  },
  async get(labd, name) {
    const mac = macPattern.test(name) ? name.replaceAll('-', ':') : undefined;
    const { items } = await labd.listAll('list-machines');
    return pick(items, 'machine', name, (one) => one.mac === mac || one.hostname === name || one.id === name);
  },
  describe(_labd, one, now) {
    return {
      object: one,
      fields: [
        ['MAC', one.mac],
        ['Id', one.id],
        ['Host name', one.hostname],
        ['Role', one.role],
        ['State', one.state],
        ['Bastion', one.bastion],
        ['Updated', moment(one.updatedAt, now)],
      ],
    };
  },
};

export const replicaResource: Resource<z.infer<typeof replicaSchema>> = {
  type: 'replica',
  view: replicaView,
  filters: [],
  list: (labd) => labd.listAll('list-replicas'),
  get: async (labd, name) =>
    pick((await labd.listAll('list-replicas')).items, 'replica', name, ({ id }) => id === name),
  describe(_labd, one, now) {
    return {
      object: one,
      fields: [
        ['Id', one.id],
        ['State', one.live ? 'live' : 'lost'],
        ['Version', one.version],
        ['Started', moment(one.startedAt, now)],
        ['Last seen', moment(one.seenAt, now)],
        ['Agent URL', one.agentUrl],
      ],
    };
  },
};
