import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defineOptions } from '@labmesh/kit/options';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';

const options = defineOptions({
  out: { type: 'string', flag: 'out', short: 'o', placeholder: 'FOLDER', help: 'write the files of a verifier there' },
  view: {
    type: 'string',
    flag: 'view',
    choices: ['dsse', 'statement', 'functional', 'compliance', 'summary', 'jws'],
    help: 'another form than the bundle',
  },
  ...apiOptions,
  ...jsonOption,
});

/** What a stranger needs to verify it: the file, whom to trust, and what was revoked. */
const beside = [
  ['trust.json', '/api/arena/trust.json'],
  ['revocations.json', '/api/arena/revocations'],
] as const;

export const arenaCertificate = defineCommand({
  name: 'arena certificate',
  summary:
    'Fetches the certificate of a run, by the id of either. With --out it writes the .labcert file beside the trust file ' +
    'and the revocation list: all that `labctl cert verify` needs.',
  usage: 'labctl arena certificate RUN|ID [--view FORM] [--out FOLDER] [--json]',
  examples: [
    'labctl arena certificate 01963a… --out proof',
    'labctl cert verify proof/cert-01963a….labcert --trust proof/trust.json --revocations proof/revocations.json',
  ],
  options,
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = oneId(positionals, 'the id of a run or certificate', 'labctl arena runs lists them');
    await using arena = new ArenaClient(findApi(values, world), world);
    const query = values.view === undefined ? '' : `?view=${values.view}`;
    const text = await arena.text({ method: 'GET', path: `/api/arena/certificates/${id}${query}` });
    if (values.out === undefined) return world.stdout(`${text}\n`);
    const name = `${id.replace(/^(?!cert-)/, 'cert-')}${values.view === undefined ? '.labcert' : `.${values.view}.json`}`;
    await writeFile(join(values.out, name), text);
    for (const [file, path] of beside)
      await writeFile(join(values.out, file), await arena.text({ method: 'GET', path }));
    const file = join(values.out, name);
    world.stdout(values.json ? `${JSON.stringify({ file, beside: beside.map(([one]) => one) })}\n` : `${file}\n`);
  },
});
