/**
 * Which version each agent should run: `desired_version` and its kin in table agents. A wish stands until another takes its
 * place; what the agent runs is told by its HELLO.
 */
import type { Reader, Store, Writer } from '@labmesh/store/store';
import { parseJson } from '@labmesh/kit/parse-json';
import type { Principal } from '@labmesh/wire/fleet/principal';

/** `downgrade`: also when the agent runs a newer version. */
export type Wish = { version: string; now: boolean; downgrade: boolean };

/** A wish that is not fulfilled. `ring` is told to the agent for its log. */
export type OpenWish = Wish & { agentId: string; ring: string | null };

/** The JSON list of a row; damage counts as none. */
export function badVersionsOf(text: string): string[] {
  const list = parseJson(text);
  return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];
}

/** Wishes in a transaction that does more. What the agents ran is kept: the way back. */
export async function writeWishes(tx: Writer, agentIds: readonly string[], wish: Wish): Promise<void> {
  for (const id of agentIds) {
    await tx
      .updateTable('agents')
      .set((eb) => ({
        desired_version: wish.version,
        desired_now: wish.now ? 1 : 0,
        desired_downgrade: wish.downgrade ? 1 : 0,
        previous_version: eb
          .case()
          .when(eb.and([eb('version', 'is not', null), eb('version', '!=', wish.version)]))
          .then(eb.ref('version'))
          .else(eb.ref('previous_version'))
          .end(),
        revision: eb('revision', '+', 1),
      }))
      .where('id', '=', id)
      .execute();
  }
}

/** A pin holds an agent at a version, and brings it there; null lets it follow again, from where it is. */
export async function savePin(
  store: Store,
  principal: Principal,
  agentId: string,
  version: string | null,
): Promise<void> {
  await store.write(principal, async (tx) => {
    if (version !== null) await writeWishes(tx, [agentId], { version, now: false, downgrade: true });
    await tx
      .updateTable('agents')
      .set((eb) => ({ pin: version, revision: eb('revision', '+', 1) }))
      .where('id', '=', agentId)
      .execute();
  });
}

/** Agents that run something else than they should, and may still be told so. */
export async function openWishes(db: Reader): Promise<OpenWish[]> {
  const rows = await db
    .selectFrom('agents')
    .select(['id', 'ring', 'desired_version', 'desired_now', 'desired_downgrade', 'bad_versions', 'update_state'])
    .where('desired_version', 'is not', null)
    .where((eb) => eb.or([eb('version', 'is', null), eb('version', '!=', eb.ref('desired_version'))]))
    .execute();
  return rows.flatMap((row) => {
    const version = row.desired_version;
    if (version === null || row.update_state === 'off' || badVersionsOf(row.bad_versions).includes(version)) return [];
    const { id: agentId, ring, desired_now: now, desired_downgrade: downgrade } = row;
    return [{ agentId, ring, version, now: now === 1, downgrade: downgrade === 1 }];
  });
}
