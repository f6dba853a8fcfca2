import { CommandError } from '../../command-error.ts';
import { configKeyNames, parsePlace } from '../../config/config-keys.ts';
import { ConfigFile } from '../../config/config-file.ts';
import { configPath } from '../../config/config-paths.ts';
import type { Setting } from '../../config/settings.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { safeText } from '../../terminal/safe-text.ts';

export const configGet = defineFleetCommand({
  name: 'config get',
  summary:
    'Prints a setting as it holds now. contexts.NAME.KEY prints what the file says for a context. Exit code 3 when it ' +
    'is not set.',
  usage: 'labctl config get KEY [--show-origin] [-o FORM]',
  examples: ['labctl config get labd.url --show-origin', 'labctl config get contexts.prod.labd.url'],
  options: {
    showOrigin: { type: 'boolean', flag: 'show-origin', default: false, help: 'tell where the value comes from' },
  },
  positionalsMax: 1,
  completes: [configKeyNames],
  async run({ values, positionals, settings, world, result }) {
    const [name] = positionals;
    if (name === undefined) {
      throw new CommandError('the key is missing', {
        hint: 'labctl config list shows the keys',
        exitCode: exitCodes.usage,
      });
    }
    const place = parsePlace(name);
    if ('problem' in place || place.key === undefined) {
      const problem = 'problem' in place ? place.problem : `${name} holds keys, not a value`;
      throw new CommandError(problem, { hint: 'labctl config list shows the keys', exitCode: exitCodes.usage });
    }
    const { context, key } = place;
    let setting: Setting = settings.setting(key);
    if (context !== undefined) {
      const found = ConfigFile.open(configPath(world.env)).check().contexts.get(context)?.get(key);
      setting = { value: found?.value, layer: 'context', origin: found?.place ?? 'not set' };
    }
    const { value, origin } = setting;
    if (value === undefined) {
      throw new CommandError(`${name} is not set`, {
        hint: `labctl config set ${name} VALUE`,
        exitCode: exitCodes.notConfigured,
      });
    }
    const text = values.showOrigin ? `${value}\t${origin}` : value;
    // A tab parts the two, so that scripts can cut; the value itself holds none.
    await result.object({ key: name, value, origin }, `${text.split('\t').map(safeText).join('\t')}\n`);
  },
});
