import { defineCommand } from '../command.ts';
import { jsonOption } from '../common-options.ts';
import { productVersion } from '../product-version.ts';
import { isSingleFile } from '../self-command.ts';

export const version = defineCommand({
  name: 'version',
  summary: 'Prints the version of this program, of its runtime and of the platform.',
  usage: 'labctl version [--json]',
  examples: ['labctl version'],
  options: jsonOption,
  positionalsMax: 0,
  async run({ values, world }) {
    const facts = {
      version: productVersion,
      bun: Bun.version,
      platform: `${process.platform}-${process.arch}`,
      build: isSingleFile ? 'single file' : 'source',
    };
    world.stdout(
      values.json
        ? `${JSON.stringify(facts)}\n`
        : `labmesh ${facts.version} (Bun ${facts.bun}, ${facts.platform}, ${facts.build})\n`,
    );
  },
});
