import { readFile } from 'node:fs/promises';
import { defineOptions } from '@labmesh/kit/options';
import { suiteListSchema, suiteSummarySchema } from '@labmesh/wire/verification/arena-views';
import { suiteLimits } from '@labmesh/wire/verification/suite';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { parseJson } from '../../client/api-error.ts';
import { defineCommand, type World } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { ago } from '../../terminal/span.ts';
import { renderTable } from '../../terminal/table.ts';

const options = defineOptions({ ...apiOptions, ...jsonOption });

export const arenaSuitesList = defineCommand({
  name: 'arena suites list',
  summary: 'Lists the suites of hidden cases of the tenant. Their cases are never shown again.',
  usage: 'labctl arena suites list [--json]',
  examples: ['labctl arena suites list'],
  options,
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const found = await arena.ask({ method: 'GET', path: '/api/arena/suites' }, suiteListSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const now = world.clock.wall();
    const rows = found.suites.map((one) => [
      one.id,
      one.language,
      one.cases,
      ago(new Date(one.createdAt).toISOString(), now),
      one.sha256.slice(0, 12),
    ]);
    const nothing = 'no suites; labctl arena suites put FILE uploads one\n';
    world.stdout(
      renderTable(['SUITE', 'LANGUAGE', 'CASES', 'CREATED', 'SHA256'], rows, { columns: world.columns }) || nothing,
    );
  },
});

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
  options,
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

export const arenaSuitesRemove = defineCommand({
  name: 'arena suites remove',
  summary: 'Removes a suite. Certificates that name its digest stay valid.',
  usage: 'labctl arena suites remove ID',
  examples: ['labctl arena suites remove add'],
  options,
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = oneId(positionals, 'the id of a suite', 'labctl arena suites list lists them');
    await using arena = new ArenaClient(findApi(values, world), world);
    await arena.text({ method: 'DELETE', path: `/api/arena/suites/${id}` });
    world.stdout(values.json ? `${JSON.stringify({ id })}\n` : `removed: ${id}\n`);
  },
});
