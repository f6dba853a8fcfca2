import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import type { Noted } from '../../login/caller.ts';
import type { Call } from '../handler.ts';

/** The answer of a service, its note put into the audit row of the call. */
export async function noted<T>(call: Pick<Call<FleetOperation>, 'note'>, work: Promise<Noted<T>>): Promise<T> {
  const { answer, note } = await work;
  call.note(note);
  return answer;
}
