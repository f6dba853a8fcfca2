import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { World } from '../../command.ts';
import { safeText } from '../../terminal/safe-text.ts';
import type { Running } from '../compose.ts';
import { waitForState } from '../wait-for-state.ts';
import { placeOf } from './ready-facts.ts';

/** A server found later gets this long to tell its models before it is announced. */
const announceMs = 5_000;

/** Says which server joined, once it has told its models. */
export async function announce(endpoint: Endpoint, running: Running, world: World): Promise<void> {
  await waitForState(running.registry, endpoint, announceMs);
  const count = endpoint.models.size;
  const models = count === 1 ? '1 model' : `${count} models`;
  world.stdout(safeText(`found ${endpoint.spec.name} at ${placeOf(endpoint)}: ${models}`) + '\n');
}
