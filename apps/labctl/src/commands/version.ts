import { defineCommand } from '../command.ts';
import { jsonOption } from '../common-options.ts';
import { askConfigured, labdOptions } from '../fleet/ask-configured.ts';
import { productVersion } from '../product-version.ts';
import { isSingleFile } from '../self-command.ts';
import { safeText } from '../terminal/safe-text.ts';

/** What this program is needs no labd: a labd that is away is a line on stderr, and the exit code stays 0. */
export const version = defineCommand({
  name: 'version',
  summary:
    'Prints the version of this program, of its runtime and of the platform, and that of labd where one is set up.',
  usage: 'labctl version [--client | --context NAME | --local] [--json]',
  examples: ['labctl version', 'labctl version --client', 'labctl version --context prod'],
  options: {
    client: { type: 'boolean', flag: 'client', default: false, help: 'this program only; labd is not asked' },
    ...labdOptions,
    ...jsonOption,
  },
  positionalsMax: 0,
  async run({ values, world }) {
    const facts = {
      version: productVersion,
      bun: Bun.version,
      platform: `${process.platform}-${process.arch}`,
      build: isSingleFile ? 'single file' : 'source',
    };
    // At once: labd may take its time to answer, or not to.
    if (!values.json) world.stdout(`labmesh ${facts.version} (Bun ${facts.bun}, ${facts.platform}, ${facts.build})\n`);
    const labd = values.client ? undefined : await askConfigured(world, values, (client) => client.call('get-version'));
    if (labd !== undefined && 'problem' in labd) world.stderr(`labd: ${safeText(labd.problem.message)}\n`);
    const server = labd !== undefined && 'answer' in labd ? { ...labd.answer, url: labd.url } : null;
    if (values.json) world.stdout(`${JSON.stringify(labd === undefined ? facts : { ...facts, server })}\n`);
    else if (server !== null) world.stdout(`labd    ${safeText(server.version)} at ${server.url}\n`);
  },
});
