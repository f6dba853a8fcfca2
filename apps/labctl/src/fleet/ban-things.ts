/** Bans: of servers under two names (`ban`, `agents ban`), and of nodes. */
import type { FleetNode } from '@labmesh/wire/fleet/resources/nodes';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { FleetCall } from '../fleet-command.ts';
import type { ResourceRef } from '../grammar/resource-ref.ts';
import { nodeView } from '../output/node-views.ts';
import { serverView } from '../output/server-views.ts';

export const banOptions = {
  reason: { type: 'string', flag: 'reason', placeholder: 'TEXT', help: 'why, for the audit log' },
} as const;

/** Asks, bans, and shows what became of each. */
export async function banServers(call: FleetCall<typeof banOptions>, refs: readonly ResourceRef[]): Promise<void> {
  const { values, confirm, change, labd, result } = call;
  const { reason } = values;
  const items = [];
  for (const { name } of refs) {
    const what = `ban server/${name}: cut it off and refuse its key, machine id and identity until unban`;
    await confirm(what, name);
    const banned = await change(what, async () =>
      (await labd()).call('ban-server', { params: { id: name }, body: reason === undefined ? {} : { reason } }),
    );
    if (banned !== undefined) items.push(banned);
  }
  if (items.length > 0) await result.list({ items, nextCursor: null }, serverView);
}

type AnyCall = Pick<FleetCall<typeof banOptions>, 'change' | 'confirm' | 'labd' | 'result'>;

/** Whether the things named are nodes. @throws CommandError (exit 2) when only some are: the two are shown differently. */
export function areNodes(refs: readonly ResourceRef[]): boolean {
  const nodes = refs.filter(({ type }) => type === 'node').length;
  if (nodes === 0 || nodes === refs.length) return nodes > 0;
  throw new CommandError('either servers or nodes: they are banned apart', { exitCode: exitCodes.usage });
}

async function each(
  { change, result }: AnyCall,
  refs: readonly ResourceRef[],
  what: (name: string) => string,
  act: (name: string) => Promise<FleetNode>,
): Promise<void> {
  const items: FleetNode[] = [];
  for (const { name } of refs) {
    const done = await change(what(name), () => act(name));
    if (done !== undefined) items.push(done);
  }
  if (items.length > 0) await result.list({ items, nextCursor: null }, nodeView);
}

/** Asks, bans, and shows what became of each. */
export async function banNodes(call: FleetCall<typeof banOptions>, refs: readonly ResourceRef[]): Promise<void> {
  const { values, confirm, labd } = call;
  const { reason } = values;
  const what = (name: string) => `ban node/${name}: take its tunnel away and refuse its keys and tokens until unban`;
  for (const { name } of refs) await confirm(what(name), name);
  const body = reason === undefined ? {} : { reason };
  await each(call, refs, what, async (name) => (await labd()).call('ban-node', { params: { id: name }, body }));
}

export const unbanNodes = (call: AnyCall, refs: readonly ResourceRef[]): Promise<void> =>
  each(
    call,
    refs,
    (name) => `unban node/${name}`,
    async (name) => (await call.labd()).call('unban-node', { params: { id: name } }),
  );
