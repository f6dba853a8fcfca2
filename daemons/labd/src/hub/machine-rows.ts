/** Machines of all bastions in one table (HB-12): one row a bastion and MAC. */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Store, Writer } from '@labmesh/store/store';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { system } from '@labmesh/wire/fleet/principal';
import type { BastionProgress } from '@labmesh/wire/frame/messages';
import { uuidv7 } from '@labmesh/wire/ids';

const worker = system('bastions');

/** Steps of one machine that are remembered, to know a repeat. */
const stepsMax = 64;

type Details = { steps?: string[] } & Record<string, unknown>;

const stepOf = ({ actionId, attempt, stage, status }: BastionProgress) => `${actionId}/${attempt}/${stage}/${status}`;

async function findMachine(tx: Writer, bastionId: string, mac: string) {
  return tx
    .selectFrom('machines')
    .selectAll()
    .where('bastion_id', '=', bastionId)
    .where('mac', '=', mac)
    .executeTakeFirst();
}

/** Keeps one step; false when it was told before. */
export async function saveProgress(
  store: Store,
  bastionId: string,
  msg: BastionProgress,
  now: number,
): Promise<boolean> {
  return store.write(worker, async (tx) => {
    const known = await findMachine(tx, bastionId, msg.mac);
    const details = (parseJson(known?.details ?? '{}') ?? {}) as Details;
    const steps = details.steps ?? [];
    const step = stepOf(msg);
    if (steps.includes(step)) return false;
    const { kind: _, mac, hostname, role, ...last } = msg;
    const row = {
      hostname: hostname ?? known?.hostname ?? null,
      role: role ?? known?.role ?? null,
      state: `${msg.stage}: ${msg.status}`.slice(0, 130),
      details: JSON.stringify({ ...last, steps: [...steps, step].slice(-stepsMax) }),
      updated_at: now,
    };
    if (known === undefined) {
      await tx
        .insertInto('machines')
        .values({ id: uuidv7(), created_at: now, bastion_id: bastionId, mac, ...row })
        .execute();
    } else {
      await tx
        .updateTable('machines')
        .set((eb) => ({ ...row, revision: eb('revision', '+', 1) }))
        .where('id', '=', known.id)
        .execute();
    }
    return true;
  });
}

/** A machine by its MAC, on whichever bastion reported it last. */
export const machineByMac = (store: Store, principal: Principal, mac: string) =>
  store.read(principal, (db) =>
    db
      .selectFrom('machines')
      .innerJoin('bastions', 'bastions.id', 'machines.bastion_id')
      .select(['machines.id', 'machines.mac', 'machines.hostname', 'machines.bastion_id', 'bastions.name as bastion'])
      .where('machines.mac', '=', mac)
      .orderBy('machines.updated_at', 'desc')
      .executeTakeFirst(),
  );
