import { existsSync } from 'node:fs';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { configPath } from '../../config/config-paths.ts';

export const configPathCommand = defineCommand({
  name: 'config path',
  summary: 'Prints where the settings file is, or would be. LABCTL_CONFIG names another.',
  usage: 'labctl config path [--json]',
  examples: ['$EDITOR "$(labctl config path)"'],
  options: jsonOption,
  positionalsMax: 0,
  async run({ values, world }) {
    const path = configPath(world.env);
    world.stdout(values.json ? `${JSON.stringify({ path, exists: existsSync(path) })}\n` : `${path}\n`);
  },
});
