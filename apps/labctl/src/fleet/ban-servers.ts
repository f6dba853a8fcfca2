/** `ban` and `agents ban` are one act under two names. */
import type { FleetCall } from '../fleet-command.ts';
import type { ResourceRef } from '../grammar/resource-ref.ts';
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
