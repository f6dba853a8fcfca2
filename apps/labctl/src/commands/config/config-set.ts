import { CommandError } from '../../command-error.ts';
import { ConfigFile } from '../../config/config-file.ts';
import { configKeyNames, envName, keyDef, parsePlace, type ConfigKey } from '../../config/config-keys.ts';
import { configPath } from '../../config/config-paths.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';

const usage = (problem: string, hint = 'labctl config list shows the keys') =>
  new CommandError(problem, { hint, exitCode: exitCodes.usage });

/** A pin is the same in both cases, and labd writes it in lower case. */
const normal = (key: ConfigKey, value: string) => (key === 'labd.caPin' ? value.toLowerCase() : value);

export const configSet = defineCommand({
  name: 'config set',
  summary:
    'Changes one setting in the file and leaves its comments where they are. contexts.NAME.KEY holds for one context ' +
    'only; currentContext chooses the one that is used.',
  usage: 'labctl config set KEY VALUE | labctl config set KEY --unset',
  examples: [
    'labctl config set contexts.prod.labd.url https://lab.example:3100',
    'labctl config set currentContext prod',
    'labctl config set output --unset',
  ],
  options: {
    unset: { type: 'boolean', flag: 'unset', default: false, help: 'take the key out of the file' },
    ...jsonOption,
  },
  positionalsMax: 2,
  completes: [configKeyNames],
  // Not a fleet command: it must work beside a file with a wrong value in it, to mend that.
  async run({ values, positionals, world }) {
    const [name, given] = positionals;
    if (name === undefined) throw usage('the key is missing');
    const place = parsePlace(name);
    if ('problem' in place) throw usage(place.problem);
    const { key, path } = place;
    if (values.unset && given !== undefined) throw usage('--unset takes no value', `labctl config set ${name} --unset`);
    if (!values.unset && given === undefined) throw usage('the value is missing', `labctl config set ${name} VALUE`);
    if (!values.unset && key === undefined)
      throw usage(`${name} holds keys, not a value`, `labctl config set ${name}.labd.url URL`);
    const value = given === undefined || key === undefined ? undefined : normal(key, given);
    if (value !== undefined && key !== undefined && !keyDef(key).fits(value)) {
      throw usage(
        `${name}: found ${JSON.stringify(value)}, expected ${keyDef(key).expected}`,
        `labctl config set ${name} VALUE`,
      );
    }
    const file = ConfigFile.open(configPath(world.env));
    file.set(path, value);
    file.save();
    if (key !== undefined && world.env[envName(key)]) {
      world.stderr(`note: ${envName(key)} is set and stands above the file\n`);
    }
    if (values.json) world.stdout(`${JSON.stringify({ key: name, value: value ?? null, path: file.path })}\n`);
  },
});
