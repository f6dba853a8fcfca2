/** Whether `[agent.ship]` can work (AG-7). */
import { OptionsError } from '@labmesh/kit/options';
import type { AgentOptions } from '../agent-options.ts';
import { LogPaths } from '../logs/file/log-paths.ts';
import { Refused } from '../session-run.ts';

/** Each is looked at some times a second. */
const filesMax = 64;
const unitsMax = 64;
const pathCharsMax = 4_096;
/** Names of units and patterns of journalctl; nothing that could be taken for another argument. */
const unitPattern = /^[A-Za-z0-9:_.\\@*-]{1,255}$/;
/** Below this a burst would push out what came a moment ago. */
const spoolBytesLeast = 1024 * 1024;

type Shipping = Pick<AgentOptions, 'shipEnabled' | 'shipFiles' | 'shipUnits' | 'spoolMax'>;

const wrong = (key: string, message: string) => new OptionsError({ source: key, key, exitCode: 3 }, message);

/** @throws OptionsError (exit 3). */
export function checkShipping({ shipEnabled, shipFiles, shipUnits, spoolMax }: Shipping): void {
  if (spoolMax !== 0 && spoolMax < spoolBytesLeast) throw wrong('agent.spool_max', 'expected 0, or at least 1MiB');
  if (shipFiles.length > filesMax) throw wrong('agent.ship.files', `more than ${filesMax} files`);
  if (shipUnits.length > unitsMax) throw wrong('agent.ship.units', `more than ${unitsMax} units`);
  for (const file of shipFiles)
    if (!file.startsWith('/') || file.includes('\0') || file.length > pathCharsMax)
      throw wrong('agent.ship.files', `expected an absolute path, found ${JSON.stringify(file.slice(0, 80))}`);
  for (const unit of shipUnits)
    if (!unitPattern.test(unit))
      throw wrong(
        'agent.ship.units',
        `expected a unit such as nginx.service, found ${JSON.stringify(unit.slice(0, 80))}`,
      );
  if (shipEnabled && shipFiles.length + shipUnits.length === 0)
    throw wrong('agent.ship.enabled', 'is true, and neither agent.ship.units nor agent.ship.files names a log');
}

/** Whether each file may be read here; one that is missing is waited for. @throws OptionsError (exit 3). */
export async function checkShipFiles({
  shipFiles,
  logPaths,
}: Pick<AgentOptions, 'shipFiles' | 'logPaths'>): Promise<void> {
  const paths = await LogPaths.open(logPaths);
  for (const file of shipFiles) {
    try {
      await (await paths.read(file))?.close();
    } catch (error) {
      if (error instanceof Refused) throw wrong('agent.ship.files', `${JSON.stringify(file)}: ${error.message}`);
      throw error;
    }
  }
}
