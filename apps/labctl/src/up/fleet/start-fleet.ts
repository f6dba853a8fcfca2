/** labd and what belongs to it, started beside all else. Its code is big: whoever leaves it out does not load it. */
import { startBeside } from '../beside.ts';
import type { ComposeInput } from '../compose-input.ts';
import type { OwnFleet } from './own-fleet.ts';
import type { FleetSettings } from './fleet-settings.ts';
import type { Ground } from '../ground.ts';

/** Loads the code; what it gives starts the fleet. The loading goes on while the ground is laid. */
export function prepareFleet(input: ComposeInput, settings: FleetSettings) {
  const loading = import('./own-fleet.ts');
  // It is awaited later; a failure until then is no unhandled one.
  loading.catch(() => undefined);
  const { world, dataDir, values, parts, log } = input;
  return ({ store }: Ground, stack: AsyncDisposableStack): Promise<OwnFleet> =>
    startBeside(stack, async (ending) => {
      const { openFleet } = await loading;
      return openFleet({
        world,
        dataDir,
        settings,
        anyPort: values.port === 0,
        withAgent: parts.has('agent'),
        store,
        log,
        signal: AbortSignal.any([world.life.signal, ending]),
      });
    });
}
