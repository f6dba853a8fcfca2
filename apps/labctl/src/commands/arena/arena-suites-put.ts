import { readFile } from 'node:fs/promises';
import { defineOptions } from '@labmesh/kit/options';
import { parseJson } from '@labmesh/kit/parse-json';
import { suiteSummarySchema } from '@labmesh/wire/verification/arena-views';
import { suiteLimits } from '@labmesh/wire/verification/suite';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand, type World } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';

async function readSuite(path: string, world: World): Promise<unknown> {
  const text =
    path === '-'
      ? await world.readStdin()
      : await readFile(path, 'utf8').catch((error: unknown) => {
          const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
          throw new CommandError(`${path} cannot be read (${code})`, { exitCode: exitCodes.usage, cause: error });
        });
  if (text.length > suiteLimits.textBytes) {
    throw new CommandError(`a suite has at most ${suiteLimits.textBytes} bytes`, { exitCode: exitCodes.usage });
  }
  const value = parseJson(text);
  if (value === undefined) throw new CommandError(`${path} is no JSON`, { exitCode: exitCodes.usage });
  return value;
}

export const arenaSuitesPut = defineCommand({
  name: 'arena suites put',
  summary:
    'Uploads a suite of hidden cases: {id, language, entry, cases: [{args, expect}], compare}. It is sealed at rest; ' +
    'expected values never leave the arena.',
  usage: 'labctl arena suites put FILE|- [--json]',
  examples: ['labctl arena suites put add.json', 'labctl ask --verify --suite add "write add"'],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const [path] = positionals;
    if (path === undefined) throw new CommandError('the file of the suite is missing', { exitCode: exitCodes.usage });
    const json = await readSuite(path, world);
    await using arena = new ArenaClient(findApi(values, world), world);
    const put = await arena.ask({ method: 'POST', path: '/api/arena/suites', json }, suiteSummarySchema);
    world.stdout(values.json ? `${JSON.stringify(put)}\n` : `${put.id}: ${put.cases} cases, sha256 ${put.sha256}\n`);
  },
});
