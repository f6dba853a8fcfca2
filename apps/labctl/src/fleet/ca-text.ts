/** The state of the CA for people, and which phase of a rotation follows which (CA-10). */
import { caPhases, type caStatusSchema } from '@labmesh/wire/fleet/resources/records';
import type { z } from 'zod';
import { caKeyView } from '../output/trust-views.ts';
import { renderFields, renderList, type ResultOptions } from '../output/result.ts';
import { ago } from '../terminal/span.ts';

export type CaStatus = z.infer<typeof caStatusSchema>;
export type CaPhase = (typeof caPhases)[number];

/** Names shown of those who lack the bundle; `-o json` has all. */
const behindShown = 20;

/** After the last one the CA stands by again. */
export const nextPhase = (phase: CaPhase): CaPhase =>
  caPhases[(caPhases.indexOf(phase) + 1) % caPhases.length] ?? 'standby';

/** What a step means, for the question before it. */
export const phaseMeaning: Readonly<Record<CaPhase | 'rollback', string>> = {
  standby: 'end the rotation: the old root is no longer trusted',
  init: 'make a new root; it goes into all bundles and signs nothing yet',
  update_clients: 'sign certificates of clients with the new root',
  update_servers: 'sign certificates of servers with the new root',
  rollback: 'go back to the old root',
};

function behindText(behind: readonly string[]): string | readonly string[] {
  if (behind.length === 0) return 'nobody: all have reported the bundle';
  const more = behind.length - behindShown;
  return [...behind.slice(0, behindShown), ...(more > 0 ? [`… and ${more} more`] : [])];
}

/** Fields, then the keys as a table. */
export async function caText(status: CaStatus, options: ResultOptions): Promise<string> {
  const since = status.phaseSince === null ? '' : `, since ${ago(status.phaseSince, options.now)}`;
  const fields = renderFields([
    ['Phase', `${status.phase}${since}`],
    ['Next', `${nextPhase(status.phase)}: ${phaseMeaning[nextPhase(status.phase)]}`],
    ['Trust domain', status.trustDomain],
    ['Root', status.rootMode],
    ['Pins', status.pins],
    ['Bundle', status.bundleDigest],
    ['Behind', behindText(status.behind)],
    ['Warnings', status.warnings],
  ]);
  const keys = await renderList({ items: status.keys, nextCursor: null }, caKeyView, { ...options, format: 'table' });
  return `${fields}\n${keys}`;
}
