/** The bastion of this account (CT-3): looked at where somebody has set it up. What it serves is its own doctor's. */
import type { Settings } from '../config/settings.ts';
import { reachPort } from './check-reach.ts';
import { type Finding, okay, warning } from './finding.ts';

/** A warning and no failure: the fleet goes on without the machine that installs new ones. */
export async function checkBastion(settings: Settings, timeoutMs: number): Promise<Finding[]> {
  const { value, layer, origin } = settings.setting('bastion.url');
  if (value === undefined || layer === 'default') return [];
  const { where, problem } = await reachPort(new URL(value), timeoutMs);
  if (problem === undefined) return [okay('bastion', `${where} takes connections`)];
  const fix = problem === 'ENOTFOUND' ? `is the name right? ${origin}` : `is it running there? ${origin}`;
  return [warning('bastion', `${where} cannot be reached (${problem})`, fix)];
}
